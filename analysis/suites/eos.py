"""Equations of state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np

from umlip_bench.analysis.eos import (
    EOS,
    FIXED,
    GPA,
    RELAXED,
    SUITE,
    Curve,
    EosComparison,
    case_table,
    eos_metrics,
    eos_rows,
)
from umlip_bench.analysis.paired import CaseMedian, PairedMetric
from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation
from umlip_bench.ground.birch_murnaghan import Equilibrium

PREFIXES = {FIXED: "fixed", RELAXED: "relaxed"}

PAIRED = {FIXED: "fixed_", RELAXED: "relaxed_"}
PERCENT = 0.01

BULK_MODULUS = Quantity("bulk modulus", "GPa", "bulk_modulus_scale_median")


class EosAnalysis(SuiteAnalysis[EosComparison]):
    """The suite ``eos``."""

    name: ClassVar[str] = SUITE
    presentation: ClassVar[Presentation] = EOS
    variants: ClassVar[tuple[str, ...]] = (FIXED, RELAXED)
    headlines: ClassVar[tuple[Headline, ...]] = (
        Headline("bulk_modulus_scale_median", None, "bulk moduli"),
    )
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = (
        CaseMedian("bulk_modulus_scale_median", "", "bulk_modulus_scale", PAIRED),
        CaseMedian("volume_error_mae", "%", "volume_error", PAIRED, PERCENT, absolute=True),
        CaseMedian("derivative_mae", "", "derivative_error", PAIRED, absolute=True),
        CaseMedian("energy_slope_median", "", "energy_slope", PAIRED),
        CaseMedian("delta_median", "meV/atom", "delta", PAIRED),
        CaseMedian("nu_median", "%", "nu", PAIRED),
    )

    def metrics(self, result: EosComparison) -> Mapping[str, float | int]:
        """Errors of one material."""
        return asdict(eos_metrics(result))

    def to_arrays(self, result: EosComparison) -> Mapping[str, np.ndarray]:
        """All curves; one that there is not is left out."""
        arrays = {"n_atoms": np.array(result.n_atoms), "note": np.array(result.note)}
        if result.reference is not None:
            arrays["reference"] = np.array(list(asdict(result.reference).values()))
        curves = (
            ("reference_points", result.reference_points),
            ("fixed", result.fixed),
            ("relaxed", result.relaxed),
        )
        for key, curve in curves:
            if curve is not None:
                arrays[key] = np.array([curve.volumes, curve.energies])
        return arrays

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> EosComparison:
        """The comparison again."""

        def curve(key: str) -> Curve | None:
            return Curve(*arrays[key]) if key in arrays else None

        return EosComparison(
            name=name,
            n_atoms=int(arrays["n_atoms"]),
            reference=Equilibrium(*map(float, arrays["reference"]))
            if "reference" in arrays
            else None,
            reference_points=curve("reference_points"),
            fixed=curve("fixed"),
            relaxed=curve("relaxed"),
            note=str(arrays["note"]),
        )

    def rows(
        self, model: str, data: str, results: Sequence[EosComparison], n_failed: int
    ) -> list[Row]:
        """Medians over materials, with intervals."""
        return eos_rows(model, data, results, n_failed)

    def case_table(self, results: Sequence[EosComparison]) -> CaseTable:
        """The model's own equations of state."""
        return case_table(results)

    def faults(self, result: EosComparison, variant: str) -> tuple[str, ...]:
        """Curves that are missing, or have no minimum."""
        curve = result.relaxed if variant == RELAXED else result.fixed
        if curve is None:
            # Without a reference there is no geometry of DFT to be measured at.
            return (NO_RESULT,) if variant == RELAXED or result.reference is not None else ()
        return ("no minimum",) if curve.equilibrium is None else ()

    def system(self, result: EosComparison) -> str:
        """Each case is a material."""
        return result.name

    def scale(self, metrics: Mapping[str, float | int], variant: str, headline: Headline) -> float:
        """Bulk modulus over DFT's."""
        return float(metrics[f"{PREFIXES[variant]}_bulk_modulus_scale"])

    def parities(self, result: EosComparison, variant: str) -> tuple[Parity, ...]:
        """Bulk moduli, at the volume of the variant."""
        if result.reference is None:
            return ()
        scale = getattr(eos_metrics(result), f"{PREFIXES[variant]}_bulk_modulus_scale")
        if np.isnan(scale):
            return ()
        x = np.array([result.reference.bulk_modulus / GPA])
        return (Parity(BULK_MODULUS, x, scale * x),)

    def scaled(self, result: EosComparison, factor: float) -> EosComparison:
        """The model's energies times the factor, at the same volumes."""

        def scaled_curve(curve: Curve | None) -> Curve | None:
            return None if curve is None else replace(curve, energies=factor * curve.energies)

        return replace(
            result, fixed=scaled_curve(result.fixed), relaxed=scaled_curve(result.relaxed)
        )
