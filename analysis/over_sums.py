"""How sums of cases become rows of the summary: pooled statistics, and medians of each material's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.clusters import median_over_clusters
from umlip_bench.analysis.intervals import (
    IDENTITY,
    LOG,
    LOG_COMPLEMENT,
    NO_VALUE,
    Estimate,
    Scale,
    Statistic,
    clustered_median_estimate,
    median_estimate,
    pooled_estimate,
)
from umlip_bench.analysis.over import WITHOUT_INTERVAL, Median, Over, Value
from umlip_bench.analysis.paired import (
    PairedEstimate,
    paired_median_estimate,
    paired_pooled_estimate,
)
from umlip_bench.analysis.softening import SUM_XX, SUM_YY, inverse_of, mae_of, r2_of, slope_of

FloatArray = NDArray[np.float64]


def _by_system(
    systems: Sequence[str], values: Sequence[Value]
) -> tuple[list[str], list[list[FloatArray]]]:
    """Sums of the cases of each material that have any."""
    found: dict[str, list[FloatArray]] = {}
    for name, value in zip(systems, values, strict=True):
        sums = np.asarray(value, dtype=np.float64)
        if np.isfinite(sums).all():
            found.setdefault(name, []).append(sums if sums.ndim == 1 else sums.sum(axis=0))
    return list(found), list(found.values())


@dataclass(frozen=True)
class Systems(Over):
    """How many materials the cases that have a value belong to."""

    unit: str | None = ""
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """The number."""
        of, sums = _by_system(systems, values)
        return Estimate(float(len(of)), None, None, sum(map(len, sums)), WITHOUT_INTERVAL)


@dataclass(frozen=True)
class Pooled(Over):
    """A statistic of sums over all cases, with the jackknife interval over materials.

    Parameters
    ----------
    statistic
        From sums of shape (..., k) to values of shape (...).
    weight
        Column of the sums that says how much a material counts; ``None`` as in `pooled_estimate`.
    on
        Scale on which the jackknife is made.
    ratio
        Whether it is one of x and y, which there is not where either is zero throughout.
    """

    _: KW_ONLY
    statistic: Statistic
    weight: int | None = SUM_XX
    on: Scale = IDENTITY
    ratio: bool = True
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Counts cases."""
        _, cases = _by_system(systems, values)
        sums = np.array([np.sum(of_system, axis=0) for of_system in cases])
        if not len(sums) or (self.ratio and not (sums[:, SUM_XX].any() and sums[:, SUM_YY].any())):
            return Estimate(float("nan"), None, None, 0, NO_VALUE)
        weights = None if self.weight is None else sums[:, self.weight]
        estimate = pooled_estimate(sums, self.statistic, weights, self.on)
        return replace(estimate, n=sum(map(len, cases)))

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """By the paired jackknife."""
        assert self.weight is not None
        sums, n = _both(systems, first, second)
        if sums is None:
            return None
        estimate = paired_pooled_estimate(*sums, self.statistic, self.weight)
        return replace(estimate, n_cases=n) if np.isfinite(estimate.difference) else None

    def of_case(self, value: Value) -> float:
        """The statistic of its own sums; nan if it has none."""
        return _statistic_of(self.statistic, value) / self.size


pooled_slope = partial(Pooled, statistic=slope_of)
"""Slope of the model on DFT through the origin."""
pooled_inverse = partial(Pooled, statistic=inverse_of, weight=SUM_YY)
"""Best factor on the model."""
# What is left unexplained moves r2 away from one, by the few materials where most of it is: which those are
# the jackknife tells itself.
pooled_r2 = partial(Pooled, statistic=r2_of, weight=None, on=LOG_COMPLEMENT)
"""Uncentred r2."""
pooled_mae = partial(Pooled, statistic=mae_of, on=LOG, ratio=False)
"""Mean absolute error."""


@dataclass(frozen=True)
class SystemMedian(Over):
    """Median over materials of a statistic of each one's sums, by order statistics; counts cases."""

    _: KW_ONLY
    statistic: Statistic
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the materials that have the statistic."""
        # Not by the hierarchical bootstrap: of few cases it draws the scatter within a system a second time,
        # and covers 0.99 for 40 systems of 1 to 6.
        _, cases = _by_system(systems, values)
        totals = [np.sum(of_system, axis=0) for of_system in cases]
        found = [_statistic_of(self.statistic, total) for total in totals if total[SUM_XX] > 0.0]
        known = [value for value in found if np.isfinite(value)]
        n = sum(map(len, cases))
        return replace(median_estimate(known), n=n)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """By order statistics, of the materials that have the statistic on both sides."""
        sums, n = _both(systems, first, second)
        if sums is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.array([self.statistic(side) for side in sums])
        known = np.isfinite(values).all(axis=0)
        if not known.any():
            return None
        return replace(paired_median_estimate(*values[:, known]), n_cases=n)

    def of_case(self, value: Value) -> float:
        """The statistic of its own sums."""
        return _statistic_of(self.statistic, value) / self.size


@dataclass(frozen=True)
class ClusteredMedian(Median):
    """Median over materials of a statistic of each one's sums over frames, by the hierarchical bootstrap.

    Each case is a material, its value sums of shape (frames, k).
    """

    _: KW_ONLY
    statistic: Statistic
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """With the scatter among frames in the interval, where there are enough materials.

        Where several cases are of one material, the scatter among those is: it includes that among frames.
        """
        if len(set(systems)) < len(systems):
            return median_over_clusters([self.of_case(sums) for sums in values], systems)
        return clustered_median_estimate([np.asarray(sums) for sums in values], self.statistic)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Medians, and the median of the differences, of the materials as they are."""
        sides = ([self.of_case(sums) for sums in side] for side in (first, second))
        return super().compare(systems, *sides)

    def of_case(self, value: Value) -> float:
        """The statistic over all its frames."""
        return _statistic_of(self.statistic, value) / self.size


def _both(
    systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
) -> tuple[tuple[FloatArray, FloatArray] | None, int]:
    """Sums of each material on both sides, and number of cases, of those with sums on both."""
    pairs = np.array(list(zip(first, second, strict=True)), dtype=np.float64)
    known = np.isfinite(pairs).all(axis=(1, 2)) if len(pairs) else np.zeros(0, dtype=bool)
    if not known.any():
        return None, 0
    names = np.array(systems, dtype=str)[known]
    sums = np.array([pairs[known][names == n].sum(axis=0) for n in dict.fromkeys(names.tolist())])
    return (sums[:, 0], sums[:, 1]), int(known.sum())


def _statistic_of(statistic: Statistic, value: Value) -> float:
    sums = np.asarray(value, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(statistic(sums if sums.ndim == 1 else sums.sum(axis=0)))
