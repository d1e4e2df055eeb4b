"""Elastic moduli."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import ClassVar

import numpy as np

from umlip_bench.analysis.elastic import (
    ELASTIC,
    FIXED,
    RELAXED,
    STRAIN,
    SUITE,
    ElasticComparison,
    ReferenceModuli,
    case_table,
    elastic_metrics,
    elastic_rows,
)
from umlip_bench.analysis.elasticity import is_stable
from umlip_bench.analysis.paired import CaseMedian, PairedMetric
from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation
from umlip_bench.ground.units import GPA

PREFIXES = {FIXED: "fixed", RELAXED: "relaxed"}
PAIRED = {FIXED: "fixed_", RELAXED: "relaxed_"}

SHEAR = Headline("shear_modulus_scale_median", None, "shear moduli")
BULK = Headline("bulk_modulus_scale_median", None, "bulk moduli")
CASE_SCALES = {SHEAR: "shear_modulus_scale", BULK: "bulk_modulus_scale"}
QUANTITIES = {
    "bulk": Quantity("bulk modulus", "GPa", BULK.metric),
    "shear": Quantity("shear modulus", "GPa", SHEAR.metric),
}


class ElasticAnalysis(SuiteAnalysis[ElasticComparison]):
    """The suite ``elastic``."""

    name: ClassVar[str] = SUITE
    presentation: ClassVar[Presentation] = ELASTIC
    variants: ClassVar[tuple[str, ...]] = (FIXED, RELAXED)
    headlines: ClassVar[tuple[Headline, ...]] = (SHEAR, BULK)
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = tuple(
        each
        for kind in ("shear", "bulk")
        for each in (
            CaseMedian(f"{kind}_modulus_scale_median", "", f"{kind}_modulus_scale", PAIRED),
            CaseMedian(
                f"{kind}_modulus_error_median",
                "GPa",
                f"{kind}_modulus_error",
                PAIRED,
                absolute=True,
            ),
        )
    )

    def metrics(self, result: ElasticComparison) -> Mapping[str, float | int]:
        """Numbers of both variants, by prefix."""
        return {
            f"{PREFIXES[variant]}_{key}": value
            for variant, numbers in elastic_metrics(result).items()
            for key, value in asdict(numbers).items()
        }

    def to_arrays(self, result: ElasticComparison) -> Mapping[str, np.ndarray]:
        """Elastic constants and DFT's moduli; what there is not is left out."""
        arrays = {
            "fixed_failure": np.array(result.fixed_failure),
            "relaxed_failure": np.array(result.relaxed_failure),
            "strain": np.array(result.strain),
            "residuals": np.array([result.fixed_residual, result.relaxed_residual]),
        }
        if result.reference is not None:
            arrays["reference"] = np.array([result.reference.bulk, result.reference.shear])
        for key, constants in (("fixed", result.fixed), ("relaxed", result.relaxed)):
            if constants is not None:
                arrays[key] = constants
        return arrays

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> ElasticComparison:
        """The comparison again."""
        reference = arrays.get("reference")
        # Up to version 3 of the suite neither was kept.
        fixed_residual, relaxed_residual = arrays.get("residuals", np.full(2, np.nan))
        return ElasticComparison(
            name=name,
            reference=None if reference is None else ReferenceModuli(*map(float, reference)),
            fixed=arrays.get("fixed"),
            relaxed=arrays.get("relaxed"),
            fixed_failure=str(arrays["fixed_failure"]),
            relaxed_failure=str(arrays["relaxed_failure"]),
            strain=float(arrays.get("strain", STRAIN)),
            fixed_residual=float(fixed_residual),
            relaxed_residual=float(relaxed_residual),
        )

    def rows(
        self, model: str, data: str, results: Sequence[ElasticComparison], n_failed: int
    ) -> list[Row]:
        """Medians over materials and shares, with intervals."""
        return elastic_rows(model, data, results, n_failed)

    def case_table(self, results: Sequence[ElasticComparison]) -> CaseTable:
        """Moduli of each material."""
        return case_table(results)

    def faults(self, result: ElasticComparison, variant: str) -> tuple[str, ...]:
        """Constants that are missing, or those of an unstable crystal."""
        constants, failure = (
            (result.relaxed, result.relaxed_failure)
            if variant == RELAXED
            else (result.fixed, result.fixed_failure)
        )
        if constants is None:
            return (NO_RESULT,) if failure else ()
        return () if is_stable(constants) else ("mechanically unstable",)

    def system(self, result: ElasticComparison) -> str:
        """Each case is a material."""
        return result.name

    def old_scale(
        self, metrics: Mapping[str, float | int], variant: str, headline: Headline
    ) -> float:
        """A modulus over DFT's."""
        return float(metrics.get(f"{PREFIXES[variant]}_{CASE_SCALES[headline]}", float("nan")))

    def parities(self, result: ElasticComparison, variant: str) -> tuple[Parity, ...]:
        """Bulk and shear modulus of a stable crystal."""
        metrics = elastic_metrics(result).get(variant)
        if result.reference is None or metrics is None or not metrics.is_stable:
            return ()
        return tuple(
            Parity(
                quantity,
                np.array([getattr(result.reference, kind) / GPA]),
                np.array([getattr(metrics, f"{kind}_modulus")]),
            )
            for kind, quantity in QUANTITIES.items()
        )

    def scaled(self, result: ElasticComparison, factor: float) -> ElasticComparison:
        """Elastic constants times the factor."""

        def scaled_constants(constants: np.ndarray | None) -> np.ndarray | None:
            return None if constants is None else factor * constants

        return replace(
            result,
            fixed=scaled_constants(result.fixed),
            relaxed=scaled_constants(result.relaxed),
        )
