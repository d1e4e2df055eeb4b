"""Reading matgl's potentials, M3GNet and TensorNet, mended where their weights need it."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import torch
from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.models import M3GNet, TensorNet

from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.adapters.m3gnet import M3gnetPotential
from umlip_bench.potentials.adapters.matgl_base import FILES, MatglPotential
from umlip_bench.potentials.adapters.matgl_mending import mend_message_direction
from umlip_bench.potentials.adapters.tensornet import TensornetPotential
from umlip_bench.potentials.weights import Weights


def load(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> MatglPotential:
    """Read a model saved by matgl, mended where its weights predate matgl 3.

    Raises
    ------
    WeightsError
        If the files cannot be read or hold an architecture that is not supported.
    """
    module = read_potential(weights)
    supported = {M3GNet: M3gnetPotential, TensorNet: TensornetPotential}
    if type(module.model) not in supported:
        raise WeightsError(
            f"{weights.card.name} is a {type(module.model).__name__}; of matgl's architectures "
            "M3GNet and TensorNet are supported"
        )
    if module.calc_repuls or module.calc_charge:
        raise WeightsError(f"{weights.card.name}: ZBL repulsion and charges are not supported")
    trained_with = weights.card.trained_with
    if trained_with is not None and int(trained_with.split()[-1].split(".")[0]) < 3:
        mend_message_direction(module)
    module.to(device=device, dtype=dtype)
    module.eval().requires_grad_(False)
    return supported[type(module.model)](weights, module)


def load_old(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> MatglPotential:
    """Read a model of whose weights the user says that they predate matgl 3.

    Raises
    ------
    WeightsError
        As `load`.
    """
    card = replace(weights.card, trained_with="matgl 2")
    return load(replace(weights, card=card), device=device, dtype=dtype)


def read_potential(weights: Weights) -> MatglPotentialModule:
    """The library's potential as it loads it, on the CPU.

    Raises
    ------
    WeightsError
        If files are missing or not a matgl potential.
    """
    files = {path.name: path for path in weights.paths}
    missing = [name for name in FILES if name not in files]
    if missing:
        raise WeightsError(f"a matgl model needs {', '.join(FILES)}; {missing[0]} is missing")
    try:
        with warnings.catch_warnings():
            # Older files make matgl warn that they may not fit; `load` settles whether they do.
            warnings.filterwarnings("ignore", message="Incompatible model version")
            return MatglPotentialModule.load({name: str(files[name]) for name in FILES})
    except (
        AttributeError,
        EOFError,
        KeyError,
        OSError,
        RuntimeError,
        TypeError,
        ValueError,
        pickle.UnpicklingError,
    ) as error:
        raise WeightsError(
            f"{files['state.pt'].parent} cannot be read as a matgl potential "
            f"({type(error).__name__}: {error}); expected {', '.join(FILES)} as matgl's "
            "Potential.save writes them"
        ) from error
