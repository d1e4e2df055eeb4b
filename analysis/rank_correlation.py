"""Whether two quantities rank the same things alike: Spearman's and Kendall's coefficients.

The interval of Spearman's rho is Fisher's z with the variance of D. G. Bonett and T. A. Wright
(Psychometrika 65, 23 (2000)), (1 + rho^2 / 2) / (n - 3). Coverage of nominal 95 % intervals in simulations
that ``tests/analysis/test_rank_correlation.py`` repeats, bivariate normal values of n = 6, 8, 15 and 30
things and true coefficients from 0 to 0.9: 0.94 to 0.99.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]

RANKED_FROM = 3
"""Things from which on an order says anything."""
INTERVAL_FROM = 6
"""Things from which on rho has an interval."""


@dataclass(frozen=True)
class RankCorrelation:
    """How alike two quantities rank some things.

    Parameters
    ----------
    rho
        Spearman's coefficient, dimensionless: 1 for the same order, -1 for the opposite one; nan for fewer
        than `RANKED_FROM` things or where one of the quantities is the same for all.
    low, high
        Ends of its 95 % interval; both ``None`` for fewer than `INTERVAL_FROM` things, or where the order
        is the same or the opposite throughout.
    tau
        Kendall's coefficient (tau-b); nan where rho is.
    n
        Things that are ranked.
    """

    rho: float
    low: float | None
    high: float | None
    tau: float
    n: int


def rank_correlation(first: ArrayLike, second: ArrayLike) -> RankCorrelation:
    """Rank correlation of two quantities.

    Parameters
    ----------
    first, second
        One value each of every thing, in the same order, shape (n,). Minus and plus infinity rank below and
        above all values.

    Raises
    ------
    DataError
        If shapes differ, or a value is nan.
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1 or np.isnan(x).any() or np.isnan(y).any():
        raise DataError(
            f"values of shapes {x.shape} and {y.shape}: one number of each per thing is needed"
        )
    n = len(x)
    if n < RANKED_FROM or len(set(x)) == 1 or len(set(y)) == 1:
        return RankCorrelation(float("nan"), None, None, float("nan"), n)
    ranks = scipy.stats.rankdata(x), scipy.stats.rankdata(y)
    rho = float(np.corrcoef(*ranks)[0, 1])
    tau = float(scipy.stats.kendalltau(*ranks).statistic)
    low, high = _interval(rho, n)
    return RankCorrelation(rho, low, high, tau, n)


def _interval(rho: float, n: int) -> tuple[float | None, float | None]:
    # Of a perfect order the transform is infinite: nothing is known of how far from perfect it may be.
    if n < INTERVAL_FROM or abs(rho) > 1.0 - 1e-12:
        return None, None
    quantile = float(scipy.stats.norm.ppf((1.0 + CONFIDENCE) / 2.0))
    half = quantile * np.sqrt((1.0 + rho**2 / 2.0) / (n - 3.0))
    z = np.arctanh(rho)
    return float(np.tanh(z - half)), float(np.tanh(z + half))
