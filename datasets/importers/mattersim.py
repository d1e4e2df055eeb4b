"""MPF-TP of MatterSim (Yang et al. 2024): compounds at high temperature and pressure.

Half of the frames are compressed beyond what the set is used for here; they come in cases of their own,
marked unusable.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import PropertyNotImplementedError

from umlip_bench.datasets.cases import FramesCase, Preparation, ReferenceCase
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.importers.vasp_json import named
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.structures import READER_ERRORS

FILE = "mpf-TP.xyz"

MAX_PRESSURE = 30.0
"""GPa, exclusive. Half of the frames lie above 26 GPa and the tail reaches 1077 GPa; compression hides
the softness that is looked for."""
MAX_FORCE = 15.0
"""eV/Å, exclusive, for the magnitude of the largest component."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """One case for each reduced formula, and one for each reason to exclude frames of it.

    Energies are comparable only within a formula, hence the grouping. Formulas are not neighbours in the
    file (1.7 MB), so that all frames are held while cases are made.

    Parameters
    ----------
    folder
        With the file as published.
    level
        Of the labels.

    Raises
    ------
    DataError
        If the file is missing or not as published.
    """
    groups: dict[tuple[str, str | None], list[Frame]] = {}
    for frame in _frames(folder / FILE):
        groups.setdefault((frame.system, exclusion(frame)), []).append(frame)
    for (formula, reason), frames in groups.items():
        yield FramesCase(
            name=formula if reason is None else f"{formula} ({reason})",
            system=formula,
            level_of_theory=level,
            preparation=Preparation.SAMPLED,
            unusable=reason,
            frames=tuple(frames),
        )


def exclusion(frame: Frame) -> str | None:
    """Why a frame must not enter statistics; ``None`` if it may."""
    assert frame.stress is not None
    reasons = []
    if -np.trace(frame.stress) / 3 / units.GPa >= MAX_PRESSURE:
        reasons.append(f"pressure of {MAX_PRESSURE:g} GPa or more")
    if np.abs(frame.forces).max() >= MAX_FORCE:
        reasons.append(f"force component of {MAX_FORCE:g} eV/Å or more")
    if len(frame.atoms) == 1:
        reasons.append("single atom, no force by symmetry")
    return "; ".join(reasons) or None


def _frames(path: Path) -> Iterator[Frame]:
    if not path.is_file():
        raise DataError(f"{path}: no such file; `umlip-bench data fetch mattersim-tp` gets it")
    index = 0
    try:
        for atoms in ase.io.iread(path, index=":", format="extxyz"):
            yield _frame(atoms, index)
            index += 1
    # The calculator that ASE's reader attaches refuses labels that are missing.
    except (*READER_ERRORS, PropertyNotImplementedError) as error:
        raise DataError(
            f"{path}, frame {index}: not as published ({type(error).__name__}: {error}); "
            "fetch the file again"
        ) from error


def _frame(atoms: Atoms, index: int) -> Frame:
    geometry = Atoms(
        numbers=atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=atoms.pbc
    )
    system = geometry.symbols.formula.reduce()[0].format("metal")
    energy = float(atoms.get_potential_energy())
    forces = np.array(atoms.get_forces(), dtype=float)
    stress = np.array(atoms.get_stress(voigt=False), dtype=float)
    if not (np.isfinite(energy) and np.isfinite(forces).all() and np.isfinite(stress).all()):
        raise ValueError("a label is not finite")
    return Frame(
        atoms=named(geometry, f"{system}, {atoms.info['internal_id']}"),
        energy=energy,
        forces=forces,
        stress=stress,
        system=system,
        index=index,
    )
