"""Reading matgl's potentials, M3GNet and TensorNet, mended where their weights need it."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import warnings
from dataclasses import replace
from pathlib import Path

import torch
from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.models import M3GNet, TensorNet

from umlip_bench.ground.archives import DamagedArchive, check_archive
from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.adapters.m3gnet import M3gnetPotential
from umlip_bench.potentials.adapters.matgl_base import FILES, MatglPotential
from umlip_bench.potentials.adapters.matgl_convention import CRYSTALS, Score, score
from umlip_bench.potentials.adapters.matgl_mending import mend_message_direction
from umlip_bench.potentials.adapters.tensornet import TensornetPotential
from umlip_bench.potentials.weights import Weights

logger = logging.getLogger(__name__)

_SCORES: dict[str, dict[bool, Score]] = {}


def load(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> MatglPotential:
    """Read a model saved by matgl, mended where its weights predate matgl 3.

    Raises
    ------
    WeightsError
        If the files cannot be read or hold an architecture that is not supported; if nobody but the user
        says how messages are summed, and crystals say otherwise.
    """
    module = read_potential(weights)
    trained_with = weights.card.trained_with
    old = trained_with is not None and int(trained_with.split()[-1].split(".")[0]) < 3
    # A card of the catalogue, or of the weights that training started from, is believed.
    if trained_with is None and not all(file.sha256 for file in weights.card.files):
        _check_convention(weights, module, old=False)
    return _built(weights, module, device, dtype, old)


def load_old(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> MatglPotential:
    """Read a model of whose weights the user says that they predate matgl 3.

    Raises
    ------
    WeightsError
        As `load`.
    """
    module = read_potential(weights)
    _check_convention(weights, module, old=True)
    card = replace(weights.card, trained_with="matgl 2")
    return _built(replace(weights, card=card), module, device, dtype, old=True)


def predates_matgl_3(weights: Weights) -> bool:
    """Whether messages are summed as before matgl 3, as it shows in crystals.

    Raises
    ------
    WeightsError
        If it does not show; says what was found.
    """
    scores = _scores(weights, read_potential(weights))
    for old in (False, True):
        if scores[old].passes and scores[not old].fails:
            return old
    raise WeightsError(
        f"of the crystals that {weights.card.name} is tried on it gets {scores[False]} right with messages "
        f"summed as since matgl 3 and {scores[True]} as before, which does not tell how it was trained"
    )


def _check_convention(weights: Weights, module: MatglPotentialModule, old: bool) -> None:
    """Refuse the prefix that crystals speak against; warn where they are silent."""
    scores = _scores(weights, module)
    name, (taken, other) = (
        weights.card.name,
        ("matgl2:", "matgl:") if old else ("matgl:", "matgl2:"),
    )
    found = (
        f"{taken} gets {scores[old]} crystals right in lattice constant and bulk modulus, "
        f"{other} {scores[not old]}"
    )
    if scores[old].fails and scores[not old].passes:
        raise WeightsError(f"{name}: it was trained the other way, write {other}PATH ({found})")
    if not (scores[old].passes and scores[not old].fails):
        logger.warning("%s: %s is taken at its word; crystals do not tell (%s)", name, taken, found)


def _scores(weights: Weights, module: MatglPotentialModule) -> dict[bool, Score]:
    """What crystals say of both ways to sum messages; by whether it is the old one."""
    if weights.sha256 in _SCORES:  # found when the path was located
        return _SCORES[weights.sha256]
    scores: dict[bool, Score] = {}
    for old in (False, True):
        try:
            tried = _built(weights, copy.deepcopy(module), torch.device("cpu"), torch.float32, old)
        except WeightsError:
            if not old:
                raise
            scores[old] = Score(0, len(CRYSTALS))  # no such architecture was trained before matgl 3
        else:
            scores[old] = score(tried)
    _SCORES[weights.sha256] = scores
    return scores


def _built(
    weights: Weights,
    module: MatglPotentialModule,
    device: torch.device,
    dtype: torch.dtype,
    old: bool,
) -> MatglPotential:
    supported = {M3GNet: M3gnetPotential, TensorNet: TensornetPotential}
    if type(module.model) not in supported:
        raise WeightsError(
            f"{weights.card.name} is a {type(module.model).__name__}; of matgl's architectures "
            "M3GNet and TensorNet are supported"
        )
    if module.calc_repuls or module.calc_charge:
        raise WeightsError(f"{weights.card.name}: ZBL repulsion and charges are not supported")
    if old:
        mend_message_direction(module)
    module.to(device=device, dtype=dtype)
    module.eval().requires_grad_(False)
    return supported[type(module.model)](weights, module)


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
            check_archive(files["state.pt"])
            check_archive(files["model.pt"])
            _check_json(files["model.json"], files["model.pt"])
            return MatglPotentialModule.load({name: str(files[name]) for name in FILES})
    except (
        DamagedArchive,
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


def _check_json(written: Path, pickled: Path) -> None:
    """Compare the arguments in ``model.json``, which has no checksum, with those in ``model.pt``."""
    content = json.loads(written.read_text(encoding="utf-8"))
    arguments = torch.load(pickled, map_location="cpu", weights_only=True)
    if content["@class"] != MatglPotentialModule.__name__:
        raise ValueError(f"{written.name} is of a {content['@class']}")
    if not _agree(arguments, content["kwargs"]):
        raise ValueError(f"{written.name} has other arguments than {pickled.name}")


def _agree(argument: object, written: object) -> bool:
    """Whether an argument is the one that was written as JSON; tensors were written as text."""
    if isinstance(argument, dict) and isinstance(written, dict):
        return argument.keys() == written.keys() and all(
            _agree(argument[key], written[key]) for key in argument
        )
    if isinstance(argument, list | tuple) and isinstance(written, list):
        return len(argument) == len(written) and all(map(_agree, argument, written))
    if argument is None or isinstance(argument, bool | int | float | str | dict | list | tuple):
        return type(argument) is type(written) and argument == written
    return isinstance(written, str)
