"""Heat capacities at 300 K of binary compounds from Alexandria's phonons (matcalc's benchmark).

They saturate at the value of Dulong and Petit: only where C_V per atom is below about 22 J/(mol K) do
they tell a soft model from a good one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from umlip_bench.datasets.cases import HeatCapacityCase, Preparation
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.level_of_theory import LevelOfTheory

FILE = "alexandria-binary-pbe-phonon-2025.1.json.gz"

TEMPERATURE = 300.0
"""K."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[HeatCapacityCase]:
    """One case per compound, in the order of the file; heat capacities are per mole of cells."""
    path = folder / FILE
    for index, item in enumerate(vasp_json.elements(path)):
        with vasp_json.reading(path, index):
            entry = as_mapping(item)
            case = HeatCapacityCase(
                name=str(entry["mp_id"]),
                system=str(entry["formula"]),
                level_of_theory=level,
                preparation=Preparation.RELAXED,
                atoms=vasp_json.atoms(entry["structure"]),
                temperatures=np.array([TEMPERATURE]),
                heat_capacity=np.array([entry["heat_capacity"]], dtype=float),
            )
        yield case
