"""Any ASE calculator as a potential, one structure at a time: by name, from YAML or in Python."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.adapters.calculator_weights import CalculatorWeights
from umlip_bench.potentials.adapters.neighbors import bare_graph
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights


@dataclass(frozen=True)
class ForeignGraph(Graph):
    """A structure that a foreign calculator builds its own graph of."""

    atoms: Atoms


class ForeignPotential(Potential):
    """An ASE calculator behind the same interface; its energies have no element references here.

    Parameters
    ----------
    weights
        Carries the card; there are no files.
    calculator
        The calculator; it must give energy and forces, and stress where it can.
    """

    footprint = Footprint(per_atom=1.0, per_edge=0.0, per_angle=0.0)
    edges_per_cpu_batch = 1  # the calculator takes one structure at a time anyway

    def __init__(self, weights: Weights, calculator: Calculator) -> None:
        self.weights = weights
        self.card = weights.card
        self.calculator = calculator
        self.device, self.dtype = torch.device("cpu"), torch.float64

    @classmethod
    def load(
        cls, weights: Weights, *, device: torch.device, dtype: torch.dtype
    ) -> ForeignPotential:
        """Make the calculator, or take the one that is there.

        Device and number format are the calculator's own business.

        Raises
        ------
        UnknownModelError
            If it cannot be made, or what is made is no ASE calculator.
        """
        assert isinstance(weights, CalculatorWeights)
        return cls(weights, weights.calculator())

    def reference_calculator(self) -> Calculator:
        """The calculator itself."""
        return self.calculator

    def prepare(self, atoms: Atoms) -> ForeignGraph:
        """Check the structure; the calculator does the rest."""
        graph = bare_graph(atoms, self.card.elements)
        near = atoms.copy()
        near.positions = graph.positions
        return ForeignGraph(**vars(graph), atoms=near)

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Call the calculator for one structure after the other."""
        return [self._one(g.atoms, stress) for g in graphs if isinstance(g, ForeignGraph)]

    def _one(self, atoms: Atoms, stress: bool) -> Prediction:
        atoms = atoms.copy()
        atoms.calc = self.calculator
        try:
            energy = atoms.get_potential_energy()
            # The calculator's forces, not what constraints of the structure leave of them.
            forces = atoms.get_forces(apply_constraint=False)
        except (
            Exception
        ) as error:  # someone else's code: whatever it raises is this structure's failure
            raise StructureError(
                f"{describe(atoms)}: {self.card.name} failed with {type(error).__name__}: {error}"
            ) from error
        return Prediction(
            energy=float(energy),
            forces=np.array(forces, dtype=float),
            stress=self._stress(atoms) if stress else None,
            magmoms=None,
        )

    def _stress(self, atoms: Atoms) -> np.ndarray | None:
        """The stress, or ``None`` from calculators that have none."""
        try:
            return np.array(atoms.get_stress(voigt=False, apply_constraint=False), dtype=float)
        except (PropertyNotImplementedError, NotImplementedError):
            return None
