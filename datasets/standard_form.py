"""A user's data as structures in the standard form: what ``data import`` writes, and every command reads."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import MigrationCase
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.labels import ENERGY, FORCES, SYSTEM, bare, structure_of
from umlip_bench.datasets.paths import IMAGE, METHOD, MOVING, PATH


def structures_of(dataset: Dataset) -> Iterator[Atoms]:
    """Labelled frames and images of paths, with their labels under the names of the standard form."""
    yield from map(structure_of, dataset.frames)
    for case in dataset.cases:
        if isinstance(case, MigrationCase):
            yield from _images(case)


def _images(case: MigrationCase) -> Iterator[Atoms]:
    for number, image in enumerate(case.images):
        atoms = bare(image)
        atoms.info = {
            SYSTEM: case.system,
            PATH: case.name,
            IMAGE: number,
            METHOD: str(case.method),
            MOVING: case.moving_ion,
        }
        if np.isfinite(case.energies[number]):
            atoms.info[ENERGY] = float(case.energies[number])
        if case.forces is not None:
            atoms.arrays[FORCES] = case.forces[number]
        yield atoms
