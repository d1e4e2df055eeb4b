"""Settings of single points, with which magnetic materials are not computed by oversight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from ase import Atoms
from ase.calculators.calculator import kpts2sizeandoffsets

from umlip_bench.ground.errors import LabelError

_MAGNETIC = "V Cr Mn Fe Co Ni Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb U Np Pu Am Cm Bk Cf"
MAGNETIC = frozenset(_MAGNETIC.split())
"""Elements that are often magnetic in solids."""
_NON_METALS = "H He B C N O F Ne Si P S Cl Ar Ge As Se Br Kr Sb Te I Xe At Rn"
NON_METALS = frozenset(_NON_METALS.split())
HIGH_SPIN, LOW_SPIN = 5.0, 0.6
"""μB, to start from: of magnetic elements and of all others, much as the Materials Project starts."""


class Spin(StrEnum):
    """Whether a calculation is spin-polarised."""

    NONE = "none"
    FERROMAGNETIC = "ferromagnetic"


def check_spin(structures: Iterable[Atoms], spin: Spin | None) -> None:
    """Refuse magnetic elements where nobody said what to do about spin.

    Raises
    ------
    LabelError
    """
    if spin is not None:
        return
    found = sorted({symbol for atoms in structures for symbol in atoms.symbols} & MAGNETIC)
    if found:
        raise LabelError(
            f"{', '.join(found)} is often magnetic, and without spin forces and energies would be wrong; "
            f"decide with --spin {Spin.FERROMAGNETIC} (spin-polarised, all moments up to start with; other "
            f"orders are yours to compute) or --spin {Spin.NONE}"
        )


def starting_moments(atoms: Atoms, spin: Spin | None) -> np.ndarray | None:
    """Magnetic moments to start from, shape (N,), μB, or ``None`` for no spin.

    Those that the structure has are taken, else `HIGH_SPIN` and `LOW_SPIN`.
    """
    if spin is not Spin.FERROMAGNETIC:
        return None
    given = atoms.get_initial_magnetic_moments()
    if given.any():
        return np.asarray(given)
    return np.array([HIGH_SPIN if s in MAGNETIC else LOW_SPIN for s in atoms.symbols])


def is_metal(atoms: Atoms) -> bool:
    """Whether all elements are metals: a guess that a band structure may refute."""
    return not set(atoms.symbols) & NON_METALS


def mesh(atoms: Atoms, density: float) -> tuple[int, int, int]:
    """Γ-centred mesh of at least so many k-points per Å⁻¹ in each direction, as GPAW takes it."""
    size, _ = kpts2sizeandoffsets(density=density, gamma=True, atoms=atoms)
    a, b, c = (int(n) for n in size)
    return a, b, c


def check_positive(named: Sequence[tuple[str, float, str]]) -> None:
    """Refuse settings that are not positive numbers: name, value and unit with an example.

    Raises
    ------
    LabelError
    """
    for name, value, example in named:
        if not 0 < value < np.inf:
            raise LabelError(f"{name} is {value}; it must be positive, e.g. {example}")


@dataclass(frozen=True)
class GpawSettings:
    """A PBE single point with GPAW; the defaults are those of pbe-mini for all but metals.

    Parameters
    ----------
    cutoff
        Of the plane waves, eV. At 500 eV forces in MgO are 2 % and pressures 15 GPa off, at 800 eV 0.1 %
        and 0.2 GPa.
    kpoint_density
        k-points per Å⁻¹ in each direction of a mesh about Γ. Metals need 2.5 or more.
    smearing
        Width of the Fermi-Dirac distribution, eV. For metals 0.1.
    spin
        ``None`` for no spin, with magnetic elements refused.
    max_iterations
        After so many steps of self-consistency a calculation counts as failed.
    """

    cutoff: float = 800.0
    kpoint_density: float = 2.0
    smearing: float = 0.05
    spin: Spin | None = None
    max_iterations: int = 333

    def __post_init__(self) -> None:
        check_positive(
            [
                ("the cutoff", self.cutoff, "800 eV"),
                ("the density of k-points", self.kpoint_density, "2.0 per Å⁻¹"),
                ("the smearing", self.smearing, "0.05 eV"),
                ("the number of iterations", self.max_iterations, "333"),
            ]
        )


class VaspSet(StrEnum):
    """Which of pymatgen's sets VASP inputs are made with."""

    STATIC = "static"
    RELAX = "relax"


@dataclass(frozen=True)
class VaspSettings:
    """A single point with VASP at the Materials Project's settings, +U included.

    Parameters
    ----------
    vasp_set
        ``static``: MPStaticSet. ``relax``: MPRelaxSet, which the frames that the models were trained on come
        from, with its ions held (NSW = 0).
    """

    vasp_set: VaspSet = VaspSet.STATIC


@dataclass(frozen=True)
class EspressoSettings:
    """A PBE single point with Quantum ESPRESSO.

    Parameters
    ----------
    ecutwfc, ecutrho
        Ry. Right values belong to the pseudopotentials; the defaults do for many ultrasoft and PAW ones.
    kpoint_density
        As for GPAW.
    smearing
        Width of the Fermi-Dirac distribution, eV.
    pseudo_dir
        Folder of the pseudopotentials, for PBE; ``None`` to write placeholders.
    pseudos
        File names by element, where the folder does not settle it.
    spin
        As for GPAW.
    """

    ecutwfc: float = 60.0
    ecutrho: float = 480.0
    kpoint_density: float = 2.0
    smearing: float = 0.05
    pseudo_dir: str | None = None
    pseudos: tuple[tuple[str, str], ...] = ()
    spin: Spin | None = None

    def __post_init__(self) -> None:
        check_positive(
            [
                ("ecutwfc", self.ecutwfc, "60 Ry"),
                ("ecutrho", self.ecutrho, "480 Ry"),
                ("the density of k-points", self.kpoint_density, "2.0 per Å⁻¹"),
                ("the smearing", self.smearing, "0.05 eV"),
            ]
        )
