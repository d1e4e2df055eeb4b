"""Where two sides end, and how far apart that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms


@dataclass(frozen=True, eq=False)
class End:
    """Where one structure ended on one side: geometry, energy (eV) and forces (eV/Å) there."""

    atoms: Atoms
    energy: float
    forces: np.ndarray


@dataclass(frozen=True)
class Difference:
    """Largest differences between two lists of ends, or what is tolerated.

    Parameters
    ----------
    energy
        eV/atom.
    forces
        Largest component, eV/Å.
    positions
        Largest component of an atom's position or of a lattice vector, Å.
    """

    energy: float
    forces: float
    positions: float

    def within(self, tolerance: Difference) -> bool:
        """Whether no difference exceeds the tolerance; not-a-number never is."""
        return (
            self.energy <= tolerance.energy
            and self.forces <= tolerance.forces
            and self.positions <= tolerance.positions
        )

    def larger(self, other: Difference) -> Difference:
        """The larger of each."""
        return Difference(
            max(self.energy, other.energy),
            max(self.forces, other.forces),
            max(self.positions, other.positions),
        )


def difference(a: Sequence[End], b: Sequence[End]) -> Difference:
    """Largest differences between the ends of two sides."""
    worst = Difference(0.0, 0.0, 0.0)
    for x, y in zip(a, b, strict=True):
        moved = np.abs(x.atoms.positions - y.atoms.positions).max()
        deformed = np.abs(x.atoms.cell.array - y.atoms.cell.array).max()
        worst = worst.larger(
            Difference(
                energy=abs(x.energy - y.energy) / len(x.atoms),
                forces=float(np.abs(x.forces - y.forces).max()),
                positions=float(max(moved, deformed)),
            )
        )
    return worst
