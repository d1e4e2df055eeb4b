"""What corrected potentials have in common: a parent, and a constant energy for each element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from torch import Tensor

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.compile_mode import Compile
from umlip_bench.potentials.graph import Batch, Footprint, Graph
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential
from umlip_bench.potentials.weights import Weights


class WrappedPotential(Potential):
    """A potential that evaluates its parent and changes what comes out.

    Parameters
    ----------
    weights
        The card of the corrected model, and where it was read from.
    parent
        What is evaluated; anything, foreign calculators included.
    elements
        Those that the result knows; empty for no limit.
    constants
        By atomic number, shape (119,), eV; their sum over the atoms enters the energy.
    """

    def __init__(
        self, weights: Weights, parent: Potential, elements: Sequence[str], constants: np.ndarray
    ) -> None:
        self.weights = weights
        self.parent = parent
        self.constants = constants
        self.card = replace(
            weights.card, elements=tuple(elements), n_parameters=parent.card.n_parameters
        )
        self.device, self.dtype = parent.device, parent.dtype
        self.peak_over_saved = parent.peak_over_saved
        self.edges_per_cpu_batch = parent.edges_per_cpu_batch

    @property
    def footprint(self) -> Footprint:  # type: ignore[override]
        """The parent's: a number or two per structure come on top."""
        return self.parent.footprint

    def prepare(self, atoms: Atoms) -> Graph:
        """As the parent does."""
        return self.parent.prepare(atoms)

    def use_compiled(self, mode: Compile) -> None:
        """As the parent does."""
        self.parent.use_compiled(mode)

    def reference_calculator(self) -> Calculator:
        """There is none: no library makes this correction.

        Raises
        ------
        UmlipBenchError
            Always.
        """
        raise UmlipBenchError(
            f"{self.card.name}: no library has a calculator of it to compare with; it is as fast as "
            f"{self.parent.card.name}, which it corrects"
        )

    def constant(self, graph: Graph) -> float:
        """Sum of the constants over the atoms, eV."""
        return float(self.constants[graph.numbers].sum())


@dataclass
class WrappedBatch(Batch):
    """The parent's batch, its tensors shared, and the constant of every structure, (B,), eV."""

    parent: Batch
    constants: Tensor


class WrappedDifferentiable(WrappedPotential, DifferentiablePotential):
    """A wrapped potential that torch can differentiate, as its parent is."""

    parent: DifferentiablePotential

    @property
    def compiles(self) -> bool:
        """As the parent does."""
        return self.parent.compiles

    def use_compiled(self, mode: Compile) -> None:
        """With what is made of the parent's energies."""
        DifferentiablePotential.use_compiled(self, mode)

    def collate(self, graphs: Sequence[Graph]) -> WrappedBatch:
        """The parent's tensors and the constants."""
        batch = self.parent.collate(graphs)
        constants = torch.tensor(
            [self.constant(graph) for graph in graphs], dtype=torch.float64, device=self.device
        )
        common = {field.name: getattr(batch, field.name) for field in fields(Batch)}
        return WrappedBatch(**common, parent=batch, constants=constants)
