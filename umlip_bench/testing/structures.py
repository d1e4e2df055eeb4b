"""Structures to check potentials on, from 1 to 100 atoms, of elements that a potential knows."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii

from umlip_bench import datasets

PBE_MINI = (
    ("Al", 0),
    ("CaF2", 0),
    ("GaAs", 2),
    ("LiF", 1),
    ("MgO", 2),
    ("NaCl", 0),
    ("SiC", 1),
    ("SrTiO3", 2),
    ("ZnS", 0),
)
"""Frames of the embedded set, by material and number."""


def rattled(atoms: Atoms, seed: int, amplitude: float = 0.05) -> Atoms:
    """Copy with displaced atoms and a strained, sheared cell.

    Parameters
    ----------
    atoms
        The structure.
    seed
        Of the random numbers.
    amplitude
        Standard deviation of each displacement, Å.
    """
    atoms = atoms.copy()
    rng = np.random.default_rng(seed)
    strain = np.eye(3) + 0.02 * rng.normal(size=(3, 3))
    atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
    atoms.positions += amplitude * rng.normal(size=atoms.positions.shape)
    return atoms


def one_atom_cells() -> list[Atoms]:
    """Primitive cells, whose edges all lead to images of the same atom."""
    return [bulk("Al"), bulk("Mg", "sc", a=2.9), bulk("Si", "fcc", a=3.9)]


def mixed(n: int, largest: int = 100) -> list[Atoms]:
    """`n` distorted structures of 1 to about `largest` atoms."""
    # Named, so that the structures stay the same when the data set grows.
    groups = datasets.load("pbe-mini").by_system()
    frames = [groups[system][frame] for system, frame in PBE_MINI]
    seeds = [
        *one_atom_cells(),
        bulk("Si"),
        bulk("NaCl", "rocksalt", a=5.64, cubic=True),
        *(frame.atoms for frame in frames),
        bulk("MgO", "rocksalt", a=4.21, cubic=True).repeat((2, 2, 1)),
        bulk("Al", cubic=True).repeat((3, 3, 2)),
        bulk("GaAs", "zincblende", a=5.65).repeat((4, 4, 3)),
    ]
    seeds = [atoms for atoms in seeds if len(atoms) <= largest]
    return [rattled(seeds[k % len(seeds)], seed=k) for k in range(n)]


def isolated(symbol: str = "Al", edge: float = 15.0) -> Atoms:
    """One atom without neighbours."""
    return Atoms(symbol, positions=[[1.0, 2.0, 3.0]], cell=[edge] * 3, pbc=True)


def of_known(atoms: Atoms, elements: Collection[str]) -> Atoms:
    """The structure in elements that a potential knows; itself where it knows them all.

    Every element that it does not know is replaced by one that it does, and the cell is scaled by the
    mean covalent radius, so that distances stay sensible.

    Parameters
    ----------
    atoms
        The structure.
    elements
        Chemical symbols that the potential knows; empty for all.
    """
    present = list(dict.fromkeys(atoms.symbols))
    if not elements or set(present) <= set(elements):
        return atoms
    free = [symbol for symbol in sorted(elements) if symbol not in present] or sorted(elements)
    unknown = [symbol for symbol in present if symbol not in elements]
    stand_in = {symbol: free[k % len(free)] for k, symbol in enumerate(unknown)}
    replaced = atoms.copy()
    replaced.symbols = [stand_in.get(symbol, symbol) for symbol in atoms.symbols]
    ratio = covalent_radii[replaced.numbers].mean() / covalent_radii[atoms.numbers].mean()
    replaced.set_cell(ratio * atoms.cell.array, scale_atoms=True)
    return replaced
