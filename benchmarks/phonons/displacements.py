"""Displacements of the atoms of a supercell, as phonopy's data sets have them: one atom at a time, or all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

Mean = Callable[[np.ndarray], np.ndarray]
"""Of shape (D, N, 3), to shape (N, 3)."""


@dataclass(frozen=True, eq=False)
class Displacements:
    """Which atom is displaced, and where to, in each supercell.

    Parameters
    ----------
    atoms
        Shape (D,), index in phonopy's supercell.
    vectors
        Shape (D, 3), Å.
    """

    solver: ClassVar[None] = None
    """phonopy's own."""

    atoms: np.ndarray
    vectors: np.ndarray

    def strained(self, deformation: np.ndarray) -> Displacements:
        """The same displacements in a cell that was deformed by r -> r F, `deformation` of shape (3, 3)."""
        return Displacements(self.atoms, self.vectors @ deformation)

    @property
    def amplitude(self) -> float:
        """Root mean square length, Å."""
        return _rms(self.vectors)

    def of_all_atoms(self, count: int) -> np.ndarray:
        """Displacements of each of `count` atoms, shape (D, N, 3), Å."""
        vectors = np.zeros((len(self.atoms), count, 3))
        vectors[np.arange(len(self.atoms)), self.atoms] = self.vectors
        return vectors

    def dataset(self, forces: np.ndarray, symmetric_mean: Mean) -> dict[str, object]:
        """For phonopy.

        Parameters
        ----------
        forces
            On all atoms, shape (D, N, 3), eV/Å.
        symmetric_mean
            Of vectors on the atoms of all supercells.
        """
        return {
            "natom": forces.shape[1],
            "first_atoms": [
                {"number": int(atom), "displacement": vector, "forces": on_atoms}
                for atom, vector, on_atoms in zip(self.atoms, self.vectors, forces, strict=True)
            ],
        }


@dataclass(frozen=True, eq=False)
class RandomDisplacements:
    """Where all atoms of each supercell are displaced to at once.

    Parameters
    ----------
    vectors
        Shape (D, N, 3), Å.
    """

    solver: ClassVar[str] = "symfc"
    """Least squares within the symmetry of the supercell (A. Seko and A. Togo, Phys. Rev. B 110, 214302
    (2024))."""

    vectors: np.ndarray

    def strained(self, deformation: np.ndarray) -> RandomDisplacements:
        """As of `Displacements`."""
        return RandomDisplacements(self.vectors @ deformation)

    @property
    def amplitude(self) -> float:
        """As of `Displacements`, over all atoms."""
        return _rms(self.vectors)

    def of_all_atoms(self, count: int) -> np.ndarray:
        """As of `Displacements`."""
        return self.vectors

    def dataset(self, forces: np.ndarray, symmetric_mean: Mean) -> dict[str, object]:
        """As of `Displacements`, but for the means: these hold the forces at rest.

        Forces that are the same on every image of an atom, and have the symmetry, answer to nothing but
        displacements that are and have. Of single displacements, phonopy makes pairs that cancel them.
        """
        return {
            "displacements": self.vectors - symmetric_mean(self.vectors),
            "forces": forces - symmetric_mean(forces),
        }


def _rms(vectors: np.ndarray) -> float:
    return float(np.sqrt((vectors**2).sum(axis=-1).mean()))
