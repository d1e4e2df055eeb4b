"""Suites of one energy per case: surfaces, defects, solid solutions, migration barriers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, TypeVar

import numpy as np

from umlip_bench.analysis import energies, migration
from umlip_bench.analysis.defects import DEFECTS, DefectResult, defect_table
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
from umlip_bench.analysis.solid_solutions import (
    MILLI,
    SOLID_SOLUTIONS,
    OrderingResult,
    ordering_table,
    solution_rows,
)
from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.surfaces import SI, SURFACES, SurfaceResult, surface_table, wulff_rows
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


class SurfacesAnalysis(EnergyAnalysis[SurfaceResult]):
    """The suite ``surfaces``."""

    name: ClassVar[str] = "surfaces"
    presentation: ClassVar[Presentation] = SURFACES
    variants: ClassVar[tuple[str, ...]] = FIXED_AND_RELAXED
    headlines: ClassVar[tuple[Headline, ...]] = _headlines("surface energies")
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = _paired("J/m^2", "_si", SI)
    quantity: ClassVar[Quantity] = Quantity("surface energy", "J/m²", "energy_scale")
    plotted_unit: ClassVar[float] = SI

    def comparison(self, result: SurfaceResult) -> EnergyComparison:
        """Surface energies in eV/Å²."""
        return result.comparison

    def metrics(self, result: SurfaceResult) -> Mapping[str, float | int]:
        """Surface energies in eV/Å² and, ending in ``_si``, in J/m²."""
        numbers = super().metrics(result)
        converted = {
            f"{name}_si": value / SI
            for name, value in numbers.items()
            if name.endswith(("_reference", "_model"))
        }
        return {**numbers, **converted}

    def to_arrays(self, result: SurfaceResult) -> Mapping[str, np.ndarray]:
        """Values, Miller index, lattice, and what was left out."""
        lattice = np.full((3, 3), np.nan) if result.lattice is None else result.lattice
        return {
            **energies.comparison_to_arrays(result.comparison),
            "miller_index": np.array(result.miller_index),
            "lattice": lattice,
            "left_out": np.array(result.left_out, dtype=str),
        }

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> SurfaceResult:
        """The result again; a lattice of nan stands for none."""
        lattice = np.asarray(arrays["lattice"], dtype=float)
        return SurfaceResult(
            energies.comparison_from_arrays(name, arrays),
            tuple(int(index) for index in arrays["miller_index"]),
            None if np.isnan(lattice).any() else lattice,
            tuple(str(words) for words in arrays["left_out"]),
        )

    def rows(
        self, model: str, data: str, results: Sequence[SurfaceResult], n_failed: int
    ) -> list[Row]:
        """Errors in eV/Å² and J/m², scales, and averages over the Wulff shape where there is one."""
        rows = super().rows(model, data, results, n_failed)
        converted = [
            energies.in_unit(row, "si", "J/m^2", SI)
            for row in rows
            if row.metric in energies.ERRORS
        ]
        shapes = [
            row
            for variant in FIXED_AND_RELAXED
            for row in wulff_rows(RowHead(model, data, self.name, variant, n_failed), results)
        ]
        return rows + converted + shapes

    def case_table(self, results: Sequence[SurfaceResult]) -> CaseTable:
        """Surface energies face by face, and the share of each in the Wulff shape."""
        return surface_table(results)

    def scaled(self, result: SurfaceResult, factor: float) -> SurfaceResult:
        """Surface energies times the factor."""
        return replace(result, comparison=scaled_comparison(result.comparison, factor))


class DefectsAnalysis(EnergyAnalysis[DefectResult]):
    """The suite ``defects``."""

    name: ClassVar[str] = "defects"
    presentation: ClassVar[Presentation] = DEFECTS
    variants: ClassVar[tuple[str, ...]] = FIXED_AND_RELAXED
    headlines: ClassVar[tuple[Headline, ...]] = _headlines("defect energies")
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = _paired("eV")
    quantity: ClassVar[Quantity] = Quantity("formation energy", "eV", "energy_scale")

    def comparison(self, result: DefectResult) -> EnergyComparison:
        """Formation energies in eV."""
        return result.comparison

    def metrics(self, result: DefectResult) -> Mapping[str, float | int]:
        """Formation energies in eV, and the largest displacement in Å."""
        return {
            **super().metrics(result),
            "largest_displacement": result.largest_displacement,
        }

    def to_arrays(self, result: DefectResult) -> Mapping[str, np.ndarray]:
        """Values and displacement."""
        return {
            **energies.comparison_to_arrays(result.comparison),
            "largest_displacement": np.array(result.largest_displacement),
        }

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> DefectResult:
        """The result again."""
        return DefectResult(
            energies.comparison_from_arrays(name, arrays), float(arrays["largest_displacement"])
        )

    def case_table(self, results: Sequence[DefectResult]) -> CaseTable:
        """Formation energies one by one."""
        return defect_table(results)

    def scaled(self, result: DefectResult, factor: float) -> DefectResult:
        """Formation energies times the factor."""
        return replace(result, comparison=scaled_comparison(result.comparison, factor))


class SolidSolutionsAnalysis(EnergyAnalysis[OrderingResult]):
    """The suite ``solid-solutions``."""

    name: ClassVar[str] = "solid-solutions"
    presentation: ClassVar[Presentation] = SOLID_SOLUTIONS
    variants: ClassVar[tuple[str, ...]] = FIXED_AND_RELAXED
    headlines: ClassVar[tuple[Headline, ...]] = _headlines("mixing energies")
    paired_metrics: ClassVar[tuple[PairedMetric, ...]] = _paired("meV/atom", "_mev", MILLI)
    quantity: ClassVar[Quantity] = Quantity("mixing energy", "meV/atom", "energy_scale")
    plotted_unit: ClassVar[float] = MILLI

    def comparison(self, result: OrderingResult) -> EnergyComparison:
        """Mixing energies in eV/atom."""
        return result.comparison

    def metrics(self, result: OrderingResult) -> Mapping[str, float | int]:
        """Mixing energies in eV/atom, and the fraction."""
        return {**super().metrics(result), "fraction": result.fraction}

    def to_arrays(self, result: OrderingResult) -> Mapping[str, np.ndarray]:
        """Values, and what a fit over all orderings needs."""
        return {
            **energies.comparison_to_arrays(result.comparison),
            "group": np.array(result.group),
            "fraction": np.array(result.fraction),
            "sites_per_atom": np.array(result.sites_per_atom),
        }

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> OrderingResult:
        """The result again."""
        return OrderingResult(
            energies.comparison_from_arrays(name, arrays),
            str(arrays["group"]),
            float(arrays["fraction"]),
            float(arrays["sites_per_atom"]),
        )

    def rows(
        self, model: str, data: str, results: Sequence[OrderingResult], n_failed: int
    ) -> list[Row]:
        """Errors, scales, rankings and miscibility gaps."""
        rows = super().rows(model, data, results, n_failed)
        converted = [
            energies.in_unit(row, "mev", "meV/atom", MILLI)
            for row in rows
            if row.metric in energies.ERRORS
        ]
        followed = [
            row
            for variant in FIXED_AND_RELAXED
            for row in solution_rows(RowHead(model, data, self.name, variant, n_failed), results)
        ]
        return rows + converted + followed

    def case_table(self, results: Sequence[OrderingResult]) -> CaseTable:
        """Mixing energies one by one, and the fits."""
        return ordering_table(results)

    def scaled(self, result: OrderingResult, factor: float) -> OrderingResult:
        """Mixing energies times the factor."""
        return replace(result, comparison=scaled_comparison(result.comparison, factor))


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
        )
