"""Atoms that nothing holds: their energy does not depend on where they are.

They have no neighbour within the model's cutoff, as all of caesium's in a model of 5 Å. Nothing measured on
them is a property of a solid: force constants, moduli and barriers come out as zero, which looks like a
number.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list

from umlip_bench.engine.requests import Static
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.graph import Prediction

NO_FORCE = 1e-9
"""eV/Å; a displacement by 0.01 Å that makes less meets no force constant of the smallest solid."""
REACH = 3.0
"""Å; no model's cutoff is shorter. An atom with a nearer neighbour is none that is missed."""
SHAKEN = 0.02
"""Å, standard deviation of displacements."""
SMALL = 8
"""Atoms, below which a cell is doubled along its vectors too: its atoms may hold on to their own images."""
NAMED = 8
"""Atoms that are named; the others are counted."""


def suspects(atoms: Atoms, prediction: Prediction) -> np.ndarray:
    """Indices of atoms without a force, by symmetry or for want of a neighbour, and with none near."""
    found = _without_force(prediction)
    return np.setdiff1d(found, neighbor_list("i", atoms, REACH)) if len(found) else found


def _without_force(prediction: Prediction) -> np.ndarray:
    return np.flatnonzero(np.abs(prediction.forces).max(axis=1) < NO_FORCE)


def check_held(atoms: Atoms, prediction: Prediction) -> Generator[Static, Prediction, Prediction]:
    """Give the prediction back, if atoms without a force feel one once all are shaken.

    Parameters
    ----------
    atoms, prediction
        What was asked and answered.

    Raises
    ------
    StructureError
        Names the atoms that still feel none.
    """
    free = suspects(atoms, prediction)
    for repeats in (1, 2) if len(atoms) < SMALL else (1,):
        # Every atom of a cell of one moves alike.
        if len(free) and len(atoms) * repeats > 1:
            shaken = Atoms(atoms.numbers, cell=atoms.cell, positions=atoms.positions, pbc=True)
            shaken = shaken.repeat(repeats)
            shaken.positions += np.random.default_rng(0).normal(0, SHAKEN, (len(shaken), 3))
            answer = yield Static(shaken)
            free = np.intersect1d(free, _without_force(answer))
    if not len(free):
        return prediction
    images = atoms.repeat(3)
    distances = images.get_distances(free[0], np.arange(len(images)), mic=True)
    nearest = np.delete(distances, free[0]).min()
    named = ", ".join(f"{k} ({atoms.symbols[k]})" for k in free[:NAMED])
    more = f" and {len(free) - NAMED} more" if len(free) > NAMED else ""
    feel = "it feels" if len(free) == 1 else "they feel"
    raise StructureError(
        f"{describe(atoms)}: nothing holds atom {named}{more}: displaced, "
        f"{feel} no force. The nearest neighbour of atom {free[0]} is {nearest:.2f} Å away, beyond the "
        "model's cutoff; what would be measured is no property of a solid"
    )
