"""A potential for the engine's sake: harmonic wells, with faults on demand."""

import numpy as np
import torch
from ase import Atoms

from umlip_bench.engine.scheduler import Done, run_requests
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential

REFUSED, NOT_FINITE = 84, 86
"""Atomic numbers that `evaluate` refuses, or answers with not-a-number."""


class Wells(Potential):
    """Every atom in a well about the origin: E = r²/2, F = -r; an atom counts as one edge.

    `capacity` is the largest number of atoms in a call before memory runs out; `calls` lists the
    number of structures of every call.
    """

    card = ModelCard(
        name="wells",
        family="toy",
        architecture="wells",
        level_of_theory=LevelOfTheory("unknown"),
        training_set="none",
        elements=(),
        licence="none",
        citation="none",
    )
    device, dtype = torch.device("cpu"), torch.float64
    footprint = Footprint(per_atom=1e3, per_edge=1e3, per_angle=0.0)

    def __init__(self, edges_per_cpu_batch=4000, capacity=10**9):
        self.edges_per_cpu_batch = edges_per_cpu_batch
        self.capacity = capacity
        self.calls = []
        self.prepared = 0

    def prepare(self, atoms):
        self.prepared += 1
        check_structure(atoms, ())
        n = len(atoms)
        return Graph(
            numbers=atoms.numbers,
            positions=atoms.positions,
            cell=atoms.cell.array,
            edges=np.zeros((2, n), dtype=int),
            images=np.zeros((n, 3), dtype=int),
            n_angles=0,
        )

    def evaluate(self, graphs, *, stress=True):
        self.calls.append(len(graphs))
        if sum(len(g.numbers) for g in graphs) > self.capacity:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (injected)")
        if any(REFUSED in g.numbers for g in graphs):
            raise StructureError("the call was refused")
        return [self._one(g, stress) for g in graphs]

    def _one(self, graph, stress):
        energy = 0.5 * float((graph.positions**2).sum())
        return Prediction(
            energy=float("nan") if NOT_FINITE in graph.numbers else energy,
            forces=-graph.positions,
            stress=np.eye(3) * energy if stress else None,
            magmoms=None,
        )


def chain(n, x=0.0, symbol="Al"):
    """`n` atoms in a row from `x` on, in a cell of 20 Å."""
    positions = np.zeros((n, 3))
    positions[:, 0] = x + np.arange(n)
    return Atoms([symbol] * n, positions, cell=[20.0] * 3, pbc=True)


def unpreparable():
    """A structure that is refused before it is evaluated."""
    return chain(2, x=np.nan)


class Fussy(ChgnetPotential):
    """Runs out of memory above a number of structures, and says how many it was given."""

    @classmethod
    def of(cls, model, capacity, edges_per_cpu_batch):
        fussy = cls(model.weights, model.module)
        fussy.capacity, fussy.calls = capacity, []
        fussy.edges_per_cpu_batch = edges_per_cpu_batch
        return fussy

    def evaluate(self, graphs, *, stress=True):
        self.calls.append(len(graphs))
        if len(graphs) > self.capacity:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (injected)")
        return super().evaluate(graphs, stress=stress)


def run(model, requests, **options):
    """Answers to requests, in their order."""
    found = {}
    for outcome in run_requests(model, requests, **options):
        assert isinstance(outcome, Done), outcome
        found[outcome.key] = outcome.result
    return [found[k] for k in range(len(found))]
