"""Force sets that come with phonopy as examples (VASP, PBE).

Each material has a folder with ``phonopy_disp.yaml`` (cell, supercell, displacements) and
``FORCE_SETS``; the forces of Si are in its ``vasprun.xml``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import ase.io
import numpy as np

from umlip_bench.datasets.cases import PhononCase, Preparation
from umlip_bench.datasets.importers.files import present
from umlip_bench.datasets.phonopy_files import (
    displacements_of,
    phonon_case,
    read_force_sets,
    read_yaml,
)
from umlip_bench.ground.level_of_theory import LevelOfTheory

SYSTEMS = {
    "MgO": "MgO",
    "CaTiO3": "CaTiO3 (cubic)",
    "TiO2-anatase": "TiO2 (anatase)",
    "ZnO": "ZnO",
    "MgB2": "MgB2",
    "NaCl": "NaCl",
    "SiO2-HP": "SiO2 (stishovite, 40 GPa)",
    "Si": "Si",
}
"""Folder and material."""
UNDER_PRESSURE = frozenset({"SiO2-HP"})
"""Relaxed at 40 GPa."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[PhononCase]:
    """One case per material."""
    for name, system in SYSTEMS.items():
        source = read_yaml(present(folder / name / "phonopy_disp.yaml"))
        if (folder / name / "FORCE_SETS").is_file():
            atoms, vectors = displacements_of(source)
            assert atoms is not None  # one atom is displaced in each of these
            forces = read_force_sets(folder / name / "FORCE_SETS", atoms, vectors)
        else:
            forces = _read_vasprun(folder / name / "vasprun.xml")
        pressed = name in UNDER_PRESSURE
        preparation = Preparation.UNDER_PRESSURE if pressed else Preparation.RELAXED
        yield phonon_case(
            source, forces, name=name, system=system, level=level, preparation=preparation
        )


def _read_vasprun(path: Path) -> np.ndarray:
    """Forces of the only step of a ``vasprun.xml``, shape (1, N, 3)."""
    return ase.io.read(present(path), format="vasp-xml", index=-1).get_forces()[np.newaxis]
