"""A potential of nearest-neighbour bonds, whose surface, vacancy and mixing energies are counted by hand."""

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from umlip_bench.datasets import catalogue, load
from umlip_bench.datasets.store import DataStore
from umlip_bench.engine import Done, run_tasks
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential

CUTOFF = 1.2
"""In bond lengths: between the first and the second shell of close packing."""
STIFFNESS = 5.0


class Bonds(Potential):
    """E = sum over bonds of -strength + 5 (r - length)² / 2, in eV and Å; bonds end at 1.2 lengths.

    `strengths` by pair of symbols in alphabetical order, e.g. ``{"CuCu": 0.5}``; all other bonds have 1 eV.
    """

    card = ModelCard(
        name="bonds",
        family="toy",
        architecture="bonds",
        level_of_theory=LevelOfTheory("unknown"),
        training_set="none",
        elements=(),
        licence="none",
        citation="none",
    )
    device, dtype = torch.device("cpu"), torch.float64
    footprint = Footprint(per_atom=1e3, per_edge=1e3, per_angle=0.0)
    edges_per_cpu_batch = 4000

    def __init__(self, length, strengths=None):
        self.length = length
        self.strengths = strengths or {}

    def prepare(self, atoms):
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
        return [self._one(graph, stress) for graph in graphs]

    def _one(self, graph, stress):
        atoms = Atoms(graph.numbers, graph.positions, cell=graph.cell, pbc=True)
        i, j, vector, r = neighbor_list("ijDd", atoms, CUTOFF * self.length)
        symbols = np.array(atoms.get_chemical_symbols())
        pairs = ["".join(sorted(pair)) for pair in zip(symbols[i], symbols[j], strict=True)]
        strengths = np.array([self.strengths.get(pair, 1.0) for pair in pairs])
        stretch = r - self.length
        energies = STIFFNESS * stretch**2 / 2 - strengths
        pulls = (STIFFNESS * stretch / np.maximum(r, 1e-9))[:, None] * vector
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pulls)
        return Prediction(
            energy=float(energies.sum() / 2),
            forces=forces,
            stress=pulls.T @ vector / 2 / atoms.get_volume() if stress else None,
            magmoms=None,
        )


def results(model, suite, cases):
    """Results of cases, in their order, through files and back."""
    found = {}
    for outcome in run_tasks(model, ((case.name, suite.measure(case)) for case in cases)):
        assert isinstance(outcome, Done), outcome
        suite.metrics(outcome.result)
        found[outcome.key] = suite.from_arrays(outcome.key, suite.to_arrays(outcome.result))
    return [found[case.name] for case in cases]


def single_points(task):
    """A measurement of single points and a relaxation, without the latter."""
    answers = yield next(task)
    task.send(answers)
    try:
        task.throw(StructureError("not relaxed here"))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("asked for more")


def published(name):
    """A data set, or a reason to skip."""
    if DataStore().locate(catalogue.card(name)) is None:
        pytest.skip(f"{name} is not on this machine: run `umlip-bench data fetch {name}`")
    return load(name)
