"""How alike two structures are: smoothed distances between pairs of elements, per atom.

The fingerprint of a structure is, for every pair of elements, the number of neighbours at each distance,
smoothed by a Gaussian of 0.1 Å and faded out towards 6 Å, divided by the number of atoms; the structure is
scaled to 15 Å³ an atom before. It does not change under translation, rotation, scaling, another order of
the atoms or another cell of the same crystal. Two structures are as far apart as the norm of the difference
over the root of the product of their norms. Displacements at random of 0.01, 0.03 and 0.1 Å (each
component, root mean square) take a crystal of the embedded set 0.01, 0.08 and 0.5 from itself in the
median, as ``tests/datasets/test_fingerprint.py`` has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

VOLUME = 15.0
"""Å³ of an atom, to which structures are scaled."""
CUTOFF, WIDTH, LEAST, STEP = 6.0, 0.1, 0.5, 0.05
"""Å."""
GRID = np.arange(LEAST, CUTOFF + STEP / 2, STEP)
SAME_BELOW = 0.05
"""Structures nearer than this count as the same: displacements of some 0.025 Å."""

Fingerprint = Mapping[tuple[int, int], FloatArray]
"""By the atomic numbers of a pair, the smaller first: neighbours of an atom near each distance, shape
(distances,)."""


def fingerprint(atoms: Atoms) -> Fingerprint:
    """The fingerprint of a periodic structure; see the module.

    Parameters
    ----------
    atoms
        With a cell.
    """
    scaled = atoms.copy()
    factor = (VOLUME * len(atoms) / atoms.get_volume()) ** (1 / 3)
    scaled.set_cell(atoms.cell.array * factor, scale_atoms=True)
    first, second, lengths = neighbor_list("ijd", scaled, CUTOFF)
    numbers = np.sort(np.stack([scaled.numbers[first], scaled.numbers[second]]), axis=0)
    found: dict[tuple[int, int], FloatArray] = {}
    for one, other in np.unique(numbers, axis=1).T:
        own = lengths[(numbers[0] == one) & (numbers[1] == other)]
        faded = 0.5 * (1.0 + np.cos(np.pi * own / CUTOFF))
        near = np.exp(-0.5 * ((GRID[:, None] - own) / WIDTH) ** 2)
        found[int(one), int(other)] = (faded * near).sum(axis=1) / len(atoms)
    return found


def distances(first: Sequence[Fingerprint], second: Sequence[Fingerprint]) -> FloatArray:
    """How far structures are apart: 0 for the same, dimensionless; infinite where one has no neighbours.

    Parameters
    ----------
    first, second
        Of n and m structures.

    Returns
    -------
    ndarray
        Shape (n, m).
    """
    pairs = list(dict.fromkeys(pair for each in (*first, *second) for pair in each))
    nothing = np.zeros(len(GRID))
    one, other = (
        np.array([np.concatenate([each.get(pair, nothing) for pair in pairs]) for each in side])
        if side and pairs
        else np.zeros((len(side), len(GRID)))
        for side in (first, second)
    )
    squares = (one**2).sum(axis=1)[:, None], (other**2).sum(axis=1)[None, :]
    apart = np.sqrt(np.maximum(squares[0] + squares[1] - 2.0 * one @ other.T, 0.0))
    norms = (squares[0] * squares[1]) ** 0.25
    return np.divide(apart, norms, out=np.full_like(apart, np.inf), where=norms > 0.0)
