"""Forces, energies and stresses of high-energy states, at the geometries of the DFT calculations.

One case is one material with all its frames. The question is Deng et al.'s (npj Comput. Mater. 11, 9,
2025): by which factor are the model's forces too small where atoms are far from equilibrium?
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode
from umlip_bench.datasets import Dataset, Frame
from umlip_bench.datasets.cases import FramesCase
from umlip_bench.engine.requests import Static, Task
from umlip_bench.potentials.graph import Prediction

QUICK_CASES = 20


@dataclass(frozen=True, eq=False)
class HighEnergyCase:
    """All frames of one material."""

    name: str
    frames: tuple[Frame, ...]
    system: str = ""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of(frame.atoms for frame in self.frames)


def measure(case: HighEnergyCase) -> Task[MaterialComparison]:
    """Single points of all frames, beside their labels."""
    predictions = yield [
        Static(frame.atoms, stress=frame.stress is not None) for frame in case.frames
    ]
    pairs = zip(case.frames, predictions, strict=True)
    return MaterialComparison(
        case.name, tuple(_compare(frame, p) for frame, p in pairs), case.system
    )


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
        geometry=Geometry(frame.atoms.numbers, frame.atoms.positions, frame.atoms.cell.array),
    )


def _n_atoms(case: HighEnergyCase) -> int:
    return sum(len(frame.atoms) for frame in case.frames)


def cases(dataset: Dataset, mode: Mode) -> Sequence[HighEnergyCase]:
    """One case for each usable material of the set; the cheapest in quick mode."""
    found = [
        HighEnergyCase(case.name, case.frames, case.system)
        for case in dataset.of_task("high-energy")
        if isinstance(case, FramesCase)
    ]
    return cheapest(found, QUICK_CASES, _n_atoms) if mode is Mode.QUICK else found
