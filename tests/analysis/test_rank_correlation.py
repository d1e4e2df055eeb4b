"""Rank correlations: small cases by hand, scipy, and the coverage of the interval by simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from umlip_bench.analysis.rank_correlation import INTERVAL_FROM, rank_correlation
from umlip_bench.ground.errors import DataError


def test_by_hand() -> None:
    """One exchange among five: rho = 1 - 6 * 2 / (5 * 24), tau = (9 - 1) / 10."""
    found = rank_correlation([1, 2, 3, 4, 5], [10, 20, 40, 30, 50])
    assert found.rho == pytest.approx(0.9)
    assert found.tau == pytest.approx(0.8)
    assert found.n == 5
    assert found.low is None
    assert found.high is None


def test_only_order_counts() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 12))
    found = rank_correlation(x, y)
    assert rank_correlation(np.exp(x), y**3) == found
    assert rank_correlation(y, x).rho == pytest.approx(found.rho)
    opposite = rank_correlation(x, -y)
    assert opposite.rho == pytest.approx(-found.rho)
    assert opposite.high == pytest.approx(-(found.low or math.nan))
    assert found.rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert found.tau == pytest.approx(stats.kendalltau(x, y).statistic)


def test_ranks_without_a_value() -> None:
    infinite = rank_correlation([1.0, 2.0, 3.0, 4.0], [-math.inf, 0.3, 0.2, math.inf])
    assert infinite == rank_correlation([1.0, 2.0, 3.0, 4.0], [-9.0, 0.3, 0.2, 9.0])


def test_ties_and_too_few() -> None:
    x, y = [1, 2, 2, 4, 5, 5], [3, 1, 1, 2, 7, 8]
    assert rank_correlation(x, y).rho == pytest.approx(stats.spearmanr(x, y).statistic)
    assert math.isnan(rank_correlation([1, 2], [1, 2]).rho)
    assert math.isnan(rank_correlation([1, 1, 1], [1, 2, 3]).tau)


def test_a_perfect_order_has_no_interval() -> None:
    found = rank_correlation(range(9), range(9))
    assert found.rho == pytest.approx(1.0)
    assert found.low is None


def test_bad_values() -> None:
    with pytest.raises(DataError, match="one number of each"):
        rank_correlation([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="one number of each"):
        rank_correlation([1.0, math.nan, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.coverage
@pytest.mark.parametrize("n", [INTERVAL_FROM, 8, 15, 30])
@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6, 0.9])
def test_coverage(n: int, correlation: float) -> None:
    """Of normal values, whose rho is 6 / pi asin(r / 2) (M. Kendall, Rank Correlation Methods, 1970)."""
    truth = 6.0 / math.pi * math.asin(correlation / 2.0)
    rng = np.random.default_rng([n, round(10 * correlation)])
    hits = []
    for _ in range(2000):
        x, other = rng.normal(size=(2, n))
        found = rank_correlation(x, correlation * x + math.sqrt(1.0 - correlation**2) * other)
        # A perfect order has no interval: it says nothing, and is not wrong.
        if found.low is not None and found.high is not None:
            hits.append(found.low <= truth <= found.high)
    assert 0.94 <= np.mean(hits) <= 0.99
