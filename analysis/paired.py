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

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from umlip_bench.analysis.clusters import median_over_clusters, sign_test
from umlip_bench.analysis.intervals import (
    CONFIDENCE,
    EFFECTIVE_FROM,
    Statistic,
    effective_number,
)
from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]

PAIRED_JACKKNIFE_FROM = 8
"""Systems from which on the paired jackknife is used."""
PAIRED_JACKKNIFE = (
    "paired delete-one-system jackknife, t quantiles for the effective number of systems"
)


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
    p_value
        Two-sided, of no difference, by the method of the interval: at most 0.05 where zero is outside it,
        else above; of clustered medians, where the sign test takes the place of Woodruff's interval, only
        nearly so. ``None`` without an interval.
    n_ranked
        Cases that are left out since on a side they have no value but a rank.
    """

    first: float
    second: float
    difference: float
    low: float | None
    high: float | None
    n_cases: int
    n_systems: int
    method: str
    p_value: float | None
    n_ranked: int = 0


def paired_median_estimate(
    first: ArrayLike, second: ArrayLike, systems: Sequence[str] | None = None
) -> PairedEstimate:
    """Median of paired differences with the order statistic (sign test) interval.

    As `umlip_bench.analysis.intervals.median_estimate` of the differences: whatever their distribution, the
    coverage is 0.950 to 0.983 for 16 to 100 systems, 0.961 to 0.992 for 6 to 15: exactly so for continuous
    values, more for others.
    Source: W. J. Conover, Practical Nonparametric Statistics (1999), section 3.4.

    Parameters
    ----------
    first, second
        One value per case in the same order, shape (n,), at least one.
    systems
        Of each case; ``None`` if each is one. Where they repeat, the interval is over them
        (`umlip_bench.analysis.clusters`).

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
    clusters = list(map(str, range(len(x)))) if systems is None else systems
    estimate = median_over_clusters(y - x, clusters)
    return PairedEstimate(
        first=float(np.median(x)),
        second=float(np.median(y)),
        difference=estimate.value,
        low=estimate.low,
        high=estimate.high,
        n_cases=len(x),
        n_systems=len(set(clusters)),
        method=estimate.method,
        p_value=sign_test(y - x, clusters),
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
    estimate = PairedEstimate(before, after, difference, None, None, n, n, PAIRED_JACKKNIFE, None)
    effective = min(effective_number(sums[:, weight]) for sums in (x, y))
    if n < PAIRED_JACKKNIFE_FROM or effective < EFFECTIVE_FROM or not np.isfinite(without).all():
        return estimate
    error = float(np.sqrt((n - 1) / n * np.sum((without - difference) ** 2)))
    half = error * float(scipy.stats.t.ppf((1.0 + CONFIDENCE) / 2.0, effective - 1.0))
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.abs(difference) / error
    # Without a difference and without an error, nothing is resolved.
    p = 1.0 if np.isnan(size) else 2.0 * float(scipy.stats.t.sf(size, effective - 1.0))
    return replace(estimate, low=difference - half, high=difference + half, p_value=p)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """P values adjusted for how many there are, by Holm's step-down (Scand. J. Stat. 6, 65 (1979)).

    The chance that any of those at most 0.05 is of no difference is at most 5 %, however the rows depend on
    each other.

    Parameters
    ----------
    p_values
        ``None`` for rows without an interval, which are not tested and stay ``None``.
    """
    tested = sorted((p, k) for k, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, k) in enumerate(tested):
        largest = max(largest, min(1.0, (len(tested) - rank) * p))
        adjusted[k] = largest
    return adjusted
