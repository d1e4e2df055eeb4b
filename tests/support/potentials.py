"""Potentials whose answers are known in closed form, and some with faults on demand."""

from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list

from umlip_bench.ground.birch_murnaghan import BirchMurnaghan, Equilibrium
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.structures import check_structure
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
from umlip_bench.potentials.adapters.neighbors import neighbors
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential

REFUSED, NOT_FINITE = 84, 86
"""Atomic numbers that toys refuse, or `Wells` answers with not-a-number."""


def toy_card(name: str) -> ModelCard:
    """The card of a model that was never trained and knows all elements."""
    return ModelCard(
        name=name,
        family="toy",
        architecture=name,
        level_of_theory=LevelOfTheory("unknown"),
        training_set="none",
        elements=(),
        licence="none",
        citation="none",
    )


class Toy(Potential):
    """One structure at a time, in float64."""

    device, dtype = torch.device("cpu"), torch.float64
    footprint = Footprint(per_atom=1e3, per_edge=1e3, per_angle=0.0)
    edges_per_cpu_batch = 4000
    card = toy_card("toy")
    cutoff = 0.0
    """Å; 0 for no neighbours."""

    def prepare(self, atoms: Atoms) -> Graph:
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

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        return [self._one(graph, stress) for graph in graphs]

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        """Of one structure."""
        raise NotImplementedError


class AtomsForEdges(Toy):
    """Counts every atom as one edge, so that what fits into a batch is counted by hand."""

    def prepare(self, atoms: Atoms) -> Graph:
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


class HarmonicLattice(Toy):
    """A simple cubic lattice of spacing a, exactly quadratic in displacements from its sites.

    Neighbours along each axis are joined by a stiffness k along the bond and t across it:
    m ω²_x = 2 k (1 - cos q_x a) + 2 t (2 - cos q_y a - cos q_z a).
    """

    def __init__(self, a: float, along: float, across: float, factor: float = 1.0) -> None:
        self.a, self.along, self.across, self.factor = a, along, across, factor

    def _one(self, graph: Graph, stress: bool) -> Prediction:
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
        return Prediction(energy, forces, np.zeros((3, 3)) if stress else None, None)

    def frequencies(self, qpoints: np.ndarray, mass: float) -> np.ndarray:
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


class Springs(Toy):
    """Springs of natural length r₀ between neighbours: E = ½ k Σ (r - r₀)²."""

    def __init__(self, natural_length: float, stiffness: float) -> None:
        self.natural_length, self.stiffness = natural_length, stiffness
        self.cutoff = 1.2 * natural_length

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        i, j = graph.edges
        vectors = graph.positions[j] + graph.images @ graph.cell - graph.positions[i]
        lengths = np.linalg.norm(vectors, axis=1)
        tension = self.stiffness * (lengths - self.natural_length) / lengths
        forces = np.zeros_like(graph.positions)
        np.add.at(forces, i, tension[:, None] * vectors)
        # Every bond is listed twice.
        energy = 0.25 * self.stiffness * float(((lengths - self.natural_length) ** 2).sum())
        virial = 0.5 * np.einsum("e,ea,eb->ab", tension, vectors, vectors)
        volume = abs(np.linalg.det(graph.cell))
        return Prediction(energy, forces, virial / volume if stress else None, None)


class Squeezable(Toy):
    """A Birch-Murnaghan curve in the volume, and nothing else."""

    def __init__(self, equilibrium: Equilibrium) -> None:
        self.curve = BirchMurnaghan.of(equilibrium)

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        volume = abs(np.linalg.det(graph.cell))
        pressure = float(self.curve.pressure(volume))
        return Prediction(
            float(self.curve.energy(volume)),
            np.zeros_like(graph.positions),
            -pressure * np.eye(3) if stress else None,
            None,
        )


class Wells(AtomsForEdges):
    """Every atom in a well about the origin: E = r²/2, F = -r; an atom counts as one edge.

    `capacity` is the largest number of atoms in a call before memory runs out; `calls` lists the
    number of structures of every call.
    """

    card = toy_card("wells")

    def __init__(self, edges_per_cpu_batch: int = 4000, capacity: int = 10**9) -> None:
        self.edges_per_cpu_batch = edges_per_cpu_batch
        self.capacity = capacity
        self.calls: list[int] = []
        self.prepared = 0

    def prepare(self, atoms: Atoms) -> Graph:
        self.prepared += 1
        return super().prepare(atoms)

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        self.calls.append(len(graphs))
        if sum(len(g.numbers) for g in graphs) > self.capacity:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (injected)")
        if any(REFUSED in g.numbers for g in graphs):
            raise StructureError("the call was refused")
        return super().evaluate(graphs, stress=stress)

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        energy = 0.5 * float((graph.positions**2).sum())
        return Prediction(
            energy=float("nan") if NOT_FINITE in graph.numbers else energy,
            forces=-graph.positions,
            stress=np.eye(3) * energy if stress else None,
            magmoms=None,
        )


class Fussy(ChgnetPotential):
    """Runs out of memory above a number of structures, and says how many it was given."""

    capacity: int
    calls: list[int]

    @classmethod
    def of(cls, model: ChgnetPotential, capacity: int, edges_per_cpu_batch: int) -> Self:
        fussy = cls(model.weights, model.module)
        fussy.capacity, fussy.calls = capacity, []
        fussy.edges_per_cpu_batch = edges_per_cpu_batch
        return fussy

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        self.calls.append(len(graphs))
        if len(graphs) > self.capacity:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory (injected)")
        return super().evaluate(graphs, stress=stress)


CLOSE_PACKED_CUTOFF = 1.2
"""In bond lengths: between the first and the second shell of close packing."""
STIFFNESS = 5.0


class CountedBonds(AtomsForEdges):
    """E = sum over bonds of -strength + 5 (r - length)² / 2, in eV and Å; bonds end at 1.2 lengths.

    Surface, vacancy and mixing energies are counted by hand. `strengths` by pair of symbols in
    alphabetical order, e.g. ``{"CuCu": 0.5}``; all other bonds have 1 eV.
    """

    card = toy_card("bonds")

    def __init__(self, length: float, strengths: Mapping[str, float] | None = None) -> None:
        self.length = length
        self.strengths = strengths or {}

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        atoms = Atoms(graph.numbers, graph.positions, cell=graph.cell, pbc=True)
        i, j, vector, r = neighbor_list("ijDd", atoms, CLOSE_PACKED_CUTOFF * self.length)
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
