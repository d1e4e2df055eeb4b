"""Paired differences between two models over the cases that both have.

Both are compared with the same DFT values, so that what makes a case easy or hard for both cancels: the
interval of a paired difference is narrower than two separate intervals suggest. The independent unit is
the system, as in `umlip_bench.analysis.intervals`.

Which method, and why (coverages are of nominal 95 % intervals in simulations that
``tests/analysis/test_comparison.py`` repeats):

- Medians, where a case or a system has a value of its own: the order statistic interval of the
  differences, which needs no distribution and is exact, from 6 systems on (`paired_median_estimate`).
- Pooled quantities: a jackknife that leaves out one system at a time on both sides at once, from 8
  systems on (`paired_pooled_estimate`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from umlip_bench.analysis.intervals import (
    CONFIDENCE,
    EFFECTIVE_FROM,
    ORDER_STATISTICS,
    Statistic,
    effective_number,
    median_estimate,
)
from umlip_bench.analysis.softening import component_sums
from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]
Metrics = Mapping[str, float | int]
"""Numbers of one case, as in cases.jsonl."""

PAIRED_JACKKNIFE_FROM = 8
"""Systems from which on the paired jackknife is used."""
PAIRED_JACKKNIFE = (
    "paired delete-one-system jackknife, t quantiles for the effective number of systems"
)

SIGNED_ERROR = 5
"""Column of `energy_sums` after those of `component_sums`: sum of y - x."""


@dataclass(frozen=True)
class PairedEstimate:
    """Two values over the same cases, and their difference with its 95 % interval.

    Parameters
    ----------
    first, second
        Over the cases that both have.
    difference
        Second minus first. Of medians it is the median of the differences, which is not the difference
        of the medians.
    low, high
        Ends of the interval of the difference; both ``None`` if there are too few systems for one whose
        coverage is known.
    n_cases
        Cases that both have.
    n_systems
        Systems that these belong to.
    method
        How the interval was made, or would be made with more systems.
    """

    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    n_cases: int
    n_systems: int
    method: str


def paired_median_estimate(first: ArrayLike, second: ArrayLike) -> PairedEstimate:
    """Median of paired differences with the order statistic (sign test) interval.

    As `umlip_bench.analysis.intervals.median_estimate` of the differences: whatever their distribution, the
    coverage is 0.950 to 0.983 for 16 to 100 systems, 0.961 to 0.992 for 6 to 15: exactly so for continuous
    values, more for others.
    Source: W. J. Conover, Practical Nonparametric Statistics (1999), section 3.4.

    Parameters
    ----------
    first, second
        One value per system in the same order, shape (n,), at least one.

    Raises
    ------
    DataError
        If shapes differ, there is nothing, or a value is nan.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.shape != y.shape or x.size == 0:
        raise DataError(
            f"values of shapes {x.shape} and {y.shape}: one of each per system is needed"
        )
    estimate = median_estimate(y - x)
    return PairedEstimate(
        first=float(np.median(x)),
        second=float(np.median(y)),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n_cases=len(x),
        n_systems=len(x),
        method=ORDER_STATISTICS,
    )


