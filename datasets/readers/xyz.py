"""Labels that travel with structures: extended XYZ, ASE's databases and trajectories."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms

from umlip_bench.datasets.extxyz import readable
from umlip_bench.datasets.label_names import ASE_NAMES, STANDARD, has_labels, names_of
from umlip_bench.datasets.labels import (
    ENERGY,
    FORCES,
    FREE_ENERGY,
    SYSTEM,
    frame,
    stress_of,
    with_standard_names,
)
from umlip_bench.datasets.readers.result import (
    ROLE,
    STATE,
    UNKNOWN,
    Code,
    Read,
    RefusedResult,
    Result,
    checked,
    is_part,
    without_forces,
)
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.ground.level_of_theory import LevelOfTheory

FUNCTIONAL = "functional"
"""Key that may name the functional of a frame."""


def read(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Frames of an extended XYZ file, with labels under names that are known or given."""
    for k, atoms in enumerate(ase.io.iread(readable(path), index=":", format="extxyz")):
        yield labelled(f"{path}, frame {k}", atoms, reading)


def read_trajectory(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Frames of ASE's trajectory with results."""
    for k, atoms in enumerate(ase.io.iread(path, index=":", format="traj")):
        yield labelled(f"{path}, frame {k}", atoms, reading, Code.ASE)


def read_database(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Rows of an ASE database; the key ``system`` names the material, ``data`` may hold arrays."""
    kind = path.suffix.lower().lstrip(".")
    # fairchem's have either ending; ASE has them by a package of its own.
    lmdb = kind in ("aselmdb", "lmdb")
    if lmdb and find_spec("ase_db_backends") is None:
        raise DataError(f"{path}: it takes ase-db-backends to read it: pip install ase-db-backends")
    kinds = {"readonly": True} if lmdb else {}
    with ase.db.connect(path, type="aselmdb" if lmdb else kind, **kinds) as database:
        for row in database.select():
            atoms = row.toatoms()
            atoms.info |= row.key_value_pairs
            for key, value in row.data.items():
                atoms.info.setdefault(key, np.array(value) if isinstance(value, list) else value)
            if SYSTEM in atoms.info:
                atoms.info[SYSTEM] = str(atoms.info[SYSTEM])
            yield labelled(f"{path}, row {row.id}", atoms, reading, Code.ASE)


def read_any(path: Path, reading: LabelReading = AS_FOUND) -> Read:
    """Structures of any form that ASE knows, with the results that its reader attaches."""
    frames = ase.io.iread(path, index=":", do_not_split_by_at_sign=True)
    for k, atoms in enumerate(frames):
        yield labelled(f"{path}, structure {k}", atoms, reading, Code.ASE)


def labelled(
    where: str, atoms: Atoms, reading: LabelReading = AS_FOUND, code: Code = Code.EXTXYZ
) -> Result | RefusedResult:
    """A structure with its labels, whatever they are called (`names_of`).

    Parameters
    ----------
    where
        Names it in messages.
    atoms
        With labels in ``info``, ``arrays`` or the results of its calculator.
    reading
        What the user says of them.
    code
        What wrote it.
    """
    try:
        if is_part(atoms):
            atoms = with_standard_names(where, atoms, reading)
            if FORCES not in atoms.arrays:
                return _energy_alone(where, atoms, code)
            reading = AS_FOUND
        names = names_of(where, atoms, reading)
        found = frame(where, 0, atoms, names)
    except DataError as error:
        reason = str(error).removeprefix(f"{where}: ")
        alone = _without_forces(where, atoms, reading, code)
        return RefusedResult(where, reason, bare=not has_labels(atoms), energy_alone=alone)
    results = {} if atoms.calc is None else atoms.calc.results
    of_ase = names.energy == ASE_NAMES.energy
    free = atoms.info.get(FREE_ENERGY, results.get("free_energy") if of_ase else None)
    # pbe-mini's and GPAW scripts' frames say which code wrote them; others may be anyone's.
    gpaw = str(atoms.info.get("code", "")).startswith("gpaw")
    return checked(
        Result(
            where,
            Code.GPAW if gpaw else code,
            atoms,
            found.energy,
            None if free is None else float(np.float64(free)),
            found.forces,
            found.stress,
            _level(atoms),
            names=names,
        )
    )


def _without_forces(where: str, atoms: Atoms, reading: LabelReading, code: Code) -> Result | None:
    """A structure with an energy, if its forces are all that is missing."""
    try:
        atoms = with_standard_names(where, atoms, reading)
        if FORCES in atoms.arrays or ENERGY not in atoms.info:
            return None
        found = _energy_alone(where, atoms, code)
    except DataError:
        return None
    return found if isinstance(found, Result) else None


def _energy_alone(where: str, atoms: Atoms, code: Code) -> Result | RefusedResult:
    """A structure that plays a part in a case, which has no forces."""
    energy = atoms.info.get(ENERGY)
    if not isinstance(energy, int | float | np.number):
        role = atoms.info.get(ROLE, STATE)
        return RefusedResult(where, f"it is a {role}, and has no energy", bare=energy is None)
    return checked(
        Result(
            where,
            code,
            atoms,
            float(energy),
            None,
            without_forces(atoms),
            stress_of(where, atoms),
            _level(atoms),
            names=STANDARD,
        )
    )


def _level(atoms: Atoms) -> LevelOfTheory:
    named = atoms.info.get(FUNCTIONAL)
    return LevelOfTheory(named) if isinstance(named, str) else UNKNOWN
