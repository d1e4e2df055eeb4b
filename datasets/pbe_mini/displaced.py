"""Displaced atoms: phonons, and one displacement at several amplitudes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from ase import Atoms
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from structures import (  # type: ignore[import-not-found]
    CRYSTALS,
    TWICE_PRIMITIVE,
    Point,
    crystal,
    fine_mesh,
    point,
)

DISPLACEMENT = 0.03
"""Å."""

SIXTEEN_SITES = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
"""Supercell of the cubic cell: for fcc 16 sites, as far from their images as 16 can be."""

PHONONS = ("Si", "Al", "MgO", "NaCl", "C", "BN", "SiC", "LiF", "MgS", "GaAs")

AMPLITUDES = (0.003, 0.01, 0.1)
"""Å, beside `DISPLACEMENT`."""
AMPLITUDE_SYSTEMS = ("C", "LiF", "MgO", "Al")


def phonons() -> Iterator[Point]:
    """Primitive cells, and displaced supercells of 16 atoms, reduced by symmetry as phonopy does it."""
    for system in PHONONS:
        cell = crystal(system)
        mesh = fine_mesh(cell, system)
        yield point(f"phonon-{system}-unitcell", cell, mesh, system=system, role="unitcell")
        yield from _displaced_supercells(system, DISPLACEMENT, f"phonon-{system}")


def amplitudes() -> Iterator[Point]:
    """The first displaced supercells of four crystals again with other displacements along the same line.

    The site is one of inversion, or a rotation turns the line round: the opposite displacement has the
    opposite forces, so that what is left beside the linear term is of third order.
    """
    for system in AMPLITUDE_SYSTEMS:
        for distance in (*AMPLITUDES, DISPLACEMENT):
            name = f"amplitude-{system}-{distance:g}"
            if distance == DISPLACEMENT:
                name = f"phonon-{system}"
            first = next(_displaced_supercells(system, distance, name))
            if distance != DISPLACEMENT:
                first.atoms.info["point"] = name
                first = replace(first, name=name)
            yield first


def _displaced_supercells(system: str, distance: float, name: str) -> Iterator[Point]:
    phonopy = displaced(system, distance)
    supercells = phonopy.supercells_with_displacements or []
    for index, (supercell, first) in enumerate(
        zip(supercells, phonopy.dataset["first_atoms"], strict=True)
    ):
        atoms = Atoms(supercell.symbols, cell=supercell.cell, positions=supercell.positions)
        atoms.positions -= phonopy.supercell.positions[first["number"]]
        mesh = fine_mesh(atoms, system)
        info = {"displaced": int(first["number"]), "displacement": first["displacement"]}
        each = point(f"{name}-{index}", atoms, mesh, system=system, role="displaced", **info)
        # The forces are so small that the default leaves errors of a tenth of them.
        yield replace(each, settings=replace(each.settings, density=1e-6))


def displaced(system: str, distance: float) -> Phonopy:
    """Phonopy with its displacements, in Å, of the primitive cell's atoms."""
    cell = crystal(system)
    supercell = SIXTEEN_SITES if system == "Al" else TWICE_PRIMITIVE
    vectors = supercell * CRYSTALS[system][1] @ np.linalg.inv(cell.cell)
    phonopy = Phonopy(
        PhonopyAtoms(cell.symbols, cell=cell.cell, scaled_positions=cell.get_scaled_positions()),
        supercell_matrix=np.round(vectors).astype(int).T,
        primitive_matrix=np.eye(3),
    )
    phonopy.generate_displacements(distance=distance, is_diagonal=False)
    return phonopy
