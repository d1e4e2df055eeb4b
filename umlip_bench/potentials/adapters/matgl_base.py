"""What matgl's architectures have in common."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers
from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.ext.ase import PESCalculator
from matgl.layers._atom_ref import AtomRef
from torch import Tensor

from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.collate import (
    Concatenation,
    atoms_per_structure,
    sum_per_structure,
)
from umlip_bench.potentials.adapters.neighbors import pair_graph
from umlip_bench.potentials.graph import Batch, Graph, by_atomic_number
from umlip_bench.potentials.trainable import TrainablePotential
from umlip_bench.potentials.weights import Weights

FILES = ("model.json", "model.pt", "state.pt")
"""What a saved matgl model consists of."""


class MatglPotential(TrainablePotential):
    """A matgl potential.

    Parameters
    ----------
    weights
        Located weights.
    module
        The library's potential, mended where needed, on its device, frozen.
    """

    module: MatglPotentialModule
    head = ("model.final_layer",)

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
        if module.element_refs is None:
            module.element_refs = AtomRef(torch.zeros(len(numbers))).to(self.device, self.dtype)
        self._references = module.element_refs.property_offset.detach().double().reshape(-1)

    def element_references(self) -> np.ndarray:
        """Matgl's element references.

        `data_mean`, a constant per structure that is zero in every published model, is not one.
        """
        return by_atomic_number(self.card.elements, self._references.cpu().numpy())

    def reference_calculator(self) -> Calculator:
        """Matgl's own calculator, mended, with its parameters as the library leaves them."""
        module = copy.deepcopy(self.module).requires_grad_(True)
        return PESCalculator(module, stress_unit="eV/A3")

    def shift_references(self, shifts: np.ndarray) -> None:
        """Add to the element references."""
        numbers = [atomic_numbers[symbol] for symbol in self.card.elements]
        offsets = self.module.element_refs.property_offset
        added = torch.as_tensor(shifts[numbers], device=offsets.device)
        offsets.copy_((self._references + added).reshape(offsets.shape).float())
        self._references = offsets.detach().double().reshape(-1)

    def reinitialise(self, seed: int) -> None:
        """Take the parameters of a newly made model; scale and element references stay."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            new = type(self.model)(**self.model._init_args)
        self.model.load_state_dict(new.state_dict())

    def save_weights(self, folder: Path) -> tuple[str, ...]:
        """A model as ``Potential.save`` writes it.

        matgl does not note how messages are summed (`matgl_mending`): the card that
        goes with the files has to keep `ModelCard.trained_with`.
        """
        module = copy.deepcopy(self.module).cpu()
        # A model without references of its own was given zeros, which it has to be made with again.
        module._init_args["element_refs"] = module.element_refs.property_offset.tolist()
        module.save(folder)
        return FILES

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
        mean = self.module.data_mean.double() / atoms_per_structure(batch).clamp(min=1)
        sites = self.module.data_std * scaled_site_energies.reshape(-1).double()
        return sum_per_structure(
            sites + mean[batch.structure_of_atom] + self._references[batch.numbers], batch
        )
