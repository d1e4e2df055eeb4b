"""Single points of pbe-mini: what they are made of, high-energy states and equations of state.

The high-energy states are stored in structures.xyz. All others are ideal crystals, cut, substituted or
displaced by hand or by a law (modules beside this one, by kind): nothing is relaxed. Each single point says
in ``info`` what it is, so that the cases can be put together again from the files of labels alone.

GPAW finds symmetry operations about the origin only. So vacancies, slab centres and displaced atoms sit
there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import kptdensity2monkhorstpack

STRUCTURES = Path(__file__).parent / "structures.xyz"

Mesh = tuple[int, int, int]

METALS = ("Al", "Mg", "Mo")

CRYSTALS: dict[str, tuple[str, float]] = {
    "Al": ("fcc", 4.04),
    "BN": ("zincblende", 3.626),
    "C": ("diamond", 3.572),
    "CaO": ("rocksalt", 4.831),
    "CaS": ("rocksalt", 5.72),
    "GaAs": ("zincblende", 5.76),
    "KCl": ("rocksalt", 6.39),
    "KF": ("rocksalt", 5.42),
    "LiCl": ("rocksalt", 5.15),
    "LiF": ("rocksalt", 4.07),
    "MgO": ("rocksalt", 4.254),
    "MgS": ("rocksalt", 5.24),
    "NaCl": ("rocksalt", 5.70),
    "NaF": ("rocksalt", 4.70),
    "Si": ("diamond", 5.47),
    "SiC": ("zincblende", 4.38),
    "SrO": ("rocksalt", 5.20),
    "SrS": ("rocksalt", 6.06),
}
"""Structure and lattice constant in Å, near the PBE equilibrium.

Al, Si, MgO and CaO from all-electron PBE equations of state (`ase.collections.dcdft`; Bosoni et al., Nat.
Rev. Phys. 6, 45, 2024). Of the others, any value near the equilibrium does.
"""

MAGNESIUM = (3.194, 5.172)
"""Lattice constants a and c of hcp Mg in Å, all-electron PBE (`ase.collections.dcdft`)."""

FINER = {"Al": 1.75, "Mg": 1.25, "Si": 1.5}
"""Factors on the density of k-points: these are far from converged without them."""

EOS_SYSTEMS = ("Si", "MgO", "NaCl", "LiF", "SiC", "GaAs", "MgS", "Al")
EOS_SCALES = (0.94, 0.96, 0.98, 1.00, 1.02, 1.04, 1.06)

TWICE_PRIMITIVE = np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]])
"""Supercell of the cubic cell that is 2 x 2 x 2 of the primitive cell of an fcc lattice."""


@dataclass(frozen=True)
class DftSettings:
    """What GPAW is told.

    Parameters
    ----------
    cutoff
        Plane-wave cutoff, eV.
    kpoint_density
        k-points per Å⁻¹, in Å.
    smearing
        Width of the Fermi-Dirac distribution, eV.
    density
        Convergence of the density, electrons per valence electron; the default is GPAW's.
    functional
        Of exchange and correlation; the PAW data sets are those of PBE whatever it is.
    """

    cutoff: float
    kpoint_density: float
    smearing: float
    density: float = 1e-4
    functional: str = "PBE"


def settings_of(system: str) -> DftSettings:
    """Settings of the published frames."""
    if system in METALS:
        return DftSettings(cutoff=500.0, kpoint_density=2.5, smearing=0.1)
    return DftSettings(cutoff=800.0, kpoint_density=2.0, smearing=0.05)


@dataclass(frozen=True, eq=False)
class Point:
    """One single point.

    Parameters
    ----------
    name
        Of the file that its result is kept in. Points of two groups that have one name are computed once.
    atoms
        The geometry; ``info`` says what it is part of.
    settings
        Of the calculation.
    mesh
        Numbers of k-points, the mesh includes Γ.
    point_group
        Whether GPAW may use the rotations of the crystal.
    """

    name: str
    atoms: Atoms
    settings: DftSettings
    mesh: Mesh
    point_group: bool = True


def point(name: str, atoms: Atoms, mesh: Mesh | None = None, **info: object) -> Point:
    """Single point with the settings of its system.

    Parameters
    ----------
    name
        See `Point`.
    atoms
        The geometry.
    mesh
        Numbers of k-points where the rule for the density is not to be applied to this very cell.
    **info
        What it is part of; ``system`` decides the settings.
    """
    settings = settings_of(str(info["system"]))
    atoms = atoms.copy()
    atoms.pbc = True
    atoms.info = {"point": name, **info}
    return Point(name, atoms, settings, mesh or mesh_of(atoms, settings))


def fine_mesh(atoms: Atoms, system: str, factor: float | None = None) -> Mesh:
    """Return the numbers of k-points at a multiple of the usual density, by default that of `FINER`."""
    usual = settings_of(system)
    factor = FINER.get(system, 1.0) if factor is None else factor
    return mesh_of(atoms, replace(usual, kpoint_density=factor * usual.kpoint_density))


def mesh_of(atoms: Atoms, settings: DftSettings) -> Mesh:
    """Return the numbers of k-points that the density asks for."""
    atoms = atoms.copy()
    atoms.pbc = True
    first, second, third = kptdensity2monkhorstpack(atoms, settings.kpoint_density, even=False)
    return int(first), int(second), int(third)


def crystal(system: str, scale: float = 1.0, cubic: bool = False) -> Atoms:
    """Primitive or cubic cell with its volume scaled."""
    structure, constant = CRYSTALS[system]
    return bulk(system, structure, a=constant * scale ** (1 / 3), cubic=cubic)


def frames() -> Iterator[Point]:
    """High-energy states."""
    for atoms in ase.io.read(STRUCTURES, ":"):
        yield point(frame_name(atoms), atoms, **atoms.info)


def frame_name(atoms: Atoms) -> str:
    """Name of a high-energy state's single point."""
    return f"{atoms.info['system']}-{atoms.info['frame']}"


def eos() -> Iterator[Point]:
    """Seven volumes of eight crystals.

    The mesh is that of the smallest volume throughout, since a curve must not jump where the rule does. It is
    denser than elsewhere: curvatures of Si, GaAs and Al need it, and these cells are small.
    """
    for system in EOS_SYSTEMS:
        factor = 3.0 if system in METALS else 2.0
        mesh = fine_mesh(crystal(system, min(EOS_SCALES)), system, factor)
        for scale in EOS_SCALES:
            name = f"eos-{system}-{scale:.2f}"
            yield point(name, crystal(system, scale), mesh, system=system, scale=scale)


def bare(atoms: Atoms) -> Atoms:
    """Copy without what `ase.build` attaches."""
    return Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
