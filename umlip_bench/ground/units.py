"""Units beyond ASE's eV and Å."""

from __future__ import annotations

from ase.units import J, m
from scipy import constants

GPA = constants.giga * constants.angstrom**3 / constants.electron_volt
"""1 GPa in eV/Å³."""
J_PER_M2 = J / m**2
"""1 J/m² in eV/Å²."""
MILLI = 1e-3
"""1 meV in eV."""
MICRO = 1e-6
"""1 μeV in eV."""
