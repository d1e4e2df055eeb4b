"""A potential as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from umlip_bench.potentials.protocol import Potential, Prediction


class PotentialCalculator(Calculator):
    """ASE calculator of any `Potential`: optimisers, MD, NEB and phonopy run on it.

    Parameters
    ----------
    potential
        Evaluated for one structure at a time; for many at once use `Potential.predict`.
    """

    implemented_properties: ClassVar[list[str]] = [
        "energy",
        "free_energy",
        "forces",
        "stress",
        "magmoms",
    ]

    def __init__(self, potential: Potential) -> None:
        super().__init__()
        self.potential = potential

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Evaluate the structure; all properties come from one call."""
        super().calculate(atoms, properties, system_changes)
        graph = self.potential.prepare(self.atoms)
        (prediction,) = self.potential.evaluate([graph], stress=True)
        self.results = self.results_of(prediction)
        for wanted in properties:
            if wanted not in self.results:
                raise PropertyNotImplementedError(f"{self.potential.card.name} has no {wanted}")

    def results_of(self, prediction: Prediction) -> dict[str, Any]:
        """A prediction in ASE's terms."""
        results: dict[str, Any] = {
            "energy": prediction.energy,
            "free_energy": prediction.energy,
            "forces": prediction.forces,
        }
        if prediction.stress is not None:
            results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress)
        if prediction.magmoms is not None:
            results["magmoms"] = prediction.magmoms
        return results
