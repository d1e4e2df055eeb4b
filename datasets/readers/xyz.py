"""Labels that travel with structures: extended XYZ, ASE's databases and trajectories."""

from __future__ import annotations

from pathlib import Path

import ase.db
import ase.io
import numpy as np
from ase import Atoms

from umlip_bench.datasets.labels import (
    ENERGY,
    FORCES,
    FREE_ENERGY,
    STRESS,
    SYSTEM,
    frame,
    from_calculator,
)
from umlip_bench.datasets.readers.result import (
    UNKNOWN,
    Code,
    Read,
    RefusedResult,
    Result,
    checked,
    of_calculator,
)
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

FUNCTIONAL = "functional"
"""Key that may name the functional of a frame."""


def read(path: Path) -> Read:
    """Frames of an extended XYZ file, with labels under our keys or ASE's."""
    for k, atoms in enumerate(ase.io.iread(path, index=":", format="extxyz")):
        yield labelled(f"{path}, frame {k}", atoms)


def read_trajectory(path: Path) -> Read:
    """Frames of ASE's trajectory with results."""
    for k, atoms in enumerate(ase.io.iread(path, index=":", format="traj")):
        yield of_calculator(f"{path}, frame {k}", Code.ASE, atoms)


def read_database(path: Path) -> Read:
    """Rows of an ASE database with results; the key ``system`` names the material."""
    with ase.db.connect(path) as database:
        for row in database.select():
            system = row.get(SYSTEM)
            atoms = row.toatoms()
            if system is not None:
                atoms.info[SYSTEM] = str(system)
            yield of_calculator(f"{path}, row {row.id}", Code.ASE, atoms)


def labelled(where: str, atoms: Atoms) -> Result | RefusedResult:
    """Labels under our keys, or, if there are none of these, under ASE's."""
    ours = any(key in (*atoms.info, *atoms.arrays) for key in (ENERGY, FORCES, STRESS))
    results = {} if atoms.calc is None else atoms.calc.results
    try:
        found = frame(where, 0, atoms if ours or not results else from_calculator(atoms))
    except DataError as error:
        return RefusedResult(where, str(error).removeprefix(f"{where}: "))
    free = atoms.info.get(FREE_ENERGY, None if ours else results.get("free_energy"))
    named = atoms.info.get(FUNCTIONAL)
    # pbe-mini's and GPAW scripts' frames say which code wrote them; others may be anyone's.
    gpaw = str(atoms.info.get("code", "")).startswith("gpaw")
    return checked(
        Result(
            where,
            Code.GPAW if gpaw else Code.EXTXYZ,
            atoms,
            found.energy,
            None if free is None else float(np.float64(free)),
            found.forces,
            found.stress,
            LevelOfTheory(named) if isinstance(named, str) else UNKNOWN,
        )
    )
