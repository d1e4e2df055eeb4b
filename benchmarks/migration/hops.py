"""Hops of an ion into a vacancy next to it, from a crystal structure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import spglib
from ase import Atoms
from ase.geometry import find_mic

from umlip_bench.datasets.path_mending import interpolate
from umlip_bench.ground.errors import DataError, UmlipBenchError
from umlip_bench.ground.symmetry import found_by

MAX_LENGTH = 5.0
"""Å; longer hops are unlikely in one go."""
BLOCKED = 0.8
"""Å; an atom nearer than this to the straight line is in the way."""
MOST_HOPS = 6
N_IMAGES = 5
"""Images between the end points."""
SMALLEST_WIDTH = 8.0
"""Å between a vacancy and its periodic images."""
SAME_LENGTH = 0.1
"""Å; hops that differ by less are taken for those of a length that is stated."""
_SYMPREC = 1e-3


@dataclass(frozen=True, eq=False)
class Hop:
    """A path of an ion into a vacant site.

    Parameters
    ----------
    name
        Ion, sites in the unit cell and length.
    images
        End points included; the atoms in the same order in each.
    moving
        Index of the ion.
    length
        Å, of the straight way.
    """

    name: str
    images: tuple[Atoms, ...]
    moving: int
    length: float


def vacancy_hops(crystal: Atoms, ion: str, most: int = MOST_HOPS) -> list[Hop]:
    """Symmetry-distinct hops of up to `MAX_LENGTH`, the shortest first.

    Hops whose straight line leads through another atom are left out.

    Each is in a supercell of at least `SMALLEST_WIDTH`, from which one atom of the ion is missing; the path
    is interpolated by the image-dependent pair potential, see `interpolate`.

    Parameters
    ----------
    crystal
        Fully periodic.
    ion
        Chemical symbol of what moves.
    most
        No more hops than this.

    Raises
    ------
    UmlipBenchError
        If the crystal has no such ion, or no two sites of it are near enough.
    """
    sites = [k for k, symbol in enumerate(crystal.symbols) if symbol == ion]
    if not sites:
        symbols = ", ".join(dict.fromkeys(crystal.get_chemical_symbols()))
        raise UmlipBenchError(f"the structure has no {ion}; --ion must be one of {symbols}")
    pairs = _distinct(crystal, _near_pairs(crystal, sites))
    if not pairs:
        raise UmlipBenchError(f"no two sites of {ion} are within {MAX_LENGTH} Å of each other")
    hops = (_hop(crystal, ion, *pair) for pair in pairs)
    found = list(islice((hop for hop in hops if hop is not None), most))
    if not found:
        raise UmlipBenchError(
            f"every straight way between sites of {ion} within {MAX_LENGTH} Å leads through another atom"
        )
    return found


def hop_of_length(hops: Sequence[Hop], length: float, name: str) -> Hop:
    """The hop of a length in Å, of which there must be one; for nan the shortest.

    Raises
    ------
    DataError
        If there is no such hop, or several; names those that there are.
    """
    wanted = hops[0].length if np.isnan(length) else length
    found = [hop for hop in hops if abs(hop.length - wanted) < SAME_LENGTH]
    if len(found) != 1:
        raise DataError(
            f"{name}: {len(found) or 'no'} hops of {wanted:.2f} Å that symmetry tells apart; there are "
            f"{'; '.join(hop.name for hop in hops)}: give the column distance (Å), or the end points as "
            "structure and end"
        )
    return found[0]


Pair = tuple[int, int, np.ndarray]
"""Two sites of the unit cell, and the lattice translation of the second, shape (3,)."""


def _near_pairs(crystal: Atoms, sites: list[int]) -> list[Pair]:
    """Pairs of sites within `MAX_LENGTH`, the shortest first."""
    # One cell more than the length reaches, since sites may lie at opposite faces.
    reach = [range(-n, n + 1) for n in 1 + np.ceil(MAX_LENGTH / _widths(crystal)).astype(int)]
    images = np.array(np.meshgrid(*reach, indexing="ij")).reshape(3, -1).T
    found: list[tuple[float, Pair]] = []
    for a in sites:
        for b in sites:
            vectors = crystal.positions[b] + images @ crystal.cell.array - crystal.positions[a]
            lengths = np.linalg.norm(vectors, axis=1)
            for k in np.flatnonzero((lengths > 0.1) & (lengths <= MAX_LENGTH)):
                found.append((round(float(lengths[k]), 4), (a, b, images[k])))
    return [pair for _, pair in sorted(found, key=lambda item: item[0])]


def _distinct(crystal: Atoms, pairs: list[Pair]) -> list[Pair]:
    """The first of each set of pairs that a symmetry of the crystal maps onto each other, or reverses."""
    symmetry = found_by(
        spglib.get_symmetry,
        (crystal.cell.array, crystal.get_scaled_positions(), crystal.numbers),
        symprec=_SYMPREC,
    )
    if symmetry is None:
        operations = [(np.eye(3), np.zeros(3))]
    else:
        operations = list(zip(symmetry["rotations"], symmetry["translations"], strict=True))
    fractional = crystal.get_scaled_positions()
    seen: set[tuple[float, ...]] = set()
    kept = []
    for a, b, image in pairs:
        start, end = fractional[a], fractional[b] + image
        if _key(start, end) in seen:
            continue
        kept.append((a, b, image))
        for rotation, translation in operations:
            first, second = rotation @ start + translation, rotation @ end + translation
            seen |= {_key(first, second), _key(second, first)}
    return kept


def _key(start: np.ndarray, end: np.ndarray) -> tuple[float, ...]:
    """A pair up to lattice translations, rounded so that equal pairs have equal keys."""
    home = np.round(start % 1.0, 3) % 1.0
    return (*home.tolist(), *(np.round(end - start, 3) + 0.0).tolist())


def _widths(crystal: Atoms) -> np.ndarray:
    """Distances between opposite faces of the cell, shape (3,), Å."""
    return np.asarray(1 / np.linalg.norm(np.linalg.inv(crystal.cell.array), axis=0))


def _hop(crystal: Atoms, ion: str, a: int, b: int, image: np.ndarray) -> Hop | None:
    """The hop from site a to site b; ``None`` if another atom is in the way."""
    vector = crystal.positions[b] + image @ crystal.cell.array - crystal.positions[a]
    length = float(np.linalg.norm(vector))
    # Wider than two hops, so that the vacancy is reached by the way meant and not round the back.
    repeats = np.ceil(max(SMALLEST_WIDTH, 2.1 * length) / _widths(crystal)).astype(int)
    cell = crystal.repeat(tuple(repeats))
    cell.set_constraint()
    # In the repeated cell, unit cell (i, j, k) comes at ((i n_y) + j) n_z + k.
    i, j, k = image % repeats
    vacant = int(((i * repeats[1] + j) * repeats[2] + k) * len(crystal) + b)
    others = np.delete(np.arange(len(cell)), [a, vacant])
    on_the_way = cell.positions[a] + np.linspace(0, 1, 9)[:, None] * vector
    gaps = cell.positions[others] - on_the_way[:, None]
    if find_mic(gaps.reshape(-1, 3), cell.cell)[1].min() < BLOCKED:
        return None
    first = cell.copy()
    del first[vacant]
    moving = a - (vacant < a)
    last = first.copy()
    last.positions[moving] += vector
    name = f"{ion}{a}-{ion}{b} {length:.2f} Å"
    if image.any():
        name += f" [{' '.join(map(str, image.tolist()))}]"
    return Hop(name, interpolate(first, last, N_IMAGES), moving, length)
