"""Suites of one energy per case: surfaces, defects, solid solutions, migration barriers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np

from umlip_bench.analysis import energies, migration
from umlip_bench.analysis.energies import EnergyComparison, Standing, Variant
from umlip_bench.analysis.migration import MIGRATION, MigrationComparison, Profile
from umlip_bench.analysis.paired import SIGNED_ERROR, FloatArray, PairedMetric, Pooled, SystemMedian
from umlip_bench.analysis.softening import (
    N_COMPONENTS,
    SUM_XX,
    SUM_YY,
    inverse_of,
    mae_of,
    slope_of,
)
from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation

R = TypeVar("R")

FIXED_AND_RELAXED = (Variant.FIXED, Variant.RELAXED)


FAULTS = {
    Standing.UNCONVERGED: "relaxation not converged",
    Standing.CHANGED: "relaxed into something else",
    Standing.FAILED: NO_RESULT,
}
"""Standings that are a fault of the model, in words."""


class EnergyAnalysis(SuiteAnalysis[R]):
    """What suites of energies share.

    Attributes
    ----------
    quantity
        What is plotted.
    plotted_unit
        Its unit, in that of the comparisons.
    """

    quantity: ClassVar[Quantity]
    plotted_unit: ClassVar[float] = 1.0

    @abstractmethod
    def comparison(self, result: R) -> EnergyComparison:
        """The energies of a result."""

    def metrics(self, result: R) -> Mapping[str, float | int]:
        """Energies, and whether they are comparable and converged."""
        return energies.comparison_metrics(self.comparison(result))

    def rows(self, model: str, data: str, results: Sequence[R], n_failed: int) -> list[Row]:
        """Errors and scales of all variants."""
        comparisons = [self.comparison(result) for result in results]
        variants = [Variant(variant) for variant in self.variants]
        return energies.energy_rows(model, data, self.name, comparisons, n_failed, variants)

    def faults(self, result: R, variant: str) -> tuple[str, ...]:
        """Energies that are missing, or of a geometry that is not the one that was to be relaxed."""
        return tuple(
            FAULTS[value.standing]
            for value in self.comparison(result).values
            if value.variant == variant and value.standing in FAULTS
        )

    def system(self, result: R) -> str:
        """The material that the comparison names."""
        return self.comparison(result).system

    def old_scale(
        self, metrics: Mapping[str, float | int], variant: str, headline: Headline
    ) -> float:
        """The model's energy over DFT's."""
        prefix = variant.replace("-", "_")
        if not metrics.get(f"{prefix}_comparable"):
            return float("nan")
        reference = metrics[f"{prefix}_reference"]
        return metrics[f"{prefix}_model"] / reference if reference else float("nan")

    def parities(self, result: R, variant: str) -> tuple[Parity, ...]:
        """One point, if it is comparable."""
        value = self.comparison(result).value(Variant(variant))
        if value is None or not value.comparable:
            return ()
        x, y = np.array([[value.reference], [value.model]]) / self.plotted_unit
        return (Parity(self.quantity, x, y),)


def scaled_comparison(comparison: EnergyComparison, factor: float) -> EnergyComparison:
    """The comparison with the model's energies times a factor."""
    values = tuple(replace(value, model=factor * value.model) for value in comparison.values)
    return replace(comparison, values=values)


def _signed_error_of(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., SIGNED_ERROR] / sums[..., N_COMPONENTS])


def _paired(unit: str, suffix: str = "", size: float = 1.0) -> tuple[PairedMetric, ...]:
    """What all these suites compare; errors in a unit given in that of the energies."""
    return (
        Pooled("energy_scale", "", slope_of, weight=SUM_XX),
        Pooled("inverse", "", inverse_of, weight=SUM_YY),
        Pooled(f"mae{suffix}", unit, mae_of, size, weight=SUM_XX),
        Pooled(f"mean_signed_error{suffix}", unit, _signed_error_of, size, weight=SUM_XX),
        SystemMedian("scale_median", "", slope_of),
    )


def _headlines(label: str) -> tuple[Headline, ...]:
    return (Headline("energy_scale", "inverse", label),)


class MigrationAnalysis(EnergyAnalysis[MigrationComparison]):
    """The suite ``migration``."""

    name: ClassVar[str] = migration.SUITE
    presentation: ClassVar[Presentation] = MIGRATION
    variants: ClassVar[tuple[str, ...]] = migration.VARIANTS
    headlines: ClassVar[tuple[Headline, ...]] = _headlines("migration barriers")
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = _paired("eV")
    quantity: ClassVar[Quantity] = Quantity("kinetically resolved barrier", "eV", "energy_scale")

    def comparison(self, result: MigrationComparison) -> EnergyComparison:
        """Kinetically resolved barriers in eV."""
        return result.energies

    def metrics(self, result: MigrationComparison) -> Mapping[str, float | int]:
        """Barriers in eV, resolved, forward and backward, and saddles."""
        return migration.metrics(result)

    def to_arrays(self, result: MigrationComparison) -> Mapping[str, np.ndarray]:
        """Barriers and profiles."""
        return migration.profiles_to_arrays(result)

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> MigrationComparison:
        """The result again."""
        return migration.profiles_from_arrays(name, arrays)

    def rows(
        self, model: str, data: str, results: Sequence[MigrationComparison], n_failed: int
    ) -> list[Row]:
        """Errors and scales of all variants."""
        return migration.migration_rows(model, data, results, n_failed)

    def case_table(self, results: Sequence[MigrationComparison]) -> CaseTable:
        """Barriers one by one."""
        return migration.case_table(results)

    def scaled(self, result: MigrationComparison, factor: float) -> MigrationComparison:
        """Barriers and profiles times the factor, along the same paths."""

        def scaled_profile(profile: Profile) -> Profile:
            return replace(profile, energies=factor * profile.energies)

        return replace(
            result,
            energies=scaled_comparison(result.energies, factor),
            profiles=tuple(scaled_profile(profile) for profile in result.profiles),
            force_slope=factor * result.force_slope,
        )
