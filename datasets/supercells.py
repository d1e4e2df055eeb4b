"""The supercell that phonopy makes of a unit cell, compared with the one that a file states."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import Supercell

from umlip_bench.datasets.phonopy_cells import phonopy_cell
from umlip_bench.ground.errors import DataError

SAME = 1e-4
"""Å, by which atoms of two supercells may differ that are one: files have 15 digits."""


def phonopys_supercell(
    unitcell: Atoms, matrix: np.ndarray, symprec: float, where: str, *, smith: bool = False
) -> Supercell:
    """Phonopy's supercell, in its usual order or in that by Smith's normal form."""
    try:
        return Supercell(phonopy_cell(unitcell), matrix, is_old_style=not smith, symprec=symprec)
    except RuntimeError as error:
        raise DataError(
            f"{where}: phonopy makes no supercell ({' '.join(str(error).split())})"
        ) from error


def order_of(
    supercell: Supercell,
    unitcell: Atoms,
    stated: PhonopyAtoms | None,
    length: float,
    where: str,
    symprec: float,
) -> np.ndarray:
    """Index in the file's supercell of each atom of `supercell`, shape (N,).

    phonopy has two orders. A supercell in neither of them is not the one that it made.
    """
    usual = np.arange(len(supercell))
    if stated is None:
        return usual
    apart = _apart(supercell, stated, length)
    if apart <= SAME:
        return usual
    smith = phonopys_supercell(unitcell, supercell.supercell_matrix, symprec, where, smith=True)
    # phonopy 4 gives that order another lattice where the matrix is not symmetric.
    same_lattice = np.allclose(smith.cell, supercell.cell, atol=SAME)
    if same_lattice and _apart(smith, stated, length) <= SAME:
        vectors = supercell.scaled_positions[:, None] - smith.scaled_positions[None]
        vectors -= np.rint(vectors)
        return np.linalg.norm(vectors @ supercell.cell, axis=-1).argmin(axis=1)
    raise DataError(
        f"{where}: the supercell in the file is not that of its unit cell and supercell matrix (atoms are "
        f"up to {apart:.3g} Å apart, allowed are {SAME}); forces would go to the wrong atoms: write the "
        "file anew (`phonopy -d`) and collect the forces again"
    )


def _apart(supercell: Supercell, stated: PhonopyAtoms, length: float) -> float:
    """By how many Å atoms or lattices of two supercells differ, images aside; inf for other elements."""
    if not np.array_equal(supercell.numbers, stated.numbers):
        return float("inf")
    lattices = np.linalg.norm(length * np.asarray(stated.cell) - supercell.cell, axis=1).max()
    vectors = stated.scaled_positions - supercell.scaled_positions
    vectors -= np.rint(vectors)
    return float(max(lattices, np.linalg.norm(vectors @ supercell.cell, axis=1).max()))
