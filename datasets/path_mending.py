"""Images of one path made to agree: the same cell, the same order of atoms, nothing wrapped, no drift.

What can be mended without a guess is mended and told; what cannot is refused. Neither changes an energy.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.geometry import find_mic, get_distances
from ase.mep import NEB
from scipy.optimize import linear_sum_assignment

from umlip_bench.ground.errors import DataError
from umlip_bench.ground.structures import check_structure

SAME_CELL = 1e-5
"""Å; cells that differ by less differ by how they were written to a file."""
MARGIN = 0.5
"""Å; atoms of one element are told apart if they are nearer to their places than to others by this."""
LONGEST_HOP = 5.0
"""Å; atoms that exchange places over no more than this may do so in one concerted event."""

DRIFT = 0.05
"""Å; images that lie farther than this from the first, as a whole, have drifted."""
TOGETHER = 0.3
"""Å; atoms that go along with a drift to within this belong to what drifted."""


@dataclass(frozen=True, eq=False)
class MendedPath:
    """Images that agree with the first, and what was done to them.

    Parameters
    ----------
    images
        In the order given.
    orders
        For each image, the indices that its atoms had before, shape (N,).
    notes
        What was mended; empty if nothing was.
    """

    images: tuple[Atoms, ...]
    orders: tuple[np.ndarray, ...]
    notes: tuple[str, ...]


def mend(images: Sequence[Atoms], names: Sequence[str]) -> MendedPath:
    """Reorder and unwrap the atoms of each image to follow those of the image before; take off its drift.

    An image drifts if most of its atoms are shifted alike against the first: the energy does not know, but
    the length of the path and the way of the ion do.

    Parameters
    ----------
    images
        At least one; the first decides.
    names
        Of the images, for messages.

    Raises
    ------
    UmlipBenchError
        If an image is no periodic structure, has other atoms or another cell than the first, or its atoms
        cannot be told apart.
    """
    first = images[0]
    for image, name in zip(images, names, strict=True):
        _check(image, name, first, names[0])
    mended = [first]
    orders = [np.arange(len(first))]
    reordered, unwrapped, drifted = [], [], []
    drift = np.zeros(3)
    for image, name in zip(images[1:], names[1:], strict=True):
        shifted = image.copy()
        shifted.positions -= drift
        order = _order(mended[-1], shifted, name)
        atoms = shifted[order]
        steps = find_mic(atoms.positions - mended[-1].positions, first.cell)[0]
        positions = mended[-1].positions + steps
        if not np.array_equal(order, orders[0]):
            reordered.append(name)
        if np.abs(positions - atoms.positions).max() > MARGIN:
            unwrapped.append(name)
        further = _drift(positions - first.positions)
        drift = drift + further
        if drift.any():
            drifted.append(f"{name} by {np.linalg.norm(drift):.2f} Å")
        atoms.positions = positions - further
        atoms.cell = first.cell
        mended.append(atoms)
        orders.append(order)
    notes = [
        f"{', '.join(members)}: {done}"
        for members, done in (
            (reordered, f"the atoms were in another order and are now in that of {names[0]}"),
            (unwrapped, "atoms had been wrapped into the cell and are now back on their way"),
            (drifted, "all atoms were shifted alike, and are no more"),
        )
        if members
    ]
    return MendedPath(tuple(mended), tuple(orders), tuple(notes))


def interpolate(first: Atoms, last: Atoms, n: int) -> tuple[Atoms, ...]:
    """End points and `n` images between them, by the image-dependent pair potential.

    Smidstrup et al., J. Chem. Phys. 140, 214106 (2014): distances between atoms are interpolated, which
    keeps atoms apart that a straight line would bring together.
    """
    path = [first.copy(), *(first.copy() for _ in range(n)), last.copy()]
    NEB(path, method="improvedtangent").interpolate(method="idpp", mic=True)
    # Copies have left the calculators of the interpolation behind.
    return tuple(image.copy() for image in path)


def _drift(away: np.ndarray) -> np.ndarray:
    """The shift that most atoms have in common, shape (3,), Å; zero if there is none.

    `away` is where the atoms are, from where they were in the first image, shape (N, 3).
    """
    shift = np.median(away, axis=0)
    along = np.linalg.norm(away - shift, axis=1) < TOGETHER
    if np.linalg.norm(shift) < DRIFT or np.mean(along) <= 0.5:
        return np.zeros(3)
    return np.asarray(shift)


def _check(image: Atoms, name: str, first: Atoms, first_name: str) -> None:
    check_structure(image, ())
    if Counter(image.numbers.tolist()) != Counter(first.numbers.tolist()):
        raise DataError(
            f"{name} is {image.symbols.formula:metal}, {first_name} {first.symbols.formula:metal}; all "
            "images must have the same atoms: a vacancy or another ion must be there in each"
        )
    difference = np.abs(image.cell.array - first.cell.array).max()
    if difference > SAME_CELL:
        raise DataError(
            f"the cell of {name} differs from that of {first_name} by {difference:.2g} Å, allowed are "
            f"{SAME_CELL:g} Å; energies along a path are of one cell: calculate all images in that of the "
            "end points"
        )


def _order(previous: Atoms, image: Atoms, name: str) -> np.ndarray:
    """Indices of the image's atoms in the order of the previous image, shape (N,)."""
    order = np.empty(len(previous), dtype=int)
    for number in np.unique(previous.numbers):
        here, there = (np.flatnonzero(atoms.numbers == number) for atoms in (previous, image))
        _, distances = get_distances(
            previous.positions[here], image.positions[there], previous.cell, previous.pbc
        )
        try:
            order[here] = there[_matched(distances)]
        except _AmbiguousError as error:
            atoms = ", ".join(map(str, here[error.rows]))
            raise DataError(
                f"{name}: the {image[there[0]].symbol} atoms are not where those of the image before are, "
                f"and cannot be put in order, since which is which of {atoms} is not clear: "
                f"{error}. List the atoms in the same order in all images, or give images in between"
            ) from None
    return order


class _AmbiguousError(Exception):
    """Atoms that cannot be told apart: rows of a matrix of distances."""

    def __init__(self, rows: np.ndarray, reason: str) -> None:
        super().__init__(reason)
        self.rows = rows


def _matched(distances: np.ndarray) -> np.ndarray:
    """Columns that belong to the rows of a matrix of distances between atoms of one element.

    The order given stays unless another makes the ways shorter: by the triangle inequality no exchange
    shortens the hop of a single atom. Another order is taken only if every atom is next to its place, but
    for one that may have hopped.
    """
    rows = np.arange(len(distances))
    _, best = linear_sum_assignment(distances)
    if np.trace(distances) <= distances[rows, best].sum() + MARGIN:
        return rows
    others = distances.copy()
    others[rows, best] = np.inf
    nearest_other = np.minimum(others.min(axis=1), others.min(axis=0)[best])
    unclear = np.flatnonzero(distances[rows, best] + MARGIN >= nearest_other)
    if len(unclear) > 1:
        raise _AmbiguousError(unclear, f"{len(unclear)} of them are between places")
    for row in unclear:
        exchanged = _cycle(best, int(row))
        if len(exchanged) > 1 and distances[exchanged, exchanged].max() <= LONGEST_HOP:
            raise _AmbiguousError(
                np.array(exchanged), "they may have moved together, or be listed in another order"
            )
    return np.asarray(best)


def _cycle(permutation: np.ndarray, start: int) -> list[int]:
    """Indices that a permutation goes through from one until it comes back."""
    found = [start]
    while (following := int(permutation[found[-1]])) != start:
        found.append(following)
    return found
