"""High-energy states of WBM materials (Deng et al. 2025): DFT forces far from equilibrium, no energies."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from umlip_bench.datasets.cases import FramesCase, Preparation, ReferenceCase
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

FILES = ("WBM_high_energy_states.json", "wbm-high-energy-states.json.gz")
"""The original, and a subset of it published elsewhere; the first that exists is read."""

STRUCTURE, FORCES = "structure", "vasp_f"


def cases(folder: Path, level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """One case for each material, read one by one.

    Energies are nan and there is no stress. Entries without structure or forces, which other readers of
    the file skip, are reported in a case of their own without frames, marked unusable.

    Parameters
    ----------
    folder
        With one of `FILES`.
    level
        Of the labels.

    Raises
    ------
    DataError
        If the file is missing or not of the expected form.
    """
    path = _path(folder)
    index = 0
    for material, entries in vasp_json.members(path):
        frames, incomplete = [], []
        with vasp_json.reading(path, material):
            if not isinstance(entries, dict):
                raise TypeError(f"{type(entries).__name__} in place of frames by id")
            for frame_id, entry in entries.items():
                if STRUCTURE in entry and FORCES in entry:
                    atoms = vasp_json.atoms(entry[STRUCTURE])
                    frames.append(
                        Frame(
                            atoms=vasp_json.named(atoms, frame_id),
                            energy=math.nan,
                            forces=vasp_json.forces(entry[FORCES], len(atoms)),
                            stress=None,
                            system=material,
                            index=index,
                        )
                    )
                else:
                    incomplete.append(frame_id)
                index += 1
        if frames:
            yield _case(material, material, frames, level)
        if incomplete or not frames:
            reason = f"without structure or forces: {', '.join(incomplete) or 'no frames at all'}"
            yield _case(f"{material} (incomplete)", material, [], level, reason)


def _path(folder: Path) -> Path:
    for name in FILES:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"{folder} holds neither {' nor '.join(FILES)}; "
        "`umlip-bench data fetch wbm-high-energy-states` gets the former"
    )


def _case(
    name: str,
    material: str,
    frames: list[Frame],
    level: LevelOfTheory,
    unusable: str | None = None,
) -> FramesCase:
    return FramesCase(
        name=name,
        system=material,
        level_of_theory=level,
        preparation=Preparation.SAMPLED,
        unusable=unusable,
        frames=tuple(frames),
    )
