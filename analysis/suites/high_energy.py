"""High-energy suite: forces, energies and stresses of the frames of a material."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np

from umlip_bench.analysis.high_energy import (
    SUITE,
    VARIANT,
    FrameComparison,
    Geometry,
    MaterialComparison,
    high_energy_rows,
    material_metrics,
)
from umlip_bench.analysis.high_energy_table import HIGH_ENERGY, suspicious_table
from umlip_bench.analysis.label_suspicion import label_suspicion
from umlip_bench.analysis.paired import CaseMedian, PairedMetric
from umlip_bench.analysis.suites.base import Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation
from umlip_bench.ground.units import GPA

FORCES = Quantity("force component", "eV/Å", "slope_pooled")
ENERGIES = Quantity("energy difference among equal compositions", "meV/atom", None)
STRESSES = Quantity("stress component", "GPa", None)

MILLI = 1e-3


class HighEnergyAnalysis(SuiteAnalysis[MaterialComparison]):
    """The suite ``high-energy``."""

    name: ClassVar[str] = SUITE
    presentation: ClassVar[Presentation] = HIGH_ENERGY
    variants: ClassVar[tuple[str, ...]] = (VARIANT,)
    headlines: ClassVar[tuple[Headline, ...]] = (
        Headline("slope_median", "inverse_median", "forces"),
    )
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = tuple(
        CaseMedian(metric, unit, key, {VARIANT: ""})
        for metric, unit, key in (
            ("slope_median", "", "slope"),
            ("inverse_median", "", "inverse"),
            ("r2_median", "", "r2"),
            ("mae", "eV/Å", "mae"),
            ("cmae_rotate", "eV/Å", "cmae_rotate"),
            ("cmae_mse", "eV/Å", "cmae_mse"),
            ("energy_slope_median", "", "energy_slope"),
            ("stress_slope_median", "", "stress_slope"),
        )
    )

    def metrics(self, result: MaterialComparison) -> Mapping[str, float | int]:
        """Slopes and errors of one material."""
        numbers = asdict(material_metrics(result))
        del numbers["name"]
        return numbers

    def to_arrays(self, result: MaterialComparison) -> Mapping[str, np.ndarray]:
        """Geometries, labels and predictions; those of atoms are concatenated in frame order."""
        frames = result.frames
        nothing = np.full((3, 3), np.nan)

        def stresses(values: Sequence[np.ndarray | None]) -> np.ndarray:
            return np.array([nothing if s is None else s for s in values])

        arrays = {
            "composition": np.array([f.composition for f in frames]),
            "n_atoms": np.array([f.n_atoms for f in frames]),
            "energy_reference": np.array([f.energy_reference for f in frames]),
            "energy_model": np.array([f.energy_model for f in frames]),
            "forces_reference": np.concatenate([f.forces_reference for f in frames]),
            "forces_model": np.concatenate([f.forces_model for f in frames]),
            "stress_reference": stresses([f.stress_reference for f in frames]),
            "stress_model": stresses([f.stress_model for f in frames]),
        }
        geometries = [f.geometry for f in frames if f.geometry is not None]
        if len(geometries) == len(frames):
            arrays["numbers"] = np.concatenate([g.numbers for g in geometries])
            arrays["positions"] = np.concatenate([g.positions for g in geometries])
            arrays["cell"] = np.array([g.cell for g in geometries])
        return arrays

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> MaterialComparison:
        """The comparison again; a stress of nan stands for none."""
        ends = np.cumsum(arrays["n_atoms"])[:-1]
        forces_reference = np.split(arrays["forces_reference"], ends)
        forces_model = np.split(arrays["forces_model"], ends)
        geometries: list[Geometry | None] = [None] * len(arrays["n_atoms"])
        if "cell" in arrays:
            geometries = [
                Geometry(*each)
                for each in zip(
                    np.split(arrays["numbers"], ends),
                    np.split(arrays["positions"], ends),
                    arrays["cell"],
                    strict=True,
                )
            ]

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
                    geometry=geometries[k],
                )
                for k in range(len(arrays["n_atoms"]))
            ),
        )

    def rows(
        self, model: str, data: str, results: Sequence[MaterialComparison], n_failed: int
    ) -> list[Row]:
        """Medians over materials and pooled values, with intervals."""
        return high_energy_rows(model, data, results, n_failed)

    def case_table(self, results: Sequence[MaterialComparison]) -> CaseTable | None:
        """Materials whose labels are suspicious; ``None`` where there are none."""
        return suspicious_table([material_metrics(result) for result in results])

    def faults(self, result: MaterialComparison, variant: str) -> tuple[str, ...]:
        """Labels that are probably mistaken, so that the slope is not softness."""
        metrics = material_metrics(result)
        suspicious = label_suspicion(metrics.slope, metrics.r2) is not None
        return (
            "labels that are probably mistaken, so that the slope is not softness",
        ) * suspicious

    def system(self, result: MaterialComparison) -> str:
        """Each case is a material."""
        return result.name

    def old_scale(
        self, metrics: Mapping[str, float | int], variant: str, headline: Headline
    ) -> float:
        """Slope of the forces."""
        return float(metrics["slope"])

    def parities(self, result: MaterialComparison, variant: str) -> tuple[Parity, ...]:
        """Force components, energies above the mean of their composition, stress components."""
        frames = result.frames
        found = [
            Parity(
                FORCES,
                np.concatenate([f.forces_reference.ravel() for f in frames]),
                np.concatenate([f.forces_model.ravel() for f in frames]),
            )
        ]
        energies = [_centred(same) for same in _by_composition(frames)]
        if energies:
            x, y = np.concatenate(energies, axis=1) / MILLI
            found.append(Parity(ENERGIES, x, y))
        voigt = np.triu_indices(3)
        stresses = [
            (f.stress_reference[voigt], f.stress_model[voigt])
            for f in frames
            if f.stress_reference is not None and f.stress_model is not None
        ]
        if stresses:
            x, y = np.concatenate(stresses, axis=1) / GPA
            found.append(Parity(STRESSES, x, y))
        return tuple(found)

    def scaled(self, result: MaterialComparison, factor: float) -> MaterialComparison:
        """Energies, of which only differences count, forces and stresses times the factor."""
        frames = tuple(
            replace(
                frame,
                energy_model=factor * frame.energy_model,
                forces_model=factor * frame.forces_model,
                stress_model=None if frame.stress_model is None else factor * frame.stress_model,
            )
            for frame in result.frames
        )
        return MaterialComparison(result.name, frames)


def _by_composition(frames: Sequence[FrameComparison]) -> list[list[FrameComparison]]:
    """Frames that can be compared in energy: at least two of a composition."""
    groups: dict[str, list[FrameComparison]] = {}
    for frame in frames:
        if not np.isnan(frame.energy_reference):
            groups.setdefault(frame.composition, []).append(frame)
    return [group for group in groups.values() if len(group) > 1]


def _centred(frames: Sequence[FrameComparison]) -> np.ndarray:
    """Energies per atom above their mean, shape (2, n), eV: DFT's and the model's."""
    both = np.array([[f.energy_reference, f.energy_model] for f in frames]).T
    both /= [f.n_atoms for f in frames]
    return np.asarray(both - both.mean(axis=1, keepdims=True))
