"""Any potential with its energy surface steepened by one factor.

    E' = E_ref + c (E - E_ref),  F' = c F,  σ' = c σ

E_ref is the sum of the model's own element references, a constant for a composition: what scales are
energy differences, and with them formation energies, barriers, elastic constants and squared phonon
frequencies. Stationary points at zero pressure, minimum energy paths and eigenvectors stay where they
were. Magnetic moments are left alone.

B. Deng et al., npj Comput. Mater. 11, 9 (2025), scale forces with the inverse of their slope; here the
whole surface is scaled, so that forces remain its gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.corrections.wrapped import (
    WrappedBatch,
    WrappedDifferentiable,
    WrappedPotential,
)
from umlip_bench.potentials.graph import Batch, Energies, Graph, Prediction, by_atomic_number
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential
from umlip_bench.potentials.weights import Weights


def scale_prediction(prediction: Prediction, factor: float, reference: float) -> Prediction:
    """The scaled model's prediction from its parent's; `reference` is E_ref of the cell in eV."""
    return Prediction(
        energy=reference + factor * (prediction.energy - reference),
        forces=factor * prediction.forces,
        stress=None if prediction.stress is None else factor * prediction.stress,
        magmoms=prediction.magmoms,
    )


class ScaledPotential(WrappedPotential):
    """A potential scaled by one factor; the parent may be anything, foreign calculators included.

    Parameters
    ----------
    weights
        The card of the scaled model, and where it was read from.
    parent
        The potential to scale.
    correction
        Factor and, where given, element references in place of the parent's.
    """

    def __init__(self, weights: Weights, parent: Potential, correction: ScalarCorrection) -> None:
        known = parent.card.elements
        if correction.references is not None:
            known = tuple(s for s in correction.references if not known or s in known)
        super().__init__(weights, parent, known, _references(parent, correction))
        self.factor = correction.factor

    def prepare(self, atoms: Atoms) -> Graph:
        """As the parent does, if every element has a reference energy.

        Raises
        ------
        StructureError
            As the parent's, and for elements without a reference energy.
        """
        graph = super().prepare(atoms)
        unknown = np.unique(graph.numbers[np.isnan(self.constants[graph.numbers])])
        if len(unknown):
            names = ", ".join(chemical_symbols[z] for z in unknown)
            raise StructureError(
                f"{describe(atoms)}: {self.card.name} was fitted without a reference energy of {names}; "
                f"fit again with --reference {chemical_symbols[unknown[0]]}=EV, or without --reference"
            )
        return graph

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """The parent's predictions, scaled; no further pass through the model."""
        predictions = self.parent.evaluate(graphs, stress=stress)
        return [
            scale_prediction(prediction, self.factor, self.constant(graph))
            for prediction, graph in zip(predictions, graphs, strict=True)
        ]

    def element_references(self) -> np.ndarray:
        """Those that E_ref is the sum of; scaling leaves them as they are."""
        return self.constants.copy()


class ScaledDifferentiable(ScaledPotential, WrappedDifferentiable):
    """A scaled potential that torch can differentiate, as its parent is."""

    def energies(self, batch: Batch) -> Energies:
        """Scaled energies in eV; magnetic moments and descriptors are the parent's."""
        assert isinstance(batch, WrappedBatch)
        result = self.parent.energies(batch.parent)
        energy = batch.constants + self.factor * (result.energy - batch.constants)
        return replace(result, energy=energy)


def scaled(weights: Weights, parent: Potential, correction: ScalarCorrection) -> ScaledPotential:
    """Scale a potential; what the parent can do, the result can.

    Parameters
    ----------
    weights, parent, correction
        As of `ScaledPotential`.

    Raises
    ------
    UmlipBenchError
        If the factor is not positive and finite.
    """
    if not (np.isfinite(correction.factor) and correction.factor > 0):
        raise UmlipBenchError(
            f"a factor of {correction.factor} would turn the energy surface over or flatten it; "
            "it must be positive and finite"
        )
    if isinstance(parent, DifferentiablePotential):
        return ScaledDifferentiable(weights, parent, correction)
    return ScaledPotential(weights, parent, correction)


def _references(parent: Potential, correction: ScalarCorrection) -> np.ndarray:
    if correction.references is None:
        return parent.element_references()
    return by_atomic_number(tuple(correction.references), tuple(correction.references.values()))
