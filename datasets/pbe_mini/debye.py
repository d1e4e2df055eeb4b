"""High-energy states that no potential has sampled: displacements drawn from a Debye model, and strains.

Each Cartesian component of each atom's displacement is drawn from a normal distribution whose variance is
that of the Debye model at 1000 K,

    <u²> = 3 ħ² / (m k θ) [ (T/θ)² ∫_0^{θ/T} x / (eˣ - 1) dx + 1/4 ],

with the mean mass m of the crystal's atoms and its published Debye temperature θ. Displacements of different
atoms are not correlated, so that bonds are stretched more than in a crystal at that temperature, where
neighbours move together. Their mean is taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from zlib import crc32

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal as from_space_group
from ase.units import _hbar, _k, kg  # SI values, and a kilogram in atomic masses
from scipy.integrate import quad
from structures import (  # type: ignore[import-not-found]
    CRYSTALS,
    MAGNESIUM,
    Point,
    bare,
    crystal,
    fine_mesh,
    point,
)

TEMPERATURE = 1000.0
"""K."""
STRAIN = 0.03
"""Largest component of the strain."""
FRAMES = 2
"""Of each material: the first is not strained, of the second all six components are, at random."""

DEBYE_TEMPERATURES = {
    "Al": 428.0,
    "AlN": 950.0,
    "CaF2": 510.0,
    "GaAs": 344.0,
    "Li2O": 970.0,
    "LiF": 730.0,
    "Mg": 400.0,
    "MgO": 946.0,
    "MgS": 560.0,
    "NaCl": 321.0,
    "Si": 645.0,
    "SiC": 1110.0,
    "SrTiO3": 513.0,
    "TiO2": 760.0,
    "ZnS": 349.0,
}
"""In K. The amplitude goes as 1/θ.

Al, Mg, Si: Kittel, Introduction to Solid State Physics. LiF, NaCl: Lewis, Lehoczky and Briscoe, Phys. Rev.
161, 877 (1967). SiC, ZnS: Pässler, phys. stat. sol. (b) 247, 77 (2010). GaAs: Blakemore, J. Appl. Phys. 53,
R123 (1982). MgO: Barron, Berg and Morrison, Proc. R. Soc. A 250, 70 (1959). CaF2: Huffman and Norwood, Phys.
Rev. 117, 709 (1960). AlN: Slack, J. Phys. Chem. Solids 34, 321 (1973). SrTiO3: Ahrens et al., Physica B 393,
239 (2007). TiO2: Sandin and Keesom, Phys. Rev. 177, 1370 (1969). Li2O: from the elastic constants of Hull et
al., J. Nucl. Mater. 160, 125 (1988). MgS: none is known to us; scaled from MgO as the root of B a / m, and
lowered by the tenth by which this is too high for NaCl and CaO. Some are rounded.
"""

R2SCAN = ("LiF", "SiC", "MgO", "NaCl", "AlN")
"""Materials whose states are computed with r2SCAN too."""

BODY_CENTRED = np.array([[0, 0, 1], [-1, 1, 0], [1, 1, -1]])
"""Tetragonal supercell of an fcc primitive cell, of twice its volume."""


def debye() -> Iterator[Point]:
    """Two states each of 15 materials, in cells of four to six atoms.

    The seed is the CRC-32 checksum of the name, such as debye-MgO-0.
    """
    for system, temperature in DEBYE_TEMPERATURES.items():
        ideal = unit_cell(system)
        amplitude = debye_amplitude(float(ideal.get_masses().mean()), temperature)
        mesh = fine_mesh(ideal, system)
        for frame in range(FRAMES):
            name = f"debye-{system}-{frame}"
            seed = crc32(name.encode())
            strain, atoms = disturbed(ideal, amplitude, seed, strained=frame > 0)
            info = {"strain": strain, "debye_temperature": temperature, "amplitude": amplitude}
            yield point(name, atoms, mesh, system=system, frame=frame, **info)


def r2scan() -> Iterator[Point]:
    """Ten of these states with r2SCAN, self-consistent."""
    for each in debye():
        if each.atoms.info["system"] in R2SCAN:
            atoms = each.atoms.copy()
            name = f"r2scan-{each.name.removeprefix('debye-')}"
            atoms.info["point"] = name
            settings = replace(each.settings, functional="r2SCAN")
            yield replace(each, name=name, atoms=atoms, settings=settings)


def debye_amplitude(mass: float, temperature: float) -> float:
    """Root of the mean square of a component of an atom's displacement at `TEMPERATURE`, in Å.

    Parameters
    ----------
    mass
        Atomic mass units.
    temperature
        Debye temperature, K.
    """
    ratio = TEMPERATURE / temperature
    integral = quad(lambda x: x / np.expm1(x), 0.0, 1.0 / ratio)[0]
    square = 3 * _hbar**2 / (mass / kg * _k * temperature) * (ratio**2 * integral + 0.25)
    return round(1e10 * float(np.sqrt(square)), 4)


def disturbed(
    ideal: Atoms, amplitude: float, seed: int, strained: bool
) -> tuple[np.ndarray, Atoms]:
    """Strain, shape (6,) in Voigt order (shears as components of the tensor), and a state of a crystal."""
    random = np.random.default_rng(seed)
    displacements = random.normal(0.0, amplitude, (len(ideal), 3))
    strain = np.round(random.uniform(-STRAIN, STRAIN, 6), 4) if strained else np.zeros(6)
    xx, yy, zz, yz, xz, xy = strain
    atoms = ideal.copy()
    deformation = np.eye(3) + np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    atoms.set_cell(atoms.cell @ deformation, scale_atoms=True)
    # Rounded as far as a file holds them.
    moved = atoms.positions + displacements - displacements.mean(axis=0)
    atoms.positions = np.round(moved, 8)
    return strain, atoms


def unit_cell(system: str) -> Atoms:
    """Ideal crystal near its PBE equilibrium in a compact cell of four to six atoms."""
    if system == "Al":
        return crystal("Al", cubic=True)
    if system in CRYSTALS:
        return bare(make_supercell(crystal(system), BODY_CENTRED))
    if system == "Mg":
        a, c = MAGNESIUM
        return bare(bulk("Mg", "hcp", a=a, c=c, orthorhombic=True))
    return bare(OTHERS[system]())


OTHERS = {
    "AlN": lambda: bulk("AlN", "wurtzite", a=3.129, c=5.016, u=0.382),
    "CaF2": lambda: make_supercell(bulk("CaF2", "fluorite", a=5.51), BODY_CENTRED),
    "Li2O": lambda: make_supercell(bulk("OLi2", "fluorite", a=4.65), BODY_CENTRED),
    "SrTiO3": lambda: from_space_group(
        ["Sr", "Ti", "O"],
        [(0, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.5, 0)],
        spacegroup=221,
        cellpar=[3.942, 3.942, 3.942, 90, 90, 90],
    ),
    "TiO2": lambda: from_space_group(
        ["Ti", "O"],
        [(0, 0, 0), (0.305, 0.305, 0)],
        spacegroup=136,
        cellpar=[4.650, 4.650, 2.969, 90, 90, 90],
    ),
    "ZnS": lambda: make_supercell(bulk("ZnS", "zincblende", a=5.45), BODY_CENTRED),
}
"""Crystals that are not in `structures.CRYSTALS`, with lattice constants like those of the older states."""
