"""Periodic neighbour lists and the flat arrays common to all graphs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from pymatgen.optimization.neighbors import find_points_in_spheres

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import (
    COINCIDENT_BELOW,
    brought_near,
    check_structure,
    describe,
    search_radius,
)
from umlip_bench.potentials.graph import Graph

_SELF_DISTANCE = 1e-8


@dataclass(frozen=True)
class Neighbors:
    """All pairs within a cutoff, each in both directions.

    Parameters
    ----------
    positions
        Shape (N, 3), Å: what images refer to; those of the structure, or periodic images of them.
    edges
        Shape (2, E), int64, sorted by the first row.
    images
        Shape (E, 3), int64: lattice translations of the second atom.
    distances
        Shape (E,), Å.
    """

    positions: np.ndarray
    edges: np.ndarray
    images: np.ndarray
    distances: np.ndarray


def neighbors(atoms: Atoms, cutoff: float) -> Neighbors:
    """Neighbour list of a fully periodic structure.

    pymatgen's cell list is the fastest of the common ones at up to some hundred atoms. Atoms far outside the
    cell are brought back into it first, which also keeps their coordinates exact in float32.

    Parameters
    ----------
    atoms
        Fully periodic structure with finite positions.
    cutoff
        Å.

    Raises
    ------
    StructureError
        If two atoms coincide.
    """
    cell = np.ascontiguousarray(atoms.cell.array, dtype=float)
    positions = brought_near(atoms.positions, cell)
    radius = search_radius(positions, cell, cutoff)
    i, j, images, distances = find_points_in_spheres(
        positions,
        positions,
        r=radius,
        pbc=np.ones(3, dtype=np.int64),
        lattice=cell,
        tol=_SELF_DISTANCE,
    )
    keep = (i != j) | (distances > _SELF_DISTANCE)
    if radius > cutoff:
        keep &= distances <= cutoff
    i, j, images, distances = i[keep], j[keep], images[keep], distances[keep]
    if len(distances) and distances.min() < COINCIDENT_BELOW:
        k = int(distances.argmin())
        a, b = sorted((i[k], j[k]))
        raise StructureError(
            f"{describe(atoms)}: atoms {a} and {b} coincide ({distances[k]:.1e} Å apart); "
            "is one of them entered twice, or the cell wrong?"
        )
    return Neighbors(positions, np.stack([i, j]), images.astype(np.int64), distances)


def pair_graph(atoms: Atoms, cutoff: float) -> Graph:
    """Graph of a structure for models that need neighbours and nothing else."""
    pairs = neighbors(atoms, cutoff)
    return Graph(
        numbers=atoms.numbers,
        positions=pairs.positions,
        cell=atoms.cell.array,
        edges=pairs.edges,
        images=pairs.images,
        n_angles=0,
    )


def bare_graph(atoms: Atoms, elements: Collection[str]) -> Graph:
    """A checked structure for code that finds its neighbours itself; it has no edges.

    Parameters
    ----------
    atoms
        The structure.
    elements
        Chemical symbols that the potential knows; empty for no such check.

    Raises
    ------
    StructureError
        As `umlip_bench.ground.structures.check_structure`, and if two atoms coincide.
    """
    check_structure(atoms, elements)
    return Graph(
        numbers=atoms.numbers,
        # Atoms from far outside are brought back, which others' code may not do.
        positions=neighbors(atoms, cutoff=10 * COINCIDENT_BELOW).positions,
        cell=atoms.cell.array,
        edges=np.zeros((2, 0), dtype=np.int64),
        images=np.zeros((0, 3), dtype=np.int64),
        n_angles=0,
    )


def angle_pairs(centres: np.ndarray) -> np.ndarray:
    """All ordered pairs of distinct edges that leave the same atom.

    Parameters
    ----------
    centres
        Shape (E,), the atom each edge leaves, ascending.

    Returns
    -------
    ndarray
        Shape (2, A): indices into `centres`; for each first edge its partners in order.
    """
    n_edges = len(centres)
    if n_edges == 0:
        return np.zeros((2, 0), dtype=np.int64)
    counts = np.bincount(centres)
    first_edge_of_atom = np.cumsum(counts) - counts
    partners = counts[centres] - 1
    first = np.repeat(np.arange(n_edges), partners)
    nth_partner = np.arange(len(first)) - np.repeat(np.cumsum(partners) - partners, partners)
    start = first_edge_of_atom[centres[first]]
    # Skip the edge itself: partners from its own position on move up by one.
    second = start + nth_partner + (nth_partner >= first - start)
    return np.stack([first, second])
