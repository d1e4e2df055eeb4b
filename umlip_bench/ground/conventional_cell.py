"""The conventional cell of a crystal, as tables of lattice constants have it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from ase.geometry import cell_to_cellpar
from numpy.typing import NDArray

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.structures import describe
from umlip_bench.ground.symmetry import found_by


@dataclass(frozen=True, eq=False)
class ConventionalCell(ReadOnlyArrays):
    """Lattice constants and space group.

    Parameters
    ----------
    constants
        a, b, c in Å and α, β, γ in degrees, shape (6,).
    space_group
        Symbol of Hermann and Mauguin.
    """

    constants: NDArray[np.float64]
    space_group: str


def conventional_cell(atoms: Atoms, symprec: float) -> ConventionalCell:
    """The standard cell that spglib finds, in any cell and orientation of the crystal.

    Parameters
    ----------
    atoms
        The crystal.
    symprec
        Å, by how much it may miss its symmetry.

    Raises
    ------
    StructureError
        If no symmetry is found, as when atoms lie on each other.
    """
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = found_by(spglib.get_symmetry_dataset, cell, symprec=symprec)
    if found is None:
        raise StructureError(
            f"{describe(atoms)}: no symmetry found within {symprec} Å; check for atoms entered twice"
        )
    return ConventionalCell(np.asarray(cell_to_cellpar(found.std_lattice)), found.international)
