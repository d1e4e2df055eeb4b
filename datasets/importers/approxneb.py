"""Migration of Zn in MnP2O7 by ApproxNEB (atomate2's test data; VASP, PBE, spin-polarised).

Hop 3+1, from end point 3 to end point 1, is read from the OUTCARs of its last relaxations. Its image 2
did not converge and is left out, so that the barrier is that of image 3. Hop 3+0 went through other
electronic or magnetic states; only its relaxed images and energies are published, and the case made of
them is marked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import MigrationCase, PathMethod, Preparation
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.datasets.importers.files import present
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

SYSTEM = "Zn in MnP2O7"
MOVING = "Zn"
PATH = (
    "endpoint_3",
    "hop_3+1_image_1",
    "hop_3+1_image_3",
    "hop_3+1_image_4",
    "hop_3+1_image_5",
    "endpoint_1",
)
"""Folders of the images of hop 3+1 in order."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[MigrationCase]:
    """The usable hop with forces, then the marked one without."""
    frames = [
        ase.io.read(present(folder / name / "OUTCAR.relax2.gz"), format="vasp-out", index=-1)
        for name in PATH
    ]
    images = tuple(
        Atoms(numbers=frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True)
        for frame in frames
    )
    yield MigrationCase(
        name="hop 3+1",
        system=SYSTEM,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        images=images,
        # Extrapolated to zero smearing, as everywhere in this set.
        energies=np.array([f.get_potential_energy(force_consistent=False) for f in frames]),
        forces=np.array([frame.get_forces() for frame in frames]),
        moving_ion=_moving_ion(images),
        method=PathMethod.APPROX_NEB,
    )
    yield _other_hop(folder, level)


def _other_hop(folder: Path, level: LevelOfTheory) -> MigrationCase:
    path = folder / "collate_results.json.gz"
    with vasp_json.reading(path, "hops/3+0"):
        hop = as_mapping(as_mapping(dict(vasp_json.members(path))["hops"])["3+0"])
        images = tuple(vasp_json.atoms(structure) for structure in as_list(hop["images"]))
        energies = np.array(hop["energies"], dtype=float)
    return MigrationCase(
        name="hop 3+0",
        system=SYSTEM,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        unusable=(
            "images lie 0.25 eV below and 7.9 eV above the end points: other magnetic or electronic "
            "states"
        ),
        images=images,
        energies=energies,
        forces=None,
        moving_ion=_moving_ion(images),
        method=PathMethod.APPROX_NEB,
    )


def _moving_ion(images: tuple[Atoms, ...]) -> int:
    """Index of the only ion of the moving element, the same in all images."""
    symbols = images[0].get_chemical_symbols()
    if any(image.get_chemical_symbols() != symbols for image in images):
        raise DataError(f"{SYSTEM}: the images list their atoms in different orders")
    return symbols.index(MOVING)
