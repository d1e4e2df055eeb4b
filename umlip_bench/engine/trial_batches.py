"""Made-up structures of many sizes, densities and compositions, in batches, to fit and check with.

What they cost is what matters, not whether nature has them. Everything is seeded: the same elements
give the same batches.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.build import bulk

from umlip_bench.potentials.graph import Graph

_LATTICES = ("sc", "fcc", "bcc", "diamond", "rocksalt", "zincblende", "cesiumchloride")
_OF_ONE_ELEMENT = _LATTICES[:4]
_VOLUMES = (8.0, 45.0)
"""Å³ per atom; denser than diamond is rare, and so is thinner than caesium."""

_SHARE_OF_SLABS = 0.15


def trial_structures(
    elements: Sequence[str], n: int, *, seed: int, largest: int = 100
) -> list[Atoms]:
    """Strained and rattled lattices, a few of them slabs.

    Parameters
    ----------
    elements
        To choose from.
    n
        Number of structures.
    seed
        Of the random choices.
    largest
        Most atoms; sizes are spread evenly on a logarithmic scale from one atom on.
    """
    rng = np.random.default_rng(seed)
    structures = []
    for _ in range(n):
        lattice = str(rng.choice(_LATTICES))
        symbols = [str(symbol) for symbol in rng.choice(elements, size=2)]
        atoms = bulk(symbols[0] if lattice in _OF_ONE_ELEMENT else "".join(symbols), lattice, a=4.0)
        volume = np.exp(rng.uniform(*np.log(_VOLUMES)))
        scale = (volume * len(atoms) / atoms.get_volume()) ** (1 / 3)
        strain = np.eye(3) + 0.03 * rng.normal(size=(3, 3))
        atoms.set_cell(scale * atoms.cell.array @ strain, scale_atoms=True)
        wanted = largest ** rng.uniform()
        repeats = np.ones(3, dtype=int)
        while True:
            more = repeats.copy()
            more[rng.integers(3)] += 1
            if len(atoms) * more.prod() > wanted:
                break
            repeats = more
        atoms = atoms.repeat(repeats)
        atoms.positions += 0.05 * rng.normal(size=atoms.positions.shape)
        if rng.random() < _SHARE_OF_SLABS:
            atoms.center(vacuum=rng.uniform(2.0, 6.0), axis=2)
        structures.append(atoms)
    return structures


def trial_batches(
    graphs: Sequence[Graph], n: int, *, edges: tuple[float, float], seed: int
) -> list[list[Graph]]:
    """Batches drawn from a pool of graphs.

    Parameters
    ----------
    graphs
        The pool.
    n
        Number of batches.
    edges
        Smallest and largest number of edges in a batch; the numbers are spread evenly on a
        logarithmic scale. A graph that alone has more makes a batch of its own.
    seed
        Of the random choices.
    """
    rng = np.random.default_rng(seed)
    batches = []
    for _ in range(n):
        limit = np.exp(rng.uniform(*np.log(edges)))
        batch: list[Graph] = []
        filled = 0
        while True:
            graph = graphs[int(rng.integers(len(graphs)))]
            if batch and filled + graph.cost.edges > limit:
                break
            batch.append(graph)
            # A graph without edges would otherwise be drawn for ever.
            filled += max(graph.cost.edges, graph.cost.atoms)
        batches.append(batch)
    return batches
