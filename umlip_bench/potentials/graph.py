"""What goes into a call to a model and what comes out: graphs, batches, predictions, and their cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase.data import atomic_numbers, chemical_symbols
from torch import Tensor

from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.potentials.kernels.rows import gather_rows

N_ELEMENTS = len(chemical_symbols)
"""Length of an array by atomic number: 118 elements, and nothing at 0."""


@dataclass(frozen=True)
class Prediction(ReadOnlyArrays):
    """What a potential says about one structure.

    Parameters
    ----------
    energy
        Total energy in eV.
    forces
        Shape (N, 3), eV/Å.
    stress
        Shape (3, 3), eV/Å³, with pressure = -trace/3; ``None`` if it was not asked for or the
        calculator has none.
    magmoms
        Shape (N,), μB; ``None`` where the model predicts none.
    """

    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    magmoms: np.ndarray | None


@dataclass(frozen=True)
class Cost:
    """Size of a graph, or of all graphs of a call, from which memory and time are predicted.

    Parameters
    ----------
    atoms, edges
        Their numbers; every pair of neighbours is two edges.
    angles
        What `Graph.n_angles` counts; 0 for models that form none.
    """

    atoms: int
    edges: int
    angles: int

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.atoms + other.atoms, self.edges + other.edges, self.angles + other.angles)


@dataclass(frozen=True)
class Graph:
    """One structure as flat arrays, ready to be batched; picklable, on the CPU.

    Parameters
    ----------
    numbers
        Shape (N,), atomic numbers.
    positions
        Shape (N, 3), Å.
    cell
        Shape (3, 3), rows are lattice vectors, Å.
    edges
        Shape (2, E): edge e goes from atom ``edges[0, e]`` to a periodic image of ``edges[1, e]``;
        sorted by the first row.
    images
        Shape (E, 3), integers: that image is displaced by ``images @ cell``.
    n_angles
        Number of angles (pairs of edges) the model forms; 0 for models without.
    """

    numbers: np.ndarray
    positions: np.ndarray
    cell: np.ndarray
    edges: np.ndarray
    images: np.ndarray
    n_angles: int

    @property
    def cost(self) -> Cost:
        """Atoms, edges and angles of this graph."""
        return Cost(len(self.numbers), self.edges.shape[1], self.n_angles)


@dataclass
class Batch:
    """Several graphs as one set of tensors on one device.

    `positions` (N, 3) and `strain` (B, 3, 3) are the leaves that forces and stress are derivatives
    with respect to; `strained` applies the strain.
    """

    numbers: Tensor
    positions: Tensor
    cells: Tensor
    strain: Tensor
    edges: Tensor
    images: Tensor
    structure_of_atom: Tensor
    structure_of_edge: Tensor
    n_structures: int

    def strained(self) -> tuple[Tensor, Tensor]:
        """Positions (N, 3) and edge displacements (E, 3) under the symmetrised strain, in Å.

        The strain acts from the right on row vectors, r' = r (1 + ε), on atoms and lattice alike, so
        that dE/dε / V is the stress. Only the symmetric part acts: a rotation costs no energy.
        """
        strain = 0.5 * (self.strain + self.strain.transpose(1, 2))
        deformation = torch.eye(3, dtype=strain.dtype, device=strain.device) + strain
        of_atoms = gather_rows(deformation, self.structure_of_atom)
        positions = torch.bmm(self.positions.unsqueeze(1), of_atoms).squeeze(1)
        cells = self.cells @ deformation
        of_edges = gather_rows(cells, self.structure_of_edge)
        offsets = torch.bmm(self.images.unsqueeze(1), of_edges).squeeze(1)
        return positions, offsets


@dataclass
class Energies:
    """Differentiable result of `DifferentiablePotential.energies`.

    Parameters
    ----------
    energy
        Shape (B,), eV, float64.
    magmoms
        Shape (N,), μB, or ``None``.
    descriptors
        Shape (N, d), the model's own features of each atom, or ``None``.
    """

    energy: Tensor
    magmoms: Tensor | None = None
    descriptors: Tensor | None = None


@dataclass(frozen=True)
class Linear:
    """A quantity of a call that is linear in the size of its graphs.

    Parameters
    ----------
    per_atom, per_edge, per_angle
        What each adds.
    per_call
        What a call takes whatever its size.
    per_call_with_angles
        What it takes beyond that as soon as there is one angle: models skip their angular layers,
        with the matrices that these make of their weights, where there is none.
    """

    per_atom: float
    per_edge: float
    per_angle: float
    per_call: float = 0.0
    per_call_with_angles: float = 0.0

    def added_by(self, cost: Cost) -> float:
        """What graphs of this cost add to a call."""
        return (
            self.per_atom * cost.atoms + self.per_edge * cost.edges + self.per_angle * cost.angles
        )

    def of_call(self, cost: Cost) -> float:
        """What a whole call takes, from the cost of all its graphs together."""
        fixed = self.per_call + (self.per_call_with_angles if cost.angles else 0.0)
        return fixed + self.added_by(cost)


class Footprint(Linear):
    """Bytes of memory that a call takes, in the potential's own number format.

    Whose bytes is said where one is kept: those that autograd saves for the backward pass
    (`Potential.footprint`), or all that are in use at the peak of the call.
    """

    def scaled(self, factor: float) -> Footprint:
        """All terms multiplied by a factor."""
        return Footprint(**{name: factor * value for name, value in vars(self).items()})


def by_atomic_number(symbols: Sequence[str], values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Spread one value per element into an array of shape (119,), nan for the others."""
    spread = np.full(N_ELEMENTS, np.nan)
    spread[[atomic_numbers[symbol] for symbol in symbols]] = values
    return spread
