"""Phonons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np

from umlip_bench.analysis.paired import CaseMedian, PairedMetric
from umlip_bench.analysis.phonons import (
    FIXED,
    PHONONS,
    RELAXED,
    SUITE,
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
    case_table,
    phonon_metrics,
    phonon_rows,
    signed_squares,
)
from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation

PREFIXES = {FIXED: "fixed", RELAXED: "relaxed"}
PAIRED = {FIXED: "fixed_", RELAXED: "relaxed_"}

SQUARES = Quantity("signed squared frequency", "THz²", "curvature_scale_median")
HIGHEST = Quantity("highest frequency", "THz", "max_ratio_median")
FORCE_CONSTANTS = Quantity("force constant", "eV/Å²", "force_constant_slope_median")


class PhononAnalysis(SuiteAnalysis[PhononComparison]):
    """The suite ``phonons``."""

    name: ClassVar[str] = SUITE
    presentation: ClassVar[Presentation] = PHONONS
    variants: ClassVar[tuple[str, ...]] = (FIXED, RELAXED)
    headlines: ClassVar[tuple[Headline, ...]] = (
        Headline("curvature_scale_median", "curvature_inverse_median", "squared frequencies"),
    )
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = (
        *(
            CaseMedian(f"{key}_median", unit, key, PAIRED)
            for key, unit in (
                ("curvature_scale", ""),
                ("curvature_inverse", ""),
                ("curvature_r2", ""),
                ("max_ratio", ""),
                ("mean_ratio", ""),
                ("band_mae", "THz"),
                ("dos_overlap", ""),
                ("force_constant_slope", ""),
                ("force_constant_r2", ""),
            )
        ),
        CaseMedian("entropy_mae", "J/(mol K)", "entropy_error", PAIRED, absolute=True),
        CaseMedian("free_energy_mae", "meV/atom", "free_energy_error", PAIRED, absolute=True),
    )

    def metrics(self, result: PhononComparison) -> Mapping[str, float | int]:
        """Numbers of both variants, by prefix."""
        return {
            f"{PREFIXES[variant]}_{key}": value
            for variant, numbers in phonon_metrics(result).items()
            for key, value in asdict(numbers).items()
        }

    def to_arrays(self, result: PhononComparison) -> Mapping[str, np.ndarray]:
        """Frequencies and force constants of all sides; one that there is not is left out."""
        path = result.sampling.path
        arrays = {
            "weights": result.sampling.weights,
            "path_qpoints": path.qpoints,
            "path_distances": path.distances,
            "path_segments": path.segments,
            "path_labels": np.array(path.labels),
            "not_comparable": np.array(result.not_comparable),
            "not_relaxed": np.array(result.not_relaxed),
        }
        if result.reference_heat_capacity is not None:
            arrays["reference_heat_capacity"] = np.array(result.reference_heat_capacity)
        sides = (
            ("reference", result.reference),
            ("fixed", result.fixed),
            ("relaxed", result.relaxed),
        )
        for key, side in sides:
            if side is not None:
                arrays[f"{key}_mesh"] = side.mesh
                arrays[f"{key}_bands"] = side.bands
                arrays[f"{key}_commensurate"] = side.commensurate
                arrays[f"{key}_force_constants"] = side.force_constants
        return arrays

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> PhononComparison:
        """The comparison again."""

        def side(key: str) -> Phonons:
            parts = ("mesh", "bands", "commensurate", "force_constants")
            return Phonons(*(arrays[f"{key}_{part}"] for part in parts))

        path = BandPath(
            qpoints=arrays["path_qpoints"],
            distances=arrays["path_distances"],
            segments=arrays["path_segments"],
            labels=tuple((str(first), str(last)) for first, last in arrays["path_labels"]),
        )
        capacity = arrays.get("reference_heat_capacity")
        return PhononComparison(
            name=name,
            sampling=FrequencySampling(arrays["weights"], path),
            reference=side("reference") if "reference_mesh" in arrays else None,
            reference_heat_capacity=None if capacity is None else float(capacity),
            fixed=side("fixed"),
            relaxed=side("relaxed") if "relaxed_mesh" in arrays else None,
            not_comparable=str(arrays["not_comparable"]),
            not_relaxed=str(arrays["not_relaxed"]),
        )

    def rows(
        self, model: str, data: str, results: Sequence[PhononComparison], n_failed: int
    ) -> list[Row]:
        """Medians over materials and shares, with intervals."""
        return phonon_rows(model, data, results, n_failed)

    def case_table(self, results: Sequence[PhononComparison]) -> CaseTable:
        """Phonons of each material."""
        return case_table(results)

    def faults(self, result: PhononComparison, variant: str) -> tuple[str, ...]:
        """Modes that are imaginary, at wave vectors of the supercell or by interpolation alone."""
        side = result.relaxed if variant == RELAXED else result.fixed
        if side is None:
            return (NO_RESULT,) if result.not_relaxed else ()
        if not side.is_stable:
            return ("imaginary modes",)
        return ("imaginary modes by interpolation alone",) if side.dips else ()

    def system(self, result: PhononComparison) -> str:
        """Each case is a material."""
        return result.name

    def old_scale(
        self, metrics: Mapping[str, float | int], variant: str, headline: Headline
    ) -> float:
        """Slope of signed squared frequencies."""
        return float(metrics.get(f"{PREFIXES[variant]}_curvature_scale", float("nan")))

    def parities(self, result: PhononComparison, variant: str) -> tuple[Parity, ...]:
        """Signed squared and highest frequencies and, at DFT's geometry, force constants."""
        dft, model = result.reference, result.relaxed if variant == RELAXED else result.fixed
        if dft is None or model is None:
            return ()
        squares = Parity(
            SQUARES, signed_squares(dft.mesh).ravel(), signed_squares(model.mesh).ravel()
        )
        highest = Parity(HIGHEST, np.array([dft.highest]), np.array([model.highest]))
        if variant == RELAXED:
            return squares, highest
        constants = Parity(
            FORCE_CONSTANTS, dft.force_constants.ravel(), model.force_constants.ravel()
        )
        return squares, highest, constants

    def scaled(self, result: PhononComparison, factor: float) -> PhononComparison:
        """Force constants times the factor, frequencies times its root."""

        def scaled_side(side: Phonons) -> Phonons:
            root = np.sqrt(factor)
            return Phonons(
                mesh=root * side.mesh,
                bands=root * side.bands,
                commensurate=root * side.commensurate,
                force_constants=factor * side.force_constants,
            )

        return replace(
            result,
            fixed=scaled_side(result.fixed),
            relaxed=None if result.relaxed is None else scaled_side(result.relaxed),
        )
