"""A structure as one vector, for distances between states of the same composition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import torch
from ase import Atoms

from umlip_bench.engine.packing import Packer
from umlip_bench.potentials.adapters.neighbors import neighbors
from umlip_bench.potentials.graph import Graph
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential

RADIAL_CUTOFF = 6.0
"""Å."""
RADIAL_WIDTH = 0.3
"""Å, of the Gaussians and between them."""


class Space(StrEnum):
    """What the vectors are made of."""

    MODEL = "the model's own features"
    RADIAL = "radial distributions, since the model has no features of its own"


@dataclass(frozen=True, eq=False)
class Descriptors:
    """Vectors of structures.

    Parameters
    ----------
    values
        Shape (n, d); for each element in the order of its atomic number the mean over its atoms.
    space
        What they are made of.
    """

    values: np.ndarray
    space: Space


def describe_states(potential: Potential, structures: Sequence[Atoms]) -> Descriptors:
    """Features of structures of one composition, averaged over the atoms of each element.

    Parameters
    ----------
    potential
        Its own features of each atom are taken, those that its readout sees; for a family that has none
        (foreign calculators), distributions of distances by pairs of elements up to 6 Å.
    structures
        All of one composition.

    Raises
    ------
    StructureError
        If the model cannot evaluate one of them.
    """
    if isinstance(potential, DifferentiablePotential):
        graphs = [potential.prepare(atoms) for atoms in structures]
        found = [
            row
            for members in Packer(potential).partition(graphs)
            for row in _model_features(potential, [graphs[k] for k in members])
        ]
        if len(found) == len(structures):
            return Descriptors(np.array(found), Space.MODEL)
    return Descriptors(np.array([_radial(atoms) for atoms in structures]), Space.RADIAL)


def _model_features(
    potential: DifferentiablePotential, graphs: Sequence[Graph]
) -> list[np.ndarray]:
    """One row for each graph, or none if the model has no features."""
    with torch.no_grad():
        features = potential.energies(potential.collate(graphs)).descriptors
    if features is None:
        return []
    per_atom = features.double().cpu().numpy()
    starts = np.cumsum([0] + [len(graph.numbers) for graph in graphs])
    return [
        _by_element(graph.numbers, per_atom[start:end])
        for graph, start, end in zip(graphs, starts[:-1], starts[1:], strict=True)
    ]


def _by_element(numbers: np.ndarray, per_atom: np.ndarray) -> np.ndarray:
    means = [per_atom[numbers == number].mean(axis=0) for number in np.unique(numbers)]
    return np.asarray(np.concatenate(means))


def _radial(atoms: Atoms) -> np.ndarray:
    """Neighbours of each pair of elements by distance, per atom, each counted as 1/r²."""
    pairs = neighbors(atoms, RADIAL_CUTOFF)
    centres = np.arange(RADIAL_WIDTH, RADIAL_CUTOFF, RADIAL_WIDTH)
    kinds = np.unique(atoms.numbers)
    first, second = (atoms.numbers[ends] for ends in pairs.edges)
    rows = []
    for k, a in enumerate(kinds):
        for b in kinds[k:]:
            r = pairs.distances[(first == a) & (second == b)]
            gaussians = np.exp(-0.5 * ((r[:, None] - centres) / RADIAL_WIDTH) ** 2)
            rows.append((gaussians / r[:, None] ** 2).sum(axis=0) / len(atoms))
    return np.concatenate(rows)
