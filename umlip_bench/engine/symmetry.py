"""The space group of a structure, for relaxations that keep it.

Forces and stress of an exact model have the symmetry of the structure. Rounding breaks it by a little, and
where a structure is no minimum but a saddle point, that grows until another crystal is found.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe
from umlip_bench.ground.symmetry import found_by


@dataclass(frozen=True, eq=False)
class Symmetry:
    """Operations of a space group on the atoms of a cell.

    Parameters
    ----------
    rotations
        Shape (R, 3, 3), integers, on fractional coordinates as column vectors.
    sources
        Shape (R, N): the atom that each operation brings to the place of each atom.
    """

    rotations: np.ndarray
    sources: np.ndarray

    @classmethod
    def of(cls, atoms: Atoms, symprec: float) -> Symmetry:
        """Symmetry of a structure.

        Parameters
        ----------
        atoms
            The structure.
        symprec
            Å, by how much it may miss its symmetry.

        Raises
        ------
        StructureError
            If no symmetry is found, as when atoms lie on each other.
        """
        scaled = atoms.get_scaled_positions()
        found = found_by(
            spglib.get_symmetry_dataset, (atoms.cell.array, scaled, atoms.numbers), symprec=symprec
        )
        if found is None:
            raise StructureError(
                f"{describe(atoms)}: no symmetry found within {symprec} Å; check for atoms entered twice"
            )
        images = np.einsum("rij,nj->rni", found.rotations, scaled) + found.translations[:, None]
        sources = np.empty(images.shape[:2], dtype=int)
        for operation, image in enumerate(images):
            apart = scaled[:, None] - image
            apart -= np.round(apart)
            sources[operation] = np.linalg.norm(apart @ atoms.cell.array, axis=2).argmin(axis=1)
        return cls(np.array(found.rotations), sources)

    def vectors(self, lattice: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """The part of vectors on the atoms that has the symmetry.

        Parameters
        ----------
        lattice
            Shape (3, 3), lattice vectors as rows, Å.
        vectors
            Shape (N, 3), Cartesian, any unit.
        """
        scaled = vectors @ np.linalg.inv(lattice)
        turned = np.einsum("rij,rnj->ni", self.rotations, scaled[self.sources])
        return np.asarray(turned / len(self.rotations) @ lattice)

    def tensor(self, lattice: np.ndarray, tensor: np.ndarray) -> np.ndarray:
        """The part of a symmetric Cartesian tensor, shape (3, 3), that has the symmetry."""
        inverse = np.linalg.inv(lattice)
        scaled = lattice @ tensor @ lattice.T
        turned = np.einsum("rji,jk,rkl->il", self.rotations, scaled, self.rotations)
        return np.asarray(inverse @ (turned / len(self.rotations)) @ inverse.T)
