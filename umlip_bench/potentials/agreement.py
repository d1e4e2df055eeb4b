"""How closely two evaluations of the same structure must agree, in one place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import voigt_6_to_full_3x3_stress

from umlip_bench.potentials.graph import Prediction


@dataclass(frozen=True)
class Deviation:
    """Largest differences between two predictions, or what is tolerated.

    Parameters
    ----------
    energy
        eV/atom.
    forces
        Largest component, eV/Å.
    stress
        Largest component, eV/Å³; 0 if neither side has a stress.
    """

    energy: float
    forces: float
    stress: float

    def within(self, tolerance: Deviation) -> bool:
        """Whether no difference exceeds the tolerance; not-a-number never is."""
        return (
            self.energy <= tolerance.energy
            and self.forces <= tolerance.forces
            and self.stress <= tolerance.stress
        )


TOLERANCES = {
    torch.float32: Deviation(energy=5e-6, forces=5e-4, stress=5e-5),
    torch.float64: Deviation(energy=1e-9, forces=1e-8, stress=1e-9),
}
"""For the same weights evaluated in another order, batch or implementation."""


def deviation(a: Prediction, b: Prediction) -> Deviation:
    """Largest differences between two predictions of one structure."""
    stress = 0.0
    if a.stress is not None and b.stress is not None:
        stress = float(np.abs(a.stress - b.stress).max())
    return Deviation(
        energy=abs(a.energy - b.energy) / len(a.forces),
        forces=float(np.abs(a.forces - b.forces).max()),
        stress=stress,
    )


def call_calculator(calculator: Calculator, atoms: Atoms) -> Prediction:
    """Energy, forces and stress of a structure from an ASE calculator, as a `Prediction`."""
    atoms = atoms.copy()
    calculator.reset()  # it would answer from memory if it had just seen this structure
    atoms.calc = calculator
    energy, forces = atoms.get_potential_energy(), atoms.get_forces()
    # Not get_stress: matgl's calculator stores a matrix where ASE expects Voigt order.
    stress = calculator.results.get("stress")
    if stress is not None:
        stress = np.array(stress, dtype=float)
        if stress.shape == (6,):
            stress = voigt_6_to_full_3x3_stress(stress)
    return Prediction(float(energy), np.array(forces, dtype=float), stress, None)
