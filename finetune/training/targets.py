"""Prepared graphs beside the values that a model is to give for them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.datasets import Frame
from umlip_bench.finetune.factors import FloatArray
from umlip_bench.finetune.force_sets import ForceSet
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True, eq=False)
class Rest:
    """A supercell before its atoms were displaced.

    Parameters
    ----------
    graph
        Of the model that is trained.
    length
        |u| over all atoms, Å.
    """

    graph: Graph
    length: float


@dataclass(frozen=True, eq=False)
class Target:
    """One structure, prepared once, and what the model is trained to give for it.

    Parameters
    ----------
    graph
        Of the model that is trained.
    energy
        In eV, on the model's own zero; nan if it does not enter the loss.
    forces
        Shape (N, 3), eV/Å.
    stress
        Shape (3, 3), eV/Å³; ``None`` if there is none.
    rest
        Where `graph` is a displaced supercell, the one at rest; the target is then what the displacement
        changes in the forces, over its length. ``None`` for a frame.
    """

    graph: Graph
    energy: float
    forces: FloatArray
    stress: FloatArray | None
    rest: Rest | None = None


def targets_of_labels(
    potential: Potential, frames: Sequence[Frame], energies: Sequence[float]
) -> list[Target]:
    """DFT's values, with energies as `alignment` leaves them.

    Raises
    ------
    StructureError
        If the model cannot evaluate a frame.
    """
    return [
        Target(potential.prepare(frame.atoms), float(energy), frame.forces, frame.stress)
        for frame, energy in zip(frames, energies, strict=True)
    ]


def targets_of_force_sets(potential: Potential, sets: Sequence[ForceSet]) -> list[Target]:
    """The displaced supercells, and each crystal at rest, in which DFT's forces are zero.

    Raises
    ------
    StructureError
        If the model cannot evaluate a supercell.
    """
    found = []
    for each in sets:
        rest = potential.prepare(each.rest)
        found.append(Target(rest, math.nan, np.zeros((len(each.rest), 3)), None))
        for atoms, forces, length in zip(each.displaced, each.forces, each.lengths, strict=True):
            graph = potential.prepare(atoms)
            found.append(Target(graph, math.nan, forces, None, Rest(rest, float(length))))
    return found


def targets_of_predictions(
    graphs: Sequence[Graph], predictions: Sequence[Prediction]
) -> list[Target]:
    """A model's own values, to hold its descendant to them."""
    return [
        Target(graph, found.energy, found.forces, found.stress)
        for graph, found in zip(graphs, predictions, strict=True)
    ]


@dataclass(frozen=True)
class Counts:
    """How many numbers each mean of the loss is over.

    Parameters
    ----------
    energies
        Frames with an energy.
    forces, stresses, curvatures
        Components; nine of the stress for each frame that has one.
    """

    energies: int
    forces: int
    stresses: int
    curvatures: int


def count(targets: Sequence[Target]) -> Counts:
    """Numbers in all of them together."""
    return Counts(
        energies=sum(not np.isnan(target.energy) for target in targets),
        forces=sum(target.forces.size for target in targets if target.rest is None),
        stresses=sum(9 for target in targets if target.stress is not None),
        curvatures=sum(target.forces.size for target in targets if target.rest is not None),
    )
