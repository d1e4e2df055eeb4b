"""Orderings of solid solutions on the cation sublattice of rocksalt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import permutations, product
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import minkowski_reduce
from structures import CRYSTALS, Mesh, Point, crystal, point  # type: ignore[import-not-found]

SOLUTIONS = (("CaO", "MgO"), ("LiF", "NaF"))
"""First and second end member; two crystals with one anion. Of these every ordering."""

MORE_SOLUTIONS = (
    *(("NaF", "KF"), ("LiCl", "NaCl"), ("NaCl", "KCl")),
    *(("CaO", "SrO"), ("CaS", "MgS"), ("CaS", "SrS")),
)
"""Of these the end members and `SYMMETRIC`."""

SYMMETRIC = {1: "L1_2", 5: "D0_22", 8: "L1_0", 12: "40", 15: "L1_2", 19: "D0_22"}
"""Number and name of the most symmetric orderings.

They have compact cells, so that one mesh is equally dense in all of them and in the end members, and are
ground states of the Ising model on this lattice (Kanamori and Kakehashi, J. Phys. Colloq. 38, C7-274, 1977).
"""

SYMMETRIC_MESH: Mesh = (3, 3, 3)


def solid_solutions() -> Iterator[Point]:
    """Orderings on up to four cations of rocksalt, and the end members.

    Lattice constants follow Vegard's law.
    """
    for first, second in (*SOLUTIONS, *MORE_SOLUTIONS):
        every = (first, second) in SOLUTIONS
        cations = [crystal(end, cubic=True).symbols[0] for end in (first, second)]
        anion = str(crystal(first, cubic=True).symbols[1])
        for index, (lattice, pattern) in enumerate(_orderings()):
            share = pattern.mean()
            if not every and 0 < share < 1 and index not in SYMMETRIC:
                continue
            constant = share * CRYSTALS[first][1] + (1 - share) * CRYSTALS[second][1]
            mixed = f"{''.join(cations)}{anion}-{index}"
            name = {0.0: second, 1.0: first}.get(share, mixed)
            cell = _ordering(lattice, pattern, constant, cations, anion)
            info: dict[str, Any] = {
                "system": f"{first}-{second}",
                "decoration": name,
                "fraction": float(share),
            }
            # Rotations mix the axes of the longest cells: GPAW's grid would be as fine along the short ones
            # as the long one needs, eleven times the points.
            lengths = cell.cell.lengths()
            slender = bool(lengths.max() > 3 * lengths.min())
            mesh = None if every else SYMMETRIC_MESH
            yield replace(point(f"ordering-{name}", cell, mesh, **info), point_group=not slender)


def _orderings() -> list[tuple[np.ndarray, np.ndarray]]:
    """Distinct decorations of the fcc lattice with four sites to the cell: lattice and pattern.

    A lattice has its vectors as rows, in primitive vectors of fcc; of those that fit a decoration it is the
    most compact. A pattern has shape (4, 4, 4) and is 1 where a site, in primitive vectors, holds the cation
    of the first end member: a sublattice of index 4 holds all multiples of 4, so these sites show all of it.
    Two patterns are the same if one of the 48 rotations and 64 translations turns one into the other.
    """
    operations = _operations()
    found: dict[bytes, tuple[np.ndarray, np.ndarray]] = {}
    for lattice in sorted(_sublattices(), key=_spread):
        labels = _cosets(lattice)
        for occupied in product((0, 1), repeat=4):
            pattern = np.array(occupied, dtype=np.uint8)[labels]
            key = min(row.tobytes() for row in pattern.ravel()[operations])
            found.setdefault(key, (lattice, pattern))
    return sorted(found.values(), key=lambda entry: (entry[1].mean(), _spread(entry[0])))


def _sublattices() -> Iterator[np.ndarray]:
    """All sublattices of index 4, as matrices in Hermite normal form."""
    for a, c, f in product((1, 2, 4), repeat=3):
        if a * c * f == 4:
            for b, d, e in product(range(a), range(a), range(c)):
                yield np.array([[a, 0, 0], [b, c, 0], [d, e, f]])


def _primitive() -> np.ndarray:
    """Primitive vectors of fcc with the lattice constant 1, as rows."""
    return np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]) / 2


def _spread(lattice: np.ndarray) -> float:
    """Sum of the squared lengths of the shortest vectors of a sublattice."""
    return round(float((minkowski_reduce(lattice @ _primitive())[0] ** 2).sum()), 6)


def _cosets(lattice: np.ndarray) -> np.ndarray:
    """Number the sites of a 4 x 4 x 4 block by the translations of a sublattice, 0 to 3."""
    fractional = _block() @ np.linalg.inv(lattice)
    quarters = np.round(4 * fractional).astype(int) % 4
    _, labels = np.unique(quarters, axis=0, return_inverse=True)
    return labels.reshape(4, 4, 4)


def _block() -> np.ndarray:
    return np.array(list(product(range(4), repeat=3)))


def _operations() -> np.ndarray:
    """Where each site of the block comes from, for 48 rotations and 64 translations."""
    primitive, block = _primitive(), _block()
    found = []
    for axes, signs in product(permutations(range(3)), product((1, -1), repeat=3)):
        rotation = primitive @ np.diag(signs)[list(axes)] @ np.linalg.inv(primitive)
        rotated = block @ np.round(rotation).astype(int)
        found += [np.ravel_multi_index(((rotated + shift) % 4).T, (4, 4, 4)) for shift in block]
    return np.array(found)


def _ordering(
    lattice: np.ndarray, pattern: np.ndarray, constant: float, cations: list[str], anion: str
) -> Atoms:
    """Cell of eight atoms with the rarer cation at the origin."""
    primitive = constant * _primitive()
    _, first = np.unique(_cosets(lattice), return_index=True)
    sites, chosen = _block()[first] @ primitive, pattern.ravel()[first] == 1
    rarer = chosen if chosen.mean() <= 0.5 and chosen.any() else ~chosen
    sites = sites - sites[rarer.argmax()]
    symbols = np.where(chosen, cations[0], cations[1])
    atoms = Atoms(list(symbols), positions=sites)
    atoms += Atoms(4 * [anion], positions=sites + constant / 2)
    atoms.cell = minkowski_reduce(lattice @ primitive)[0]
    atoms.wrap(pbc=True)
    return atoms
