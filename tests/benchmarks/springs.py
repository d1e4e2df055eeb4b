"""Potentials whose answers are known in closed form."""

import numpy as np
import torch
from ase import Atoms

from umlip_bench.engine.scheduler import Done, run_tasks
from umlip_bench.ground.birch_murnaghan import BirchMurnaghan
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.neighbors import neighbors
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential

REFUSED = 84
"""Atomic number that no toy here evaluates."""


class Toy(Potential):
    """One structure at a time, in float64."""

    device, dtype = torch.device("cpu"), torch.float64
    footprint = Footprint(per_atom=1e3, per_edge=1e3, per_angle=0.0)
    edges_per_cpu_batch = 4000
    card = ModelCard(
        name="toy",
        family="toy",
        architecture="toy",
        level_of_theory=LevelOfTheory("unknown"),
        training_set="none",
        elements=(),
        licence="none",
        citation="none",
    )
    cutoff = 0.0

    def prepare(self, atoms):
        check_structure(atoms, ())
        if REFUSED in atoms.numbers:
            raise StructureError("polonium is refused")
        pairs = neighbors(atoms, self.cutoff) if self.cutoff else None
        return Graph(
            numbers=atoms.numbers,
            positions=atoms.positions if pairs is None else pairs.positions,
            cell=atoms.cell.array,
            edges=np.zeros((2, 0), dtype=int) if pairs is None else pairs.edges,
            images=np.zeros((0, 3), dtype=int) if pairs is None else pairs.images,
            n_angles=0,
        )

    def evaluate(self, graphs, *, stress=True):
        return [self.one(graph) for graph in graphs]


class HarmonicLattice(Toy):
    """A simple cubic lattice of spacing a, exactly quadratic in displacements from its sites.

    Neighbours along each axis are joined by a stiffness k along the bond and t across it:
    m ω²_x = 2 k (1 - cos q_x a) + 2 t (2 - cos q_y a - cos q_z a).
    """

    def __init__(self, a, along, across, factor=1.0):
        self.a, self.along, self.across, self.factor = a, along, across, factor

    def one(self, graph):
        sites = np.round(graph.positions / self.a)
        shape = np.round(np.diag(graph.cell) / self.a).astype(int)
        where = {tuple(site): k for k, site in enumerate(np.mod(sites, shape).astype(int))}
        moved = graph.positions - sites * self.a
        forces = np.zeros_like(moved)
        for site, k in where.items():
            for axis in range(3):
                for step in (-1, 1):
                    other = np.array(site)
                    other[axis] += step
                    relative = moved[where[tuple(np.mod(other, shape))]] - moved[k]
                    stiffness = np.full(3, self.across)
                    stiffness[axis] = self.along
                    forces[k] += stiffness * relative
        forces *= self.factor
        energy = -0.5 * float((forces * moved).sum())
        return Prediction(energy, forces, np.zeros((3, 3)), None)

    def frequencies(self, qpoints, mass):
        """Sorted, THz, shape (Q, 3); q in units of reciprocal vectors, mass in atomic units."""
        soft = 1 - np.cos(2 * np.pi * qpoints)
        squares = np.array(
            [
                2 * self.along * soft[:, i] + 2 * self.across * (soft.sum(axis=1) - soft[:, i])
                for i in range(3)
            ]
        ).T
        # eV/Å² and atomic mass units to rad/s.
        unit = np.sqrt(1.602176634e-19 / 1e-20 / 1.66053906892e-27)
        return np.sort(np.sqrt(self.factor * squares / mass), axis=1) * unit / (2e12 * np.pi)


class Bonds(Toy):
    """Springs of natural length r₀ between neighbours: E = ½ k Σ (r - r₀)²."""

    def __init__(self, natural_length, stiffness):
        self.natural_length, self.stiffness = natural_length, stiffness
        self.cutoff = 1.2 * natural_length

    def one(self, graph):
        i, j = graph.edges
        vectors = graph.positions[j] + graph.images @ graph.cell - graph.positions[i]
        lengths = np.linalg.norm(vectors, axis=1)
        tension = self.stiffness * (lengths - self.natural_length) / lengths
        forces = np.zeros_like(graph.positions)
        np.add.at(forces, i, tension[:, None] * vectors)
        # Every bond is listed twice.
        energy = 0.25 * self.stiffness * float(((lengths - self.natural_length) ** 2).sum())
        virial = 0.5 * np.einsum("e,ea,eb->ab", tension, vectors, vectors)
        return Prediction(energy, forces, virial / abs(np.linalg.det(graph.cell)), None)


class Squeezable(Toy):
    """A Birch-Murnaghan curve in the volume, and nothing else."""

    def __init__(self, equilibrium):
        self.curve = BirchMurnaghan.of(equilibrium)

    def one(self, graph):
        volume = abs(np.linalg.det(graph.cell))
        stress = -float(self.curve.pressure(volume)) * np.eye(3)
        return Prediction(
            float(self.curve.energy(volume)), np.zeros_like(graph.positions), stress, None
        )


def cubic(a, symbol="Al"):
    """One atom in a cube of edge a."""
    return Atoms([symbol], cell=[a] * 3, pbc=True)


def measured(suite, model, cases):
    """Results by name; every case must have one."""
    outcomes = list(run_tasks(model, ((case.name, suite.measure(case)) for case in cases)))
    for outcome in outcomes:
        assert isinstance(outcome, Done), outcome
    return {outcome.key: outcome.result for outcome in outcomes}
