"""Structures for the toys; `umlip_bench.testing.structures` has those for real models."""

import numpy as np
from ase import Atoms
from ase.build import bulk


def chain(n: int, x: float = 0.0, symbol: str = "Al") -> Atoms:
    """`n` atoms in a row from `x` on, in a cell of 20 Å."""
    positions = np.zeros((n, 3))
    positions[:, 0] = x + np.arange(n)
    return Atoms([symbol] * n, positions, cell=[20.0] * 3, pbc=True)


def unpreparable() -> Atoms:
    """A structure that is refused before it is evaluated."""
    return chain(2, x=np.nan)


def cubic(a: float, symbol: str = "Al") -> Atoms:
    """One atom in a cube of edge a."""
    return Atoms([symbol], cell=[a] * 3, pbc=True)


def distorted(n: int, name: str = "Si") -> list[Atoms]:
    """Small strained and rattled cells of one crystal."""
    cells = {"Si": bulk("Si", "diamond", a=5.43), "SiC": bulk("SiC", "zincblende", a=4.36)}
    structures = []
    for seed in range(n):
        rng = np.random.default_rng(seed)
        atoms = cells[name].copy()
        strain = 0.02 * rng.normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain + strain.T), scale_atoms=True)
        atoms.positions += 0.1 * rng.normal(size=atoms.positions.shape)
        structures.append(atoms)
    return structures
