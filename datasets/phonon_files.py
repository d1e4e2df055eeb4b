"""Phonons of a user's, in any file of phonopy's: force sets, force constants, or frequencies alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from umlip_bench.datasets import force_constant_files, frequency_files, phonopy_files
from umlip_bench.datasets.cases import PhononCase
from umlip_bench.datasets.phonon_cases import ForceConstantsCase, FrequencyCase
from umlip_bench.datasets.phonopy_files import FORCE_SETS, has_forces, read_yaml
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

CONSTANTS = force_constant_files.BESIDE
FORMAT = (
    f"phonopy's files ({', '.join(phonopy_files.NAMES)}) with forces or force constants in them, or with "
    f"{FORCE_SETS}, {' or '.join(CONSTANTS)} beside them; {' or '.join(frequency_files.NAMES)}"
)
CELLS = b"unit_cell"

PhononReference: TypeAlias = PhononCase | ForceConstantsCase | FrequencyCase


def chosen(files: Sequence[Path]) -> list[Path]:
    """Of phonopy's files among others, the one of each folder that tells most.

    Cells come first where forces or force constants are in the file or beside it, then frequencies on a
    mesh, then those of bands.
    """
    cells = {path.parent: path for path in phonopy_files.chosen(files)}
    found = dict(cells)
    for name in reversed(frequency_files.NAMES):
        for path in (each for each in files if each.name == name):
            if path.parent not in cells or not _tells(cells[path.parent]):
                found[path.parent] = path
    return sorted(found.values())


def _tells(path: Path) -> bool:
    """Whether a yaml file with cells has forces or force constants, in it or beside it."""
    if any((path.parent / name).is_file() for name in (FORCE_SETS, *CONSTANTS)):
        return True
    text = path.read_bytes()
    return b"forces:" in text or b"force_constants:" in text.partition(CELLS)[2]


def cells_beside(path: Path) -> Path:
    """The yaml file that a file of force sets or constants belongs to; the file itself for others.

    Raises
    ------
    DataError
        If there is none.
    """
    if path.name not in (FORCE_SETS, *CONSTANTS):
        return path
    there = phonopy_files.chosen([each for each in path.parent.iterdir() if each.is_file()])
    if not there:
        raise DataError(
            f"{path} does not say its cells: put {' or '.join(phonopy_files.NAMES)} beside it"
        )
    return there[0]


def sources(path: Path) -> Iterator[Path]:
    """A yaml file, and what belongs to it beside it."""
    yield path
    if path.name not in frequency_files.NAMES:
        yield from (p for name in (FORCE_SETS, *CONSTANTS) if (p := path.parent / name).is_file())


def read(
    path: Path, level: LevelOfTheory, name: str, *, trust_order: bool = False
) -> PhononReference:
    """Forces of a yaml file of phonopy's or beside it, else force constants, else frequencies.

    Parameters
    ----------
    path, level, name, trust_order
        As of `umlip_bench.datasets.phonopy_files.read`.

    Raises
    ------
    DataError
        If it has nothing of these, or something does not fit together.
    """
    content = read_yaml(path)
    if frequency_files.is_frequencies(content):
        return frequency_files.read(content, path, level, name)
    constants = force_constant_files.source_of(content, path)
    if constants is not None and not has_forces(content, path):
        return force_constant_files.read(content, path, level, name)
    return phonopy_files.read(path, level, name, trust_order=trust_order)
