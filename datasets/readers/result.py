"""What every reader of labels yields: a labelled geometry, or what was refused and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import SupportsFloat

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import ArrayLike

from umlip_bench.datasets.label_names import LabelNames
from umlip_bench.datasets.labels import ENERGY, FORCES, STRESS, from_calculator
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.structures import check_input

ROLE, STATE = "role", "state"
"""Key of the part that a structure plays in a case, and the one of a labelled frame."""
UNKNOWN = LevelOfTheory("unknown")


class Code(StrEnum):
    """What wrote a result."""

    VASP = "vasp"
    ESPRESSO = "qe"
    GPAW = "gpaw"
    EXTXYZ = "extxyz"
    ASE = "ase"
    DEEPMD = "deepmd"
    N2P2 = "n2p2"
    PYMATGEN = "pymatgen"
    CHGNET = "chgnet"
    MATPES = "matpes"
    JSON = "json"
    PARQUET = "parquet"


@dataclass(frozen=True, eq=False)
class Result:
    """A labelled geometry.

    Parameters
    ----------
    where
        File and, if it has several, ionic step.
    code
        What wrote it.
    atoms
        The geometry as the code had it.
    energy
        eV, extrapolated to zero smearing.
    free_energy
        eV, the one whose gradient the forces are; ``None`` where the file does not tell it apart.
    forces
        Shape (N, 3), eV/Å; nan of a structure that plays a part (`is_part`) and has none.
    stress
        Shape (3, 3), eV/Å³, or ``None``.
    level
        As far as the file says.
    procedure
        What the geometry is a step of, e.g. ``"relaxation"``; empty for a calculation of its own.
    names
        What the labels were called; ``None`` where the form has one name for each.
    remark
        What should be known of it, told once for all of the same remark.
    """

    where: str
    code: Code
    atoms: Atoms
    energy: float
    free_energy: float | None
    forces: np.ndarray
    stress: np.ndarray | None
    level: LevelOfTheory = UNKNOWN
    procedure: str = ""
    names: LabelNames | None = None
    remark: str = ""

    def with_stress(self, stress: np.ndarray) -> Result | RefusedResult:
        """The result with a stress, shape (3, 3), eV/Å³, of ASE's sign."""
        return checked(replace(self, stress=stress))

    def remarked(self, remark: str) -> Result:
        """The result with a remark."""
        return replace(self, remark=remark)


@dataclass(frozen=True)
class RefusedResult:
    """A result that must not become a label.

    Parameters
    ----------
    where
        File and, if it has several, ionic step.
    reason
        Why.
    bare
        Whether it is because there are no labels at all.
    energy_alone
        What there is, where nothing but forces is missing: some cases need none.
    """

    where: str
    reason: str
    bare: bool = False
    energy_alone: Result | None = None


Read = Iterator[Result | RefusedResult]
"""What a reader of one form yields."""


def of_calculator(
    where: str,
    code: Code,
    atoms: Atoms,
    level: LevelOfTheory = UNKNOWN,
    procedure: str = "",
) -> Result | RefusedResult:
    """Take the results of the calculator that ASE's readers attach."""
    free = None if atoms.calc is None else atoms.calc.results.get("free_energy")
    labelled = from_calculator(atoms)
    if ENERGY not in labelled.info or FORCES not in labelled.arrays:
        lacks = "energy" if ENERGY not in labelled.info else "forces"
        bare = ENERGY not in labelled.info and FORCES not in labelled.arrays
        return RefusedResult(where, f"it has no {lacks}", bare)
    stress = labelled.info.get(STRESS)
    return checked(
        Result(
            where,
            code,
            atoms,
            labelled.info[ENERGY],
            None if free is None else float(free),
            labelled.arrays[FORCES],
            None if stress is None else full_stress(stress),
            level,
            procedure,
        )
    )


def of_numbers(
    where: str,
    code: Code,
    atoms: Atoms,
    energy: SupportsFloat,
    forces: ArrayLike,
    stress: np.ndarray | None,
    level: LevelOfTheory = UNKNOWN,
) -> Result | RefusedResult:
    """Take labels in eV, eV/Å and eV/Å³, of ASE's sign."""
    try:
        numbers = np.array(forces, dtype=float)
        total = float(energy)
    except (TypeError, ValueError) as error:
        return RefusedResult(where, f"its labels are no numbers ({error})")
    if numbers.shape != (len(atoms), 3):
        return RefusedResult(where, f"its forces have shape {numbers.shape}, needed is (N, 3)")
    return checked(Result(where, code, atoms, total, None, numbers, stress, level))


def is_part(atoms: Atoms) -> bool:
    """Whether a structure plays a part in a case, for which its energy is enough."""
    return str(atoms.info.get(ROLE, STATE)) != STATE


def without_forces(atoms: Atoms) -> np.ndarray:
    """Shape (N, 3), nan: of a structure that plays a part and has none."""
    return np.full((len(atoms), 3), np.nan)


def checked(result: Result) -> Result | RefusedResult:
    """The result, or that its numbers are not finite or its structure is none to measure on."""
    values = [np.array(result.energy)]
    # Nan throughout where there are none: who asks for forces has refused it.
    if not np.isnan(result.forces).all():
        values.append(result.forces)
    if result.stress is not None:
        values.append(result.stress)
    if not all(np.isfinite(value).all() for value in values):
        return RefusedResult(result.where, "it holds numbers that are not finite")
    try:
        check_input(result.atoms)
    except StructureError as error:
        return RefusedResult(result.where, str(error))
    return result


def full_stress(stress: np.ndarray) -> np.ndarray:
    """Shape (3, 3) of six numbers in Voigt order or nine."""
    if stress.shape == (6,):
        return np.asarray(voigt_6_to_full_3x3_stress(stress))
    return stress.reshape(3, 3)
