"""matgl's potentials: reading them, and mending weights from before matgl 3.

Weights published before matgl 3 were trained with messages summed onto the second atom of each edge;
matgl 3 and later sum onto the first and load the old weights without complaint, wrong by 1 to 9
eV/atom on compounds. `mend_message_direction` restores the direction on the loaded instance; the
library's classes stay as they are for models trained on newer versions.
"""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers
from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.ext.ase import PESCalculator
from matgl.layers._embedding import TensorEmbedding
from matgl.layers._graph_convolution import M3GNetGraphConv
from matgl.models import M3GNet, TensorNet
from torch import Tensor

from umlip_bench.errors import WeightsError
from umlip_bench.potentials.collate import Concatenation, sum_per_structure
from umlip_bench.potentials.neighbors import pair_graph
from umlip_bench.potentials.protocol import (
    Batch,
    DifferentiablePotential,
    Graph,
)
from umlip_bench.potentials.store import Weights
from umlip_bench.structures import check_structure

FILES = ("model.json", "model.pt", "state.pt")
"""What a saved matgl model consists of."""


class SecondAtomConv(M3GNetGraphConv):
    """M3GNet's graph convolution with node messages summed onto the second atom of each edge."""

    def node_update_(
        self,
        edge_index: Tensor,
        edge_feat: Tensor,
        node_feat: Tensor,
        rbf: Tensor,
        u_per_edge: Tensor | None,
        num_nodes: int,
    ) -> Tensor:
        """Equation 5 of the M3GNet paper, summed as the weights were trained."""
        first, second = edge_index
        inputs = [node_feat[first], node_feat[second], edge_feat]
        if u_per_edge is not None:
            inputs.append(u_per_edge)
        messages = self.node_update_func(torch.hstack(inputs)) * self.node_weight_func(rbf)
        return messages.new_zeros(num_nodes, messages.shape[1]).index_add(0, second, messages)


class SecondAtomEmbedding(TensorEmbedding):
    """TensorNet's embedding with messages summed onto the second atom of each edge.

    The embedding sums onto the first row of the edges it is given; handing it reversed edges and
    undoing the exchange inside the message leaves the sum as the only difference.
    """

    def forward(self, z: Tensor, edge_index: Tensor, *args: Tensor | None) -> tuple:
        """Embed with the edges reversed."""
        return super().forward(z, edge_index.flip(0), *args)

    def message(self, x_i: Tensor, x_j: Tensor, *args: Tensor, **kwargs: Tensor) -> tuple:
        """The library's message for the edge as it was before the reversal."""
        return super().message(x_j, x_i, *args, **kwargs)


def mend_message_direction(potential: MatglPotentialModule) -> None:
    """Make a loaded potential sum its messages as weights from before matgl 3 were trained.

    Changes this instance only. Needed again after every save and load through matgl.

    Raises
    ------
    WeightsError
        If the architecture is not one whose old convention is known.
    """
    model = potential.model
    if isinstance(model, M3GNet):
        for layer in model.graph_layers:
            layer.conv.__class__ = SecondAtomConv
    elif isinstance(model, TensorNet) and type(model.tensor_embedding) is TensorEmbedding:
        model.tensor_embedding.__class__ = SecondAtomEmbedding
    else:
        raise WeightsError(
            f"{type(model).__name__} weights from before matgl 3 cannot be used safely: how their "
            "messages were summed is known only for M3GNet and for TensorNet without warp kernels"
        )


def load(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> MatglPotential:
    """Read a model saved by matgl, mended where its weights predate matgl 3.

    Raises
    ------
    WeightsError
        If the files cannot be read or hold an architecture that is not supported.
    """
    from umlip_bench.potentials.m3gnet import M3gnetPotential
    from umlip_bench.potentials.tensornet import TensornetPotential

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


class MatglPotential(DifferentiablePotential):
    """What matgl's architectures have in common.

    Parameters
    ----------
    weights
        Located weights.
    module
        The library's potential, mended where needed, on its device, frozen.
    """

    def __init__(self, weights: Weights, module: MatglPotentialModule) -> None:
        self.weights = weights
        self.module = module
        self.model = module.model
        self.device, self.dtype = module.data_mean.device, module.data_mean.dtype
        self.card = replace(
            weights.card,
            elements=tuple(self.model.element_types),
            n_parameters=sum(p.numel() for p in module.parameters()),
        )
        self.cutoff = float(self.model.cutoff)
        numbers = [atomic_numbers[symbol] for symbol in self.model.element_types]
        self._type_of_number = np.full(max(numbers) + 1, -1)
        self._type_of_number[numbers] = np.arange(len(numbers))
        references = module.element_refs
        offsets = torch.zeros(len(numbers)) if references is None else references.property_offset
        self._references = offsets.detach().double().reshape(-1).to(self.device)

    def reference_calculator(self) -> Calculator:
        """Matgl's own calculator, mended, with its parameters as the library leaves them."""
        module = copy.deepcopy(self.module).requires_grad_(True)
        return PESCalculator(module, stress_unit="eV/A3")

    def prepare(self, atoms: Atoms) -> Graph:
        """Neighbour list."""
        check_structure(atoms, self.card.elements)
        return pair_graph(atoms, self.cutoff)

    def collate(self, graphs: Sequence[Graph]) -> Batch:
        """One set of tensors; `numbers` holds matgl's element index instead of atomic numbers."""
        cat = Concatenation(graphs, self.device, self.dtype, torch.int32)
        numbers = np.concatenate([g.numbers for g in graphs])
        return replace(cat.batch(), numbers=cat.index(self._type_of_number[numbers]))

    def total(self, scaled_site_energies: Tensor, batch: Batch) -> Tensor:
        """Energies (B,) in eV from the model's site energies (N,), with element references."""
        mean = self.module.data_mean.double() / torch.bincount(
            batch.structure_of_atom, minlength=batch.n_structures
        ).clamp(min=1)
        sites = self.module.data_std * scaled_site_energies.reshape(-1).double()
        return sum_per_structure(
            sites + mean[batch.structure_of_atom] + self._references[batch.numbers], batch
        )
