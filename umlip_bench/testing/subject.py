"""A potential under test, and how its predictions are held against expected ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.engine.prediction import predict
from umlip_bench.potentials.agreement import TOLERANCES, Deviation, deviation
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential
from umlip_bench.testing import structures
from umlip_bench.testing.report import Fault, Measurement, Refusal

Finding = Measurement | Refusal | Fault

ENERGY, FORCE, STRESS = "eV", "eV/Å", "eV/Å^3"


@dataclass(frozen=True)
class Subject:
    """A potential, and the same in double precision.

    Parameters
    ----------
    model
        In the precision that it is used in.
    double
        In float64, for derivatives and symmetries; ``None`` if it is not to be had.
    """

    model: Potential
    double: Potential | None

    @property
    def tolerance(self) -> Deviation:
        """For the same weights in another order, batch or implementation."""
        return TOLERANCES[self.model.dtype]

    def known(self, atoms: Atoms) -> Atoms:
        """The structure in elements of the model."""
        return structures.of_known(atoms, self.model.card.elements)

    def mixed(self, n: int, largest: int = 100) -> list[Atoms]:
        """Distorted structures in elements of the model."""
        return [self.known(atoms) for atoms in structures.mixed(n, largest)]

    def predict(self, atoms: Sequence[Atoms]) -> list[Prediction]:
        """What the model says."""
        return predict(self.model, atoms)


def agreement(
    what: str, tolerance: Deviation, pairs: Sequence[tuple[Prediction, Prediction]]
) -> Iterator[Finding]:
    """The largest deviation between pairs of predictions of the same structures."""
    found = [deviation(a, b) for a, b in pairs]
    energy = largest([each.energy for each in found])
    yield Measurement(f"energy, {what}", energy, tolerance.energy, "eV/atom")
    forces = largest([each.forces for each in found])
    yield Measurement(f"forces, {what}", forces, tolerance.forces, FORCE)
    if any((a.stress is None) != (b.stress is None) for a, b in pairs):
        yield Fault(f"stress, {what}: one side has it, the other has not")
    elif any(a.stress is not None for a, _ in pairs):
        stress = largest([each.stress for each in found])
        yield Measurement(f"stress, {what}", stress, tolerance.stress, STRESS)


def largest(deviations: Sequence[float] | np.ndarray) -> float:
    """The largest absolute value; not-a-number if one is."""
    return float(np.abs(np.asarray(deviations, dtype=float)).max())
