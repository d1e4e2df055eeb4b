"""Any potential with its element references shifted.

    E' = E + sum over elements of (number of atoms) x (shift)

Forces, stress and every difference between structures of one composition stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from torch import Tensor

from umlip_bench.errors import UmlipBenchError
from umlip_bench.potentials.changes import ReferenceShift
from umlip_bench.potentials.protocol import (
    Batch,
    DifferentiablePotential,
    Energies,
    Footprint,
    Graph,
    Potential,
    Prediction,
    by_atomic_number,
)
from umlip_bench.potentials.store import Weights


@dataclass
class ShiftedBatch(Batch):
    """The parent's batch, its tensors shared, and the shift of every structure, shape (B,), eV."""

    parent: Batch
    shifts: Tensor


class ShiftedPotential(Potential):
    """A potential with other element references; the parent may be anything.

    Parameters
    ----------
    weights
        The card of the corrected model, and where it was read from.
    parent
        The potential to shift.
    correction
        Energies by element.
    """

    def __init__(self, weights: Weights, parent: Potential, correction: ReferenceShift) -> None:
        self.weights = weights
        self.parent = parent
        symbols, values = tuple(correction.shifts), tuple(correction.shifts.values())
        self.shifts = np.nan_to_num(by_atomic_number(symbols, values), nan=0.0)
        card = parent.card
        self.card = replace(weights.card, elements=card.elements, n_parameters=card.n_parameters)
        self.device, self.dtype = parent.device, parent.dtype
        self.peak_over_saved = parent.peak_over_saved
        self.edges_per_cpu_batch = parent.edges_per_cpu_batch

    @property
    def footprint(self) -> Footprint:  # type: ignore[override]
        """The parent's."""
        return self.parent.footprint

    def prepare(self, atoms: Atoms) -> Graph:
        """As the parent does."""
        return self.parent.prepare(atoms)

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """The parent's predictions with shifted energies."""
        predictions = self.parent.evaluate(graphs, stress=stress)
        return [
            replace(prediction, energy=prediction.energy + self._shift(graph))
            for prediction, graph in zip(predictions, graphs, strict=True)
        ]

    def element_references(self) -> np.ndarray:
        """The parent's with the shifts added."""
        return self.parent.element_references() + self.shifts

    def reference_calculator(self) -> Calculator:
        """There is none: the shifts are not in the library's weights.

        Raises
        ------
        UmlipBenchError
            Always.
        """
        raise UmlipBenchError(
            f"{self.card.name}: no library has a calculator of it to compare with; it is as fast as "
            f"{self.parent.card.name}, whose element references it shifts"
        )

    def _shift(self, graph: Graph) -> float:
        return float(self.shifts[graph.numbers].sum())


class ShiftedDifferentiable(ShiftedPotential, DifferentiablePotential):
    """A shifted potential that torch can differentiate, as its parent is."""

    def __init__(
        self, weights: Weights, parent: DifferentiablePotential, correction: ReferenceShift
    ) -> None:
        super().__init__(weights, parent, correction)
        self._differentiable = parent

    def collate(self, graphs: Sequence[Graph]) -> ShiftedBatch:
        """The parent's tensors and the shifts."""
        batch = self._differentiable.collate(graphs)
        shifts = torch.tensor(
            [self._shift(graph) for graph in graphs], dtype=torch.float64, device=self.device
        )
        common = {field.name: getattr(batch, field.name) for field in fields(Batch)}
        return ShiftedBatch(**common, parent=batch, shifts=shifts)

    def energies(self, batch: Batch) -> Energies:
        """Shifted energies in eV; magnetic moments and descriptors are the parent's."""
        assert isinstance(batch, ShiftedBatch)
        result = self._differentiable.energies(batch.parent)
        return replace(result, energy=result.energy + batch.shifts)


def shifted(weights: Weights, parent: Potential, correction: ReferenceShift) -> ShiftedPotential:
    """Shift a potential's element references; what the parent can do, the result can."""
    if isinstance(parent, DifferentiablePotential):
        return ShiftedDifferentiable(weights, parent, correction)
    return ShiftedPotential(weights, parent, correction)
