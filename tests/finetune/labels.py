"""Labels made by a model, so that what a fit has to find is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.protocol import Potential


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


def labelled(potential: Potential, structures: Sequence[Atoms]) -> list[Frame]:
    """Frames with a model's own values."""
    return [
        Frame(
            atoms, found.energy, found.forces, found.stress, atoms.symbols.get_chemical_formula(), k
        )
        for k, (atoms, found) in enumerate(
            zip(structures, predict(potential, structures), strict=True)
        )
    ]


def stiffer(potential: Potential, factor: float) -> Potential:
    """The model with its energy surface scaled."""
    return scaled(potential.weights, potential, ScalarCorrection(factor))
