"""Cells as phonopy takes them: coordinates as they are, never wrapped, and the masses that they have.

phonopy numbers the atoms of a supercell by the lattice translations of the unit cell's atoms. An atom at
-1e-14 that is wrapped to 1 is another image, and all forces that were computed go to other atoms.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import guess_primitive_matrix

SYMPREC = 1e-5
"""Å; phonopy's tolerance where a file says none."""
ROUNDING = 1e-15
"""Less than this no file of phonopy's holds."""


def phonopy_cell(atoms: Atoms) -> PhonopyAtoms:
    """For phonopy: coordinates not wrapped, masses those of the atoms.

    Masses that nobody set are ASE's, since phonopy has none for elements without a stable isotope.
    """
    return PhonopyAtoms(
        numbers=atoms.numbers,
        cell=atoms.cell.array,
        scaled_positions=_coordinates(atoms),
        masses=atoms.get_masses(),
    )


def _coordinates(atoms: Atoms) -> np.ndarray:
    """Fractional coordinates, not wrapped; what dividing by the cell leaves below zero is zero."""
    coordinates = atoms.get_scaled_positions(wrap=False)
    coordinates[(coordinates < 0) & (coordinates > -ROUNDING)] = 0.0
    return np.asarray(coordinates)


def kinds(numbers: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Integers that tell atoms of different element or mass apart, shape (N,).

    They are the atomic numbers unless atoms of one element have different masses: isotopes on some of
    the sites lower the symmetry of a dynamical matrix.
    """
    pairs, found = np.unique(np.column_stack([numbers, masses]), axis=0, return_inverse=True)
    if len(pairs) == len(np.unique(numbers)):
        return np.asarray(numbers)
    return np.asarray(found).reshape(-1) + 1


def primitive_matrix(atoms: Atoms, symprec: float = SYMPREC) -> np.ndarray:
    """Phonopy's choice of a primitive cell, in which no atom stands for one of another mass.

    Parameters
    ----------
    atoms
        The unit cell.
    symprec
        Å, by how much the cell may miss its symmetry.

    Returns
    -------
    ndarray
        Shape (3, 3), in phonopy's convention.
    """
    cell = PhonopyAtoms(
        numbers=kinds(atoms.numbers, atoms.get_masses()),
        cell=atoms.cell.array,
        scaled_positions=_coordinates(atoms),
    )
    return np.asarray(guess_primitive_matrix(cell, symprec=symprec))
