"""Small crystals of elements that a model knows, the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii

_CONTRACTED = 0.95
"""Nearest distance over the sum of covalent radii: within every cutoff, and nobody's equilibrium."""


def small_structures(elements: Sequence[str]) -> list[Atoms]:
    """Three small crystals of elements that a model knows, the same on every machine.

    Parameters
    ----------
    elements
        Chemical symbols; at least one.

    Returns
    -------
    list of Atoms
        Distorted CsCl and rocksalt cells of elements taken from the whole list, two to four atoms each.
    """
    symbols = sorted(elements, key=lambda symbol: atomic_numbers[symbol])
    chosen = [symbols[round(k * (len(symbols) - 1) / 5)] for k in range(6)]
    found = []
    for k, (first, second) in enumerate(zip(chosen[::2], chosen[1::2], strict=True)):
        bond = _CONTRACTED * sum(covalent_radii[atomic_numbers[s]] for s in (first, second))
        side = 2 * bond / np.sqrt(3)
        cell = side * (np.eye(3) + 0.03 * np.array([[0, 1, 0], [0, 0, 1], [k, 0, 0]]))
        atoms = Atoms(
            [first, second],
            scaled_positions=[[0, 0, 0], [0.5 + 0.02 * k, 0.52, 0.47]],
            cell=cell,
            pbc=True,
        )
        found.append(atoms)
    return found
