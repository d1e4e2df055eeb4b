"""A potential as an ASE calculator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, PropertyNotImplementedError, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from umlip_bench.potentials.compile_mode import Compile
from umlip_bench.potentials.corrections.committee import Committee, CommitteePrediction
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.loading import potential as load_potential
from umlip_bench.potentials.protocol import Potential


class PotentialCalculator(Calculator):
    """ASE calculator of any `Potential`: optimisers, MD, NEB and phonopy run on it.

    Parameters
    ----------
    potential
        Evaluated for one structure at a time; for many at once use `umlip_bench.predict`.
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
        self.results = self.results_of(self.predicted(properties))
        for wanted in properties:
            if wanted not in self.results:
                raise PropertyNotImplementedError(f"{self.potential.card.name} has no {wanted}")

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What differs from the structure that results are of; compared bit by bit, whatever `tol`.

        ASE's own comparison, up to eight of them in a step of an optimiser, takes longer than all else of a
        step, and numpy's of arrays so short five times as long as that of their bytes.
        """
        before = self.atoms
        if before is None or len(before) != len(atoms):
            return list(all_changes)
        changed = {
            "positions": before.positions.tobytes() != atoms.positions.tobytes(),
            "numbers": before.numbers.tobytes() != atoms.numbers.tobytes(),
            "cell": before.cell.array.tobytes() != atoms.cell.array.tobytes(),
            "pbc": before.pbc.tobytes() != atoms.pbc.tobytes(),
            "initial_charges": _differ(before, atoms, "initial_charges"),
            "initial_magmoms": _differ(before, atoms, "initial_magmoms"),
        }
        return [name for name, differs in changed.items() if differs]

    def predicted(self, properties: Sequence[str]) -> Prediction:
        """What the model says of the structure that is to be calculated."""
        graph = self.potential.prepare(self.atoms)
        (prediction,) = self.potential.evaluate([graph], stress=True)
        return prediction

    def results_of(self, prediction: Prediction) -> dict[str, object]:
        """A prediction in ASE's terms."""
        results: dict[str, object] = {
            "energy": prediction.energy,
            "free_energy": prediction.energy,
            "forces": prediction.forces,
        }
        if prediction.stress is not None:
            results["stress"] = full_3x3_to_voigt_6_stress(prediction.stress)
        if prediction.magmoms is not None:
            results["magmoms"] = prediction.magmoms
        return results


def _differ(a: Atoms, b: Atoms, name: str) -> bool:
    """Whether an array that a structure need not have, in which zeros are the same as none, differs."""
    if name not in a.arrays and name not in b.arrays:
        return False
    zeros = np.zeros(len(a))
    return not np.array_equal(a.arrays.get(name, zeros), b.arrays.get(name, zeros))


class CommitteeCalculator(PotentialCalculator):
    """ASE calculator of a committee: mean energy, forces and stress, and their standard deviations.

    After a calculation, ``results`` also has ``energy_std`` (eV), ``forces_std`` ((N, 3), eV/Å) and,
    with a stress, ``stress_std`` ((6,), eV/Å³, Voigt order): sample standard deviations with n - 1.

    Parameters
    ----------
    committee
        What it evaluates.
    """

    implemented_properties: ClassVar[list[str]] = [
        *PotentialCalculator.implemented_properties,
        "energy_std",
        "forces_std",
        "stress_std",
    ]

    def __init__(self, committee: Committee) -> None:
        super().__init__(committee)

    def results_of(self, prediction: Prediction) -> dict[str, object]:
        """A prediction in ASE's terms, with its standard deviations."""
        results = super().results_of(prediction)
        if isinstance(prediction, CommitteePrediction):
            results |= {"energy_std": prediction.energy_std, "forces_std": prediction.forces_std}
            if prediction.stress_std is not None:
                results["stress_std"] = full_3x3_to_voigt_6_stress(prediction.stress_std)
        return results


def load(
    name: str, *, device: str = "auto", dtype: str = "float32", compile: Compile | None = None
) -> PotentialCalculator:
    """An ASE calculator for a model.

    Parameters
    ----------
    name, device, dtype, compile
        As of `umlip_bench.potential`.

    Returns
    -------
    PotentialCalculator
        With energy, free energy, forces, stress, and magnetic moments where the model has them.

    Raises
    ------
    UnknownModelError, WeightsError, DeviceError
        The message names the remedy.

    Examples
    --------
    >>> from ase.build import bulk
    >>> atoms = bulk("NaCl", "rocksalt", a=5.64)
    >>> atoms.calc = load("chgnet-0.3.0")
    >>> atoms.get_forces().shape  # eV/Å
    (2, 3)
    """
    potential = load_potential(name, device=device, dtype=dtype, compile=compile)
    return PotentialCalculator(potential)