def paired_pooled_estimate(
    first_sums: ArrayLike, second_sums: ArrayLike, statistic: Statistic, weight: int
) -> PairedEstimate:
    """Difference of a statistic of pooled sums, with a paired delete-one-system jackknife interval.

    The interval is d +- t se with se^2 = (n - 1) / n sum((d_without_i - d)^2), d being the difference of
    the two statistics, and t of m - 1 degrees of freedom, m = (sum w)^2 / sum(w^2) being the effective
    number of systems (Kish), the smaller of the two sides. Sources as in
    `umlip_bench.analysis.intervals.pooled_estimate`.

    Coverage measured with 1 to 6 cases per system, values of log-normal size (sigma 0.3, 0.6, 0.9 between
    systems), and slopes and errors of the two models that are correlated, for n = 8, 10, 12, 16, 24 and 40,
    where there is an interval: differences of slopes 0.943 to 0.970, of inverses 0.947 to 0.970, of mean
    absolute errors 0.932 to 0.959, of mean errors 0.925 to 0.967. For n = 6 that of errors fell to 0.915.
    Slopes that correlate with the size at 0.3 do not lower it. Errors are dominated by the systems with the
    largest values, like slopes: with numbers of cases as weights the coverage of mean errors was 0.86 to
    0.96.

    Parameters
    ----------
    first_sums, second_sums
        Sums of each system in the same order, shape (n, k), at least one.
    statistic
        From sums of shape (..., k) to values of shape (...).
    weight
        Column of the sums that says how much a system counts in the statistic; not negative.

    Returns
    -------
    PairedEstimate
        No interval below 8 systems or two effective ones. ``n_cases`` counts systems.

    Raises
    ------
    DataError
        If shapes differ or there is nothing.
    """
    x, y = np.asarray(first_sums, dtype=np.float64), np.asarray(second_sums, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 2 or len(x) == 0:
        raise DataError(f"sums of shapes {x.shape} and {y.shape}: (n, k) of each is needed")
    n = len(x)
    totals = x.sum(axis=0), y.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        before, after = (float(statistic(total)) for total in totals)
        without = statistic(totals[1] - y) - statistic(totals[0] - x)
    difference = after - before
    estimate = PairedEstimate(before, after, difference, None, None, n, n, PAIRED_JACKKNIFE)
    effective = min(effective_number(sums[:, weight]) for sums in (x, y))
    if n < PAIRED_JACKKNIFE_FROM or effective < EFFECTIVE_FROM or not np.isfinite(without).all():
        return estimate
    error = float(np.sqrt((n - 1) / n * np.sum((without - difference) ** 2)))
    half = error * float(stats.t.ppf((1.0 + CONFIDENCE) / 2.0, effective - 1.0))
    return replace(estimate, low=difference - half, high=difference + half)


# ---- what suites compare


@dataclass(frozen=True)
class PairedCase:
    """A case that both sides have.

    Parameters
    ----------
    system
        The material.
    first, second
        Numbers of the case.
    """

    system: str
    first: Metrics
    second: Metrics


@dataclass(frozen=True)
class PairedMetric(ABC):
    """A metric of the summary that is compared case by case.

    Parameters
    ----------
    metric
        As in the summary.
    unit
        Of both values and of the difference.
    """

    metric: str
    unit: str

    @abstractmethod
    def compare(
        self, cases: Sequence[PairedCase], variant: str, other: str | None = None
    ) -> PairedEstimate | None:
        """Both values and their difference.

        Parameters
        ----------
        cases
            Those that both sides have; what has no value on one side in this variant is left out.
        variant
            Way of measuring.
        other
            That of the second side; the same if ``None``.

        Returns
        -------
        PairedEstimate or None
            ``None`` if no case has a value on both sides.
        """


@dataclass(frozen=True)
class CaseMedian(PairedMetric):
    """Median over cases of a number of each case.

    Parameters
    ----------
    key
        Its name among the numbers of a case, after the variant's prefix.
    prefixes
        What stands before the name, by variant; variants that are not in it do not have the number.
    size
        The unit, in that of the numbers.
    absolute
        Whether its absolute value is taken: for errors that have a sign.
    """

    key: str
    prefixes: Mapping[str, str]
    size: float = 1.0
    absolute: bool = False

    def value(self, numbers: Metrics, variant: str) -> float:
        """The number of one case; nan if it has none."""
        if variant not in self.prefixes:
            return float("nan")
        value = float(numbers.get(self.prefixes[variant] + self.key, float("nan"))) / self.size
        return abs(value) if self.absolute else value

    def compare(
        self, cases: Sequence[PairedCase], variant: str, other: str | None = None
    ) -> PairedEstimate | None:
        """Medians, and the median of the differences."""
        second = variant if other is None else other
        values = np.array(
            [[self.value(c.first, variant), self.value(c.second, second)] for c in cases]
        ).reshape(-1, 2)
        known = np.isfinite(values).all(axis=1)
        if not known.any():
            return None
        estimate = paired_median_estimate(*values[known].T)
        systems = {case.system for case, both in zip(cases, known, strict=True) if both}
        if len(systems) == estimate.n_cases:
            return estimate
        # Cases of one system are not independent: order statistics of cases would be too narrow.
        return replace(estimate, low=None, high=None, n_systems=len(systems))


@dataclass(frozen=True)
class EnergyMetric(PairedMetric):
    """A function of sums over the energies of comparable cases, of DFT (x) and of the model (y).

    Parameters
    ----------
    statistic
        From sums as of `energy_sums`, shape (..., 6), to values of shape (...).
    size
        The unit, in that of the numbers.
    """

    statistic: Statistic
    size: float = 1.0

    def compare(
        self, cases: Sequence[PairedCase], variant: str, other: str | None = None
    ) -> PairedEstimate | None:
        """Both values and their difference."""
        second = variant if other is None else other
        both = [
            (c.system, energy_sums(c.first, variant), energy_sums(c.second, second)) for c in cases
        ]
        known = [each for each in both if np.isfinite(each[1]).all() and np.isfinite(each[2]).all()]
        systems = np.array([system for system, _, _ in known], dtype=str)
        groups = [systems == name for name in dict.fromkeys(systems.tolist())]
        sums = np.array([[first, second] for _, first, second in known])
        if not groups:
            return None
        per_system = np.array([sums[group].sum(axis=0) for group in groups])
        estimate = self.estimate(per_system[:, 0], per_system[:, 1])
        if estimate is None or not np.isfinite(estimate.difference):
            return None
        return _in_unit(replace(estimate, n_cases=len(known)), self.size)

    @abstractmethod
    def estimate(self, first: FloatArray, second: FloatArray) -> PairedEstimate | None:
        """From the sums of each system, shape (n, 6), of both sides."""


@dataclass(frozen=True)
class Pooled(EnergyMetric):
    """The statistic of the sums over all cases.

    Parameters
    ----------
    weight
        Column of the sums that says how much a system counts.
    """

    weight: int = 0

    def estimate(self, first: FloatArray, second: FloatArray) -> PairedEstimate | None:
        """By the paired jackknife."""
        return paired_pooled_estimate(first, second, self.statistic, self.weight)


@dataclass(frozen=True)
class SystemMedian(EnergyMetric):
    """Median over systems of the statistic of each system's sums."""

    def estimate(self, first: FloatArray, second: FloatArray) -> PairedEstimate | None:
        """By order statistics, of the systems that have the statistic."""
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.array([self.statistic(first), self.statistic(second)])
        known = np.isfinite(values).all(axis=0)
        return paired_median_estimate(*values[:, known]) if known.any() else None


def energy_sums(numbers: Metrics, variant: str) -> FloatArray:
    """Sums of one energy: those of `component_sums`, then y - x; shape (6,), nan if not comparable.

    Parameters
    ----------
    numbers
        As from `umlip_bench.analysis.energies.comparison_metrics`.
    variant
        Way of measuring.
    """
    prefix = variant.replace("-", "_")
    if not numbers.get(f"{prefix}_comparable"):
        return np.full(6, np.nan)
    x, y = (float(numbers[f"{prefix}_{side}"]) for side in ("reference", "model"))
    return np.array([*component_sums(x, y), y - x])


def _in_unit(estimate: PairedEstimate, size: float) -> PairedEstimate:
    def converted(value: float | None) -> float | None:
        return None if value is None else value / size

    return replace(
        estimate,
        first=estimate.first / size,
        second=estimate.second / size,
        difference=estimate.difference / size,
        low=converted(estimate.low),
        high=converted(estimate.high),
    )
