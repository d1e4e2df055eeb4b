"""Which of matgl's two ways to sum messages a model was trained with, from what it says of crystals.

The files do not tell (`matgl_mending`), and the wrong way is off by eV/atom. Lattice constants and bulk
moduli tell: they do not depend on the zero of energy, functionals differ by a few per cent in them, and a
model that is run the wrong way misses most of them altogether.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import units
from ase.build import bulk

from umlip_bench.ground.errors import StructureError
from umlip_bench.potentials.protocol import Potential

CRYSTALS = (
    ("LiF", "rocksalt", 4.07, 67.0),
    ("LiCl", "rocksalt", 5.15, 32.0),
    ("NaF", "rocksalt", 4.71, 45.0),
    ("NaCl", "rocksalt", 5.70, 24.0),
    ("MgO", "rocksalt", 4.26, 149.0),
    ("MgS", "rocksalt", 5.24, 74.0),
    ("CaO", "rocksalt", 4.84, 105.0),
    ("TiC", "rocksalt", 4.35, 248.0),
    ("TiN", "rocksalt", 4.26, 277.0),
    ("SiC", "zincblende", 4.38, 212.0),
    ("BN", "zincblende", 3.63, 373.0),
    ("AlP", "zincblende", 5.51, 83.0),
    ("GaAs", "zincblende", 5.76, 61.0),
    ("GaN", "zincblende", 4.55, 172.0),
    ("InP", "zincblende", 5.97, 60.0),
)
"""Compound, lattice constant (Å) and bulk modulus (GPa) in PBE, rounded.

After P. Haas, F. Tran and P. Blaha, Phys. Rev. B 79, 085104 (2009).
"""

STRETCHES = (0.94, 0.97, 1.0, 1.03, 1.06)
LATTICE = 0.03
"""Relative difference of the lattice constant that a functional, or a soft model, may make."""
MODULUS = 1.6
"""Factor on the bulk modulus that may be between them."""
MIN_CRYSTALS = 3
MOST, FEW = 0.8, 0.5
"""Share of the crystals that the right way has to get right, and that the wrong way may."""


@dataclass(frozen=True)
class Score:
    """How many of the crystals that a model knows it gets right."""

    right: int
    known: int

    @property
    def passes(self) -> bool:
        """Whether a model that was trained this way would do so."""
        return self.known >= MIN_CRYSTALS and self.right >= MOST * self.known

    @property
    def fails(self) -> bool:
        """Whether no model that was trained this way would do so."""
        return self.known >= MIN_CRYSTALS and self.right <= FEW * self.known

    def __str__(self) -> str:
        return f"{self.right} of {self.known}"


def score(potential: Potential) -> Score:
    """Count the crystals whose lattice constant and bulk modulus are near to those of PBE.

    Of the energies over `STRETCHES` a polynomial of fourth degree in the stretch x is taken; at its
    minimum B = E'' / (9 V x), from V proportional to x³.
    """
    right = known = 0
    for compound, structure, a, modulus in CRYSTALS:
        cells = [bulk(compound, structure, a=a * x) for x in STRETCHES]
        try:
            graphs = [potential.prepare(cell) for cell in cells]
        except StructureError:  # an element that the model does not know
            continue
        known += 1
        energies = [each.energy for each in potential.evaluate(graphs, stress=False)]
        right += _is_near(np.array(energies), cells[2].get_volume(), modulus)
    return Score(right, known)


def _is_near(energies: np.ndarray, volume: float, modulus: float) -> bool:
    if not np.isfinite(energies).all():
        return False
    curve = np.poly1d(np.polyfit(np.array(STRETCHES) - 1, energies, 4))
    grid = np.linspace(STRETCHES[0], STRETCHES[-1], 241) - 1
    minimum = grid[curve(grid).argmin()]
    found = curve.deriv(2)(minimum) / (9 * volume * (1 + minimum)) / units.GPa
    return abs(minimum) <= LATTICE and modulus / MODULUS <= found <= modulus * MODULUS
