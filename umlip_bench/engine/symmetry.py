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
    misses
        Shape (R, N, 3), Å: by how much it misses that place.
    """

    rotations: np.ndarray
    sources: np.ndarray
    misses: np.ndarray

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
        misses = np.empty(images.shape)
        every = np.arange(len(atoms))
        for operation, image in enumerate(images):
            apart = image - scaled[:, None]
            apart -= np.round(apart)
            apart = apart @ atoms.cell.array
            sources[operation] = np.linalg.norm(apart, axis=2).argmin(axis=1)
            misses[operation] = apart[every, sources[operation]]
        return cls(np.array(found.rotations), sources, misses)

    def of_supercell(self, matrix: np.ndarray) -> Symmetry:
        """The operations that a supercell has too.

        Parameters
        ----------
        matrix
            Shape (3, 3), integers: the supercell's vectors, as columns, in those of the cell.
        """
        in_supercell = np.linalg.inv(matrix) @ self.rotations @ matrix
        kept = np.isclose(in_supercell, np.rint(in_supercell), atol=1e-6).all(axis=(1, 2))
        return Symmetry(self.rotations[kept], self.sources[kept], self.misses[kept])

    def offsets(self) -> np.ndarray:
        """By how much atoms are off the places that have the symmetry, shape (N, 3), Å."""
        return np.asarray(-self.misses.mean(axis=0))

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
