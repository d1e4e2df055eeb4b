"""Labels that are handed over in Python: a name, a path, a data set, frames or ASE structures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from ase import Atoms

from umlip_bench.datasets import load
from umlip_bench.datasets.dataset import Dataset, Manifest
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.labels import ENERGY, FORCES, frame, frames_cases, from_calculator
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.ground.level_of_theory import LevelOfTheory

Labels: TypeAlias = str | Path | Dataset | Atoms | Sequence[Atoms] | Sequence[Frame]
"""What can be given where labels are wanted."""
ID = "given"
"""Name of data that have none."""


def as_dataset(
    labels: Labels, *, trust_order: bool = False, reading: LabelReading = AS_FOUND
) -> Dataset:
    """A data set of whatever labels are given as.

    Parameters
    ----------
    labels
        As `umlip_bench.datasets.load` takes it, or a data set, or structures: frames, or ASE's, each with
        ``REF_energy``, ``REF_forces`` and perhaps ``REF_stress``, or with a calculator that holds results.
    trust_order, reading
        As of `umlip_bench.datasets.load`.

    Raises
    ------
    DataError
        If a label is missing or is none, or nothing is given.
    """
    match labels:
        case Dataset():
            return labels
        case str() | Path():
            return load(str(labels), trust_order=trust_order, reading=reading)
        case Atoms():
            labels = [labels]
    frames = [_as_frame(each, index) for index, each in enumerate(labels)]
    if not frames:
        raise DataError(
            "no labels are given: expected at least one structure with energy and forces"
        )
    level = LevelOfTheory("unknown")
    manifest = Manifest(
        id=ID,
        title="labels given in Python",
        level_of_theory=level,
        settings="unknown",
        source="unknown",
        licence="unknown",
        citation="unknown",
    )
    content = [(each.atoms, each.energy, each.forces, each.stress, each.system) for each in frames]
    return Dataset(manifest, frames_cases(frames, level), identity(content))


def _as_frame(given: Atoms | Frame, index: int) -> Frame:
    if isinstance(given, Frame):
        return given
    if not isinstance(given, Atoms):
        raise DataError(
            f"labels number {index}: {given!r:.80} is neither an ASE structure nor a Frame of umlip_bench"
        )
    labelled = ENERGY in given.info and FORCES in given.arrays
    return frame(f"structure {index}", index, given if labelled else from_calculator(given))
