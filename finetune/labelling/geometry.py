"""Telling whether a result of a DFT code is one of the structures that were to be labelled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.ground.structures import describe

TOLERANCE = 1e-3
"""Å. Codes print positions to 1e-6 Å or better; a step of a relaxation is larger than this."""


@dataclass(frozen=True, eq=False)
class Match:
    """The same structure, its atoms perhaps in another order and other periodic images.

    Parameters
    ----------
    order
        Shape (N,): atom k of the reference is atom ``order[k]`` of the other.
    deviation
        Largest distance between the two, Å.
    """

    order: np.ndarray
    deviation: float


@dataclass(frozen=True)
class Mismatch:
    """Another structure.

    Parameters
    ----------
    reason
        What differs first: composition, cell or positions.
    deviation
        How far it is off, Å; infinite for another composition.
    """

    reason: str
    deviation: float


def compare(reference: Atoms, other: Atoms, tolerance: float = TOLERANCE) -> Match | Mismatch:
    """Tell whether two structures are the same up to order of atoms and lattice translations of each.

    Parameters
    ----------
    reference, other
        Fully periodic structures.
    tolerance
        Å, of components of lattice vectors and of distances between corresponding atoms.
    """
    if sorted(reference.numbers) != sorted(other.numbers):
        return Mismatch(
            f"its composition is {describe(other)}, not {describe(reference)}", float("inf")
        )
    cell = float(np.abs(reference.cell.array - other.cell.array).max())
    if cell > tolerance:
        return Mismatch(f"its cell differs by {cell:.4f} Å", cell)
    order = np.full(len(reference), -1)
    deviation = np.zeros(len(reference))
    here, there = (atoms.cell.scaled_positions(atoms.positions) for atoms in (reference, other))
    for number in np.unique(reference.numbers):
        mine = np.flatnonzero(reference.numbers == number)
        theirs = np.flatnonzero(other.numbers == number)
        apart = here[mine][:, None] - there[theirs]
        # Exact for atoms that lie close, which are the only ones of interest.
        apart -= np.round(apart)
        distances = np.linalg.norm(apart @ reference.cell.array, axis=2)
        nearest = distances.argmin(axis=1)
        order[mine] = theirs[nearest]
        deviation[mine] = distances[np.arange(len(mine)), nearest]
    worst = int(deviation.argmax())
    if deviation[worst] > tolerance or len(set(order)) < len(order):
        return Mismatch(
            f"atom {worst} ({reference.symbols[worst]}) is {deviation[worst]:.4f} Å away from where it "
            "should be",
            float(deviation[worst]),
        )
    return Match(order, float(deviation[worst]))
