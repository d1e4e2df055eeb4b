"""Intervals where cases come in clusters: closed forms, and coverage."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from tests.support.narrowing import some
from umlip_bench.analysis.clusters import (
    effective_cases,
    median_over_clusters,
    share_over_clusters,
    sign_test,
)
from umlip_bench.analysis.intervals import median_estimate, share_estimate
from umlip_bench.analysis.paired import holm, paired_median_estimate


def names(numbers: range | np.ndarray) -> list[str]:
    return [f"c{k}" for k in numbers]


def test_cases_alone_have_the_exact_intervals() -> None:
    values = np.random.default_rng(1).normal(size=15)
    assert median_over_clusters(values, names(range(15))) == median_estimate(values)
    assert share_over_clusters(values > 0, names(range(15))) == share_estimate(sum(values > 0), 15)


@pytest.mark.parametrize("copies", [2, 5])
def test_copies_are_worth_one_case(copies: int) -> None:
    """Entries of one formula that agree are one observation: the design effect is their number."""
    d = np.array([0.5, -0.5] * 10)
    worth = effective_cases(np.repeat(d, copies), names(np.repeat(np.arange(20), copies)))
    t = stats.t.ppf(0.975, [19, 20 * copies - 1])
    assert_allclose(worth, 20 * 19 / 20 * (t[1] / t[0]) ** 2)
    values = np.random.default_rng(2).normal(size=20)
    alone = median_estimate(values)
    among = median_over_clusters(np.repeat(values, copies), names(np.repeat(range(20), copies)))
    assert some(among.low) <= some(alone.low)
    assert some(among.high) >= some(alone.high)
    assert among.n == 20 * copies


def test_few_clusters_have_no_interval() -> None:
    clusters = names(np.repeat(range(5), 10))
    assert median_over_clusters(np.arange(50.0), clusters).low is None
    assert share_over_clusters(np.arange(50) > 20, clusters).low is None
    assert sign_test(np.arange(50.0), clusters) is None


def test_ranks_count() -> None:
    values = np.r_[np.full(4, -np.inf), np.arange(12.0)]
    found = median_over_clusters(values, names(np.repeat(range(8), 2)))
    assert (found.value, found.n_below, found.n) == (3.5, 4, 16)
    assert found.low == -np.inf


@pytest.mark.seconds
@pytest.mark.parametrize(("n_clusters", "largest"), [(10, 3), (30, 5)])
def test_coverage_at_the_correlation_of_oxides(n_clusters: int, largest: int) -> None:
    """Nominally 0.95; 300 draws scatter by 0.013."""
    rng = np.random.default_rng(3)
    hits = []
    for _ in range(300):
        sizes = rng.integers(1, largest + 1, n_clusters)
        which = np.repeat(np.arange(n_clusters), sizes)
        values = 0.6 * rng.normal(size=n_clusters)[which] + 0.8 * rng.normal(size=len(which))
        median = median_over_clusters(values, names(which))
        share = share_over_clusters(values < stats.norm.ppf(0.8), names(which))
        hits.append(
            (some(median.low) <= 0 <= some(median.high), some(share.low) <= 0.8 <= some(share.high))
        )
    assert (np.mean(hits, axis=0) > 0.925).all()


def test_p_values_go_with_the_intervals() -> None:
    """Six differences of one sign: 2 / 2^6. With one of the other sign in nine: 2 (1 + 9) / 2^9."""
    six = paired_median_estimate(np.zeros(6), np.arange(1.0, 7.0))
    assert_allclose(some(six.p_value), 2 / 2**6)
    nine = paired_median_estimate(np.zeros(9), np.r_[-1.0, np.arange(1.0, 9.0)])
    assert_allclose(some(nine.p_value), 20 / 2**9)
    assert (some(nine.low) > 0) == (some(nine.p_value) <= 0.05)
    assert paired_median_estimate(np.zeros(5), np.ones(5)).p_value is None
    nothing = paired_median_estimate(np.ones(8), np.ones(8))
    assert nothing.p_value == 1.0


def test_holm_by_hand() -> None:
    """Four rows: two stand at 0.02 and 0.03, the others do not."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([None, 0.04]) == [None, 0.04]
    assert holm([]) == []
