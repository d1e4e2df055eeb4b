"""Forces, energies and stresses of high-energy states, at the geometries of the DFT calculations.

One case is one material with all its frames. The question is Deng et al.'s (npj Comput. Mater. 11, 9,
2025): by which factor are the model's forces too small where atoms are far from equilibrium?
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np

from umlip_bench.analysis.high_energy import (
    FrameComparison,
    MaterialComparison,
    high_energy_rows,
    material_metrics,
)
from umlip_bench.analysis.high_energy_table import HIGH_ENERGY
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import Presentation
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.datasets import Dataset, Frame
from umlip_bench.datasets.cases import FramesCase
from umlip_bench.engine.requests import Static, Task
from umlip_bench.potentials.protocol import Prediction
from umlip_bench.suite import Mode

QUICK_CASES = 20


@dataclass(frozen=True, eq=False)
class HighEnergyCase:
    """All frames of one material."""

    name: str
    frames: tuple[Frame, ...]

    @property
    def fingerprint(self) -> str:
        """Digest of all geometries."""
        digest = hashlib.sha256()
        for frame in self.frames:
            for array in (frame.atoms.numbers, frame.atoms.positions, frame.atoms.cell.array):
                digest.update(np.ascontiguousarray(array).tobytes())
            digest.update(bytes(frame.atoms.pbc.tolist()))
        return digest.hexdigest()


def measure(case: HighEnergyCase) -> Task[MaterialComparison]:
    """Single points of all frames, beside their labels."""
    predictions = yield [
        Static(frame.atoms, stress=frame.stress is not None) for frame in case.frames
    ]
    pairs = zip(case.frames, predictions, strict=True)
    return MaterialComparison(case.name, tuple(_compare(frame, p) for frame, p in pairs))


def _compare(frame: Frame, prediction: Prediction) -> FrameComparison:
    both = frame.stress is not None and prediction.stress is not None
    return FrameComparison(
        composition=frame.composition,
        energy_reference=frame.energy,
        energy_model=prediction.energy,
        forces_reference=frame.forces,
        forces_model=prediction.forces,
        stress_reference=frame.stress if both else None,
        stress_model=prediction.stress if both else None,
    )


def _n_atoms(case: HighEnergyCase) -> int:
    return sum(len(frame.atoms) for frame in case.frames)


class HighEnergySuite:
    """The suite ``high-energy``."""

    name: ClassVar[str] = "high-energy"
    version: ClassVar[int] = 1
    presentation: ClassVar[Presentation] = HIGH_ENERGY

    def cases(self, dataset: Dataset, mode: Mode) -> Sequence[HighEnergyCase]:
        """One case for each usable material of the set; the cheapest in quick mode."""
        cases = [
            HighEnergyCase(case.name, case.frames)
            for case in dataset.of_task(self.name)
            if isinstance(case, FramesCase)
        ]
        return cheapest(cases, QUICK_CASES, _n_atoms) if mode is Mode.QUICK else cases

    def measure(self, case: HighEnergyCase) -> Task[MaterialComparison]:
        """See `measure`."""
        return measure(case)

    def metrics(self, result: MaterialComparison) -> Mapping[str, float | int]:
        """Slopes and errors of one material."""
        numbers = asdict(material_metrics(result))
        del numbers["name"]
        return numbers

    def to_arrays(self, result: MaterialComparison) -> Mapping[str, np.ndarray]:
        """Labels and predictions of all frames; forces are concatenated in frame order."""
        frames = result.frames
        nothing = np.full((3, 3), np.nan)

        def stresses(values: Sequence[np.ndarray | None]) -> np.ndarray:
            return np.array([nothing if s is None else s for s in values])

        return {
            "composition": np.array([f.composition for f in frames]),
            "n_atoms": np.array([f.n_atoms for f in frames]),
            "energy_reference": np.array([f.energy_reference for f in frames]),
            "energy_model": np.array([f.energy_model for f in frames]),
            "forces_reference": np.concatenate([f.forces_reference for f in frames]),
            "forces_model": np.concatenate([f.forces_model for f in frames]),
            "stress_reference": stresses([f.stress_reference for f in frames]),
            "stress_model": stresses([f.stress_model for f in frames]),
        }

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> MaterialComparison:
        """The comparison again; a stress of nan stands for none."""
        ends = np.cumsum(arrays["n_atoms"])[:-1]
        forces_reference = np.split(arrays["forces_reference"], ends)
        forces_model = np.split(arrays["forces_model"], ends)

        def stress(key: str, k: int) -> np.ndarray | None:
            value = arrays[key][k]
            return None if np.isnan(value).any() else value

        return MaterialComparison(
            name,
            tuple(
                FrameComparison(
                    composition=str(arrays["composition"][k]),
                    energy_reference=float(arrays["energy_reference"][k]),
                    energy_model=float(arrays["energy_model"][k]),
                    forces_reference=forces_reference[k],
                    forces_model=forces_model[k],
                    stress_reference=stress("stress_reference", k),
                    stress_model=stress("stress_model", k),
                )
                for k in range(len(arrays["n_atoms"]))
            ),
        )

    def rows(
        self, model: str, data: str, results: Sequence[MaterialComparison], n_failed: int
    ) -> list[Row]:
        """Medians over materials and pooled values, with intervals."""
        return high_energy_rows(model, data, results, n_failed)
