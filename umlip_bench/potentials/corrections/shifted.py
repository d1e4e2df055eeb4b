"""Any potential with its element references shifted.

    E' = E + sum over elements of (number of atoms) x (shift)

Forces, stress and every difference between structures of one composition stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from umlip_bench.potentials.corrections.modification import ReferenceShift
from umlip_bench.potentials.corrections.wrapped import (
    WrappedBatch,
    WrappedDifferentiable,
    WrappedPotential,
)
from umlip_bench.potentials.graph import Batch, Energies, Graph, Prediction, by_atomic_number
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential
from umlip_bench.potentials.weights import Weights


class ShiftedPotential(WrappedPotential):
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
        symbols, values = tuple(correction.shifts), tuple(correction.shifts.values())
        shifts = np.nan_to_num(by_atomic_number(symbols, values), nan=0.0)
        super().__init__(weights, parent, parent.card.elements, shifts)

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """The parent's predictions with shifted energies."""
        predictions = self.parent.evaluate(graphs, stress=stress)
        return [
            replace(prediction, energy=prediction.energy + self.constant(graph))
            for prediction, graph in zip(predictions, graphs, strict=True)
        ]

    def element_references(self) -> np.ndarray:
        """The parent's with the shifts added."""
        return self.parent.element_references() + self.constants


class ShiftedDifferentiable(ShiftedPotential, WrappedDifferentiable):
    """A shifted potential that torch can differentiate, as its parent is."""

    def energies(self, batch: Batch) -> Energies:
        """Shifted energies in eV; magnetic moments and descriptors are the parent's."""
        assert isinstance(batch, WrappedBatch)
        result = self.parent.energies(batch.parent)
        return replace(result, energy=result.energy + batch.constants)


def shifted(weights: Weights, parent: Potential, correction: ReferenceShift) -> ShiftedPotential:
    """Shift a potential's element references; what the parent can do, the result can."""
    if isinstance(parent, DifferentiablePotential):
        return ShiftedDifferentiable(weights, parent, correction)
    return ShiftedPotential(weights, parent, correction)
