"""Settings of single points, with which magnetic materials are not computed by oversight."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le, Lt
from ase import Atoms
from ase.calculators.calculator import kpts2sizeandoffsets

from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.limits import Count, Index, NotNegative, Positive, check_limits

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
        Whether to polarise; ``None`` for no spin, with elements that are often magnetic refused.
    max_iterations
        After so many steps of self-consistency a calculation counts as failed.
    """

    cutoff: Positive = 800.0
    kpoint_density: Positive = 2.0
    smearing: Positive = 0.05
    spin: Spin | None = None
    max_iterations: Count = 333

    def __post_init__(self) -> None:
        check_limits(self, LabelError)


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
    ecutwfc
        Cutoff of the waves, Ry. Right values belong to the pseudopotentials; the default does for many
        ultrasoft and PAW ones.
    ecutrho
        Cutoff of the density, Ry; likewise.
    kpoint_density
        As for GPAW.
    smearing
        Width of the Fermi-Dirac distribution, eV.
    pseudo_dir
        Folder of the pseudopotentials, for PBE; placeholders are written without.
    pseudos
        File name of an element's pseudopotential, where the folder has several.
    spin
        As for GPAW.
    """

    ecutwfc: Positive = 60.0
    ecutrho: Positive = 480.0
    kpoint_density: Positive = 2.0
    smearing: Positive = 0.05
    pseudo_dir: str | None = None
    pseudos: tuple[tuple[str, str], ...] = ()
    spin: Spin | None = None

    def __post_init__(self) -> None:
        check_limits(self, LabelError)


@dataclass(frozen=True)
class Sampling:
    """How states are sampled.

    Parameters
    ----------
    temperature
        Of the dynamics, K.
    timestep
        Of the dynamics, fs; without one 2, or 0.5 with hydrogen.
    friction
        Of the Langevin thermostat, 1/fs.
    equilibration
        Time before the first state, fs.
    interval
        Time from one state to the next, fs.
    runs
        Independent trajectories, run at the same time.
    states_per_run
        States taken of each.
    strains
        Of all lattice vectors at fixed fractional coordinates, dimensionless; of five states of a run,
        three are left as they are and one is put under each of two strains.
    relax
        Whether to relax the structure with the model first.
    relax_cell
        Whether its cell is relaxed too.
    fmax
        Largest force after that relaxation, eV/Å.
    relax_steps
        Most steps of it.
    enough_atoms
        A cell is repeated along its shortest direction until it has so many atoms, or is wide enough.
    enough_length
        So wide is enough, in all directions, Å.
    seed
        Of all random numbers.
    """

    temperature: Positive = 1000.0
    timestep: Annotated[float, Gt(0), Lt(10)] | None = None
    friction: NotNegative = 0.02
    equilibration: NotNegative = 500.0
    interval: Positive = 100.0
    runs: Count = 4
    states_per_run: Count = 6
    strains: tuple[Annotated[float, Ge(-0.2), Le(0.2)], ...] = (0.03, -0.03)
    relax: bool = True
    relax_cell: bool = True
    fmax: Positive = 0.02
    relax_steps: Count = 500
    enough_atoms: Count = 32
    enough_length: NotNegative = 8.0
    seed: Index = 0

    def __post_init__(self) -> None:
        check_limits(self, LabelError)
