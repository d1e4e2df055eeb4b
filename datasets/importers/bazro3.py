"""Phonons of cubic BaZrO3 from MLIP Arena (VASP, PBE).

The lattice constant is 4.000 Å exactly, 5% below that of PBE: a strongly compressed crystal, to be
compared at this cell only.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from umlip_bench.datasets.cases import PhononCase, Preparation
from umlip_bench.datasets.importers.files import present
from umlip_bench.datasets.phonopy_files import phonon_case, read_yaml
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.level_of_theory import LevelOfTheory


def cases(folder: Path, level: LevelOfTheory) -> Iterator[PhononCase]:
    """The one case; its forces stand beside the displacements in the file."""
    source = read_yaml(present(folder / "phonopy_params.yaml"))
    displaced = map(as_mapping, as_list(source["displacements"]))
    forces = np.array([entry["forces"] for entry in displaced], dtype=float)
    yield phonon_case(
        source,
        forces,
        name="BaZrO3",
        system="BaZrO3 (cubic, a = 4.000 Å)",
        level=level,
        preparation=Preparation.AS_BUILT,
    )
