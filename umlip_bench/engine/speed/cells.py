"""The structures that speed is measured on, the same ones every time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice

import numpy as np
from ase import Atoms
from ase.build import bulk
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

DISPLACEMENT = 0.03
"""Å, of phonon displacements."""


def small_cells(n: int, largest: int = 40) -> list[Atoms]:
    """Return `n` distorted bulk cells of 2 to 40 atoms.

    Parameters
    ----------
    n
        How many.
    largest
        Cells with more atoms are left out; at least 2.
    """
    prototypes = [
        bulk("Si", "diamond", a=5.43),
        bulk("NaCl", "rocksalt", a=5.64, cubic=True),
        bulk("Al", "fcc", a=4.05, cubic=True),
        bulk("MgO", "rocksalt", a=4.21).repeat((2, 2, 1)),
        bulk("SiC", "zincblende", a=4.36).repeat((3, 2, 1)),
        bulk("GaAs", "zincblende", a=5.65).repeat((2, 2, 2)),
        bulk("Al", "fcc", a=4.05).repeat((4, 3, 2)),
        bulk("LiF", "rocksalt", a=4.03).repeat((5, 2, 2)),
    ]
    prototypes = [atoms for atoms in prototypes if len(atoms) <= largest]
    cells = []
    for k in range(n):
        atoms = prototypes[k % len(prototypes)].copy()
        atoms.rattle(0.05, seed=k)
        cells.append(atoms)
    return cells


def displaced_supercells(n: int) -> list[Atoms]:
    """Return `n` supercells of 64 atoms with phonopy's displacements, NaCl's first.

    Cubic crystals need one or two displacements each; where more are asked for, other lattice
    constants of the same crystals follow.
    """

    def without_end() -> Iterator[Atoms]:
        for k in count():
            expansion = 1 + 0.01 * k
            yield from _displaced(bulk("NaCl", "rocksalt", a=5.64 * expansion, cubic=True))
            yield from _displaced(bulk("MgO", "rocksalt", a=4.21 * expansion, cubic=True))
            yield from _displaced(bulk("Si", "diamond", a=5.43 * expansion, cubic=True))

    return list(islice(without_end(), n))


def _displaced(crystal: Atoms) -> list[Atoms]:
    unitcell = PhonopyAtoms(
        symbols=crystal.get_chemical_symbols(),
        cell=crystal.cell.array,
        scaled_positions=crystal.get_scaled_positions(),
    )
    phonon = Phonopy(unitcell, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix=np.eye(3))
    phonon.generate_displacements(distance=DISPLACEMENT)
    return [
        Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True)
        for cell in phonon.supercells_with_displacements
    ]


def vacancy_hops(n: int, n_images: int) -> list[list[Atoms]]:
    """Return `n` straight paths of an atom into a vacancy next to it, in cells of 15 atoms.

    The cations of NaCl and MgO, Si and Al in turn, distorted differently every time.

    Parameters
    ----------
    n
        How many paths.
    n_images
        Images between the two end points.
    """
    prototypes = [
        bulk("NaCl", "rocksalt", a=5.64).repeat((2, 2, 2)),
        bulk("MgO", "rocksalt", a=4.21).repeat((2, 2, 2)),
        bulk("Si", "diamond", a=5.43).repeat((2, 2, 2)),
        bulk("Al", "fcc", a=4.05).repeat((4, 2, 2)),
    ]
    paths = []
    for k in range(n):
        crystal = prototypes[k % len(prototypes)]
        same = np.flatnonzero(crystal.numbers == crystal.numbers[0])
        distances = crystal.get_distances(0, same[1:], mic=True)
        hopping = same[1 + int(np.argmin(distances))]
        hop = crystal.get_distance(int(hopping), 0, mic=True, vector=True)
        first = crystal.copy()
        first.rattle(0.03, seed=k)
        images = []
        for fraction in np.linspace(0, 1, n_images + 2):
            image = first.copy()
            image.positions[hopping] += fraction * hop
            del image[0]
            images.append(image)
        paths.append(images)
    return paths
