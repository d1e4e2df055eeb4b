"""Intervals: small cases by hand, and the coverage of every method by simulation.

The simulated materials have 2 to 24 atoms, 5 to 20 frames, forces of log-normal size between
materials and between frames, a slope of 0.85 that scatters by 0.08 and noise of 15 % of the force.
Truths come from 40000 materials. All seeds are fixed, so the coverages asserted are reproducible.
"""

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from tests.support.narrowing import some
from umlip_bench.analysis import intervals
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.intervals import (
    Estimate,
    clustered_median_estimate,
    median_estimate,
    pooled_estimate,
    share_estimate,
)
from umlip_bench.analysis.over_sums import (
    pooled_inverse,
    pooled_mae,
    pooled_r2,
    pooled_slope,
)
from umlip_bench.analysis.softening import inverse_of, mae_of, r2_of, slope_of
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.defects.result import DefectResult
from umlip_bench.ground.errors import DataError

STATISTICS = {"slope": slope_of, "inverse": inverse_of, "r2": r2_of, "mae": mae_of}
OVER = {"slope": pooled_slope, "inverse": pooled_inverse, "r2": pooled_r2, "mae": pooled_mae}


def pooled(name: str) -> Callable[[np.ndarray], Estimate]:
    """From totals of materials, as the summary has it."""
    return lambda totals: OVER[name]().estimate(list(map(str, range(len(totals)))), list(totals))


POOLED = {name: pooled(name) for name in OVER}


def simulate(
    rng: np.random.Generator, n: int, size_spread: float = 0.6, correlation: float = 0.0
) -> list[np.ndarray]:
    """Per-frame sums, shape (n_frames, 5), drawn without drawing components."""
    materials = []
    for _ in range(n):
        components = 3 * rng.integers(2, 25)
        frames = rng.integers(5, 21)
        size, own = rng.normal(size=2)
        slope = 0.85 + 0.08 * (correlation * size + np.sqrt(1 - correlation**2) * own)
        scale = np.exp(size_spread * size)
        noise = 0.15 * scale * np.exp(0.4 * rng.normal())
        # x is normal, y = slope x + noise g: g splits into a part along x and a remainder.
        xx = (scale * np.exp(0.4 * rng.normal(size=frames))) ** 2 * rng.chisquare(
            components, size=frames
        )
        along = noise * rng.normal(size=frames)
        xy = slope * xx + np.sqrt(xx) * along
        rest = noise**2 * rng.chisquare(components - 1, size=frames)
        yy = slope**2 * xx + 2 * slope * np.sqrt(xx) * along + along**2 + rest
        # Mean of abs(y - x) of normal errors from their mean square.
        absolute = np.sqrt(2 / np.pi * components * (xx - 2 * xy + yy))
        count = np.full(frames, components)
        materials.append(np.stack([xx, xy, yy, absolute, count], axis=1))
    return materials


def totals_of(materials: list[np.ndarray]) -> np.ndarray:
    return np.array([frames.sum(axis=0) for frames in materials])


def covers(estimate: Estimate, truth: float) -> bool:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low <= truth <= estimate.high


def test_median_by_hand() -> None:
    result = median_estimate([6.0, 1.0, 5.0, 2.0, 4.0, 3.0])
    assert (result.value, result.low, result.high, result.n) == (3.5, 1.0, 6.0, 6)
    # n = 9: 2 P(B < 2) = 0.039, 2 P(B < 3) = 0.18: second smallest to second largest.
    result = median_estimate(np.arange(9.0))
    assert (result.value, result.low, result.high) == (4.0, 1.0, 7.0)


@pytest.mark.parametrize("n", range(6, 60))
def test_median_interval_is_the_shortest_that_covers(n: int) -> None:
    low = median_estimate(np.arange(float(n))).low
    assert low is not None
    k = round(low) + 1
    assert 2 * stats.binom.cdf(k - 1, n, 0.5) <= 0.05 < 2 * stats.binom.cdf(k, n, 0.5)


@pytest.mark.parametrize("n", range(1, 6))
def test_median_of_few_has_no_interval(n: int) -> None:
    result = median_estimate(np.arange(float(n)))
    assert result.value == (n - 1) / 2
    assert (result.low, result.high, result.n) == (None, None, n)


@pytest.mark.parametrize(("below", "above"), [(0, 3), (3, 0), (2, 2), (9, 0), (0, 9)])
def test_a_median_needs_no_more_than_ranks(below: int, above: int) -> None:
    """As of values that are far below, or above, wherever they are."""
    values = np.random.default_rng(0).normal(size=9)
    result = median_estimate(values, below=below, above=above)
    far = 1e6 * np.arange(1, 10)
    whole = median_estimate(np.concatenate([values, -far[:below], far[:above]]))
    assert result.low is not None
    assert whole.low is not None
    assert result.n == whole.n == 9 + below + above
    ends = ((result.low, some(whole.low)), (result.high, some(whole.high)))
    for found, exact in ends:
        assert found == (exact if abs(exact) < 1e3 else np.copysign(np.inf, exact))
    assert result.value == whole.value or abs(whole.value) > 1e3
    assert (result.n_below, result.n_above) == (below, above)


def test_a_median_between_ranks() -> None:
    assert median_estimate([1.0], below=2).value == -np.inf
    assert median_estimate([1.0], above=1).value == np.inf
    assert np.isnan(median_estimate([], below=1, above=1).value)


def test_no_materials() -> None:
    for result in (
        median_estimate([]),
        clustered_median_estimate([], slope_of),
        share_estimate(0, 0),
        pooled_estimate(np.empty((0, 5)), slope_of, []),
    ):
        assert np.isnan(result.value)
        assert (result.low, result.high, result.n) == (None, None, 0)


def test_median_refuses_nan_and_tables() -> None:
    with pytest.raises(DataError, match="nan"):
        median_estimate([1.0, np.nan])
    with pytest.raises(DataError, match="one per material"):
        median_estimate(np.ones((2, 2)))


def test_share_by_hand() -> None:
    result = share_estimate(15, 15)
    assert result.value == 1.0
    assert result.low == pytest.approx(0.025 ** (1 / 15))
    assert result.high == 1.0
    # Tabulated Clopper-Pearson interval of 5 out of 10.
    result = share_estimate(5, 10)
    assert (result.low, result.high) == (
        pytest.approx(0.1871, abs=1e-4),
        pytest.approx(0.8129, abs=1e-4),
    )
    with pytest.raises(DataError, match="7 of 6"):
        share_estimate(7, 6)


def test_pooled_jackknife_by_hand() -> None:
    # The mean of 1..6 with equal weights: the jackknife error is that of the mean, 5 d.o.f.
    sums = np.stack([np.arange(1.0, 7.0), np.ones(6)], axis=1)
    result = pooled_estimate(sums, lambda s: s[..., 0] / s[..., 1], np.ones(6))
    half = stats.t.ppf(0.975, 5) * np.std(sums[:, 0], ddof=1) / np.sqrt(6)
    assert result.value == 3.5
    assert (result.low, result.high) == (pytest.approx(3.5 - half), pytest.approx(3.5 + half))


def test_pooled_without_interval() -> None:
    rng = np.random.default_rng(0)
    totals = totals_of(simulate(rng, 8))
    assert POOLED["slope"](totals[:5]).low is None
    dominated = totals.copy()
    dominated[0] *= 1e4
    assert POOLED["slope"](dominated).low is None
    proportional = totals.copy()
    proportional[:, 1] = 0.5 * totals[:, 0]
    proportional[:, 2] = 0.25 * totals[:, 0]
    assert POOLED["r2"](proportional).value == pytest.approx(1.0)
    assert POOLED["slope"](proportional).low == pytest.approx(0.5)


def test_pooled_r2_interval_stays_below_one() -> None:
    rng = np.random.default_rng(1)
    for _ in range(50):
        result = POOLED["r2"](totals_of(simulate(rng, 10, 0.3)))
        assert result.low is not None
        assert result.high is not None
        assert result.low <= result.value <= result.high < 1.0


def test_bootstrap_is_deterministic_and_free_of_units() -> None:
    materials = simulate(np.random.default_rng(2), 20)
    first = clustered_median_estimate(materials, slope_of)
    assert first == clustered_median_estimate(materials, slope_of)
    assert first.method == intervals.BOOTSTRAP
    in_other_units = [sums * np.array([9.0, 9.0, 9.0, 3.0, 1.0]) for sums in materials]
    other = clustered_median_estimate(in_other_units, slope_of)
    assert other.value == pytest.approx(first.value)
    assert other.low == pytest.approx(first.low)


def test_bootstrap_starts_at_sixteen() -> None:
    materials = simulate(np.random.default_rng(3), 16)
    assert clustered_median_estimate(materials, slope_of).method == intervals.BOOTSTRAP
    below = clustered_median_estimate(materials[:15], slope_of)
    assert below == median_estimate([slope_of(t) for t in totals_of(materials[:15])])


def test_bootstrap_leaves_out_draws_without_forces() -> None:
    materials = simulate(np.random.default_rng(4), 16)
    quiet = np.array([[0.0, 0.0, 0.0, 0.0, 3.0], [2.0, 1.6, 1.4, 0.3, 3.0]])
    result = clustered_median_estimate([*materials, quiet], slope_of)
    assert result.low is not None
    assert np.isfinite([some(result.value), some(result.low), some(result.high)]).all()


@pytest.mark.coverage
@pytest.mark.parametrize("n", [6, 10, 15])
def test_coverage_of_order_statistics(n: int) -> None:
    # Exact: 0.969, 0.979, 0.965. Log-normal values, median 1.
    rng = np.random.default_rng(10 + n)
    hits = [covers(median_estimate(np.exp(rng.normal(size=n))), 1.0) for _ in range(3000)]
    assert np.mean(hits) == pytest.approx({6: 0.969, 10: 0.979, 15: 0.965}[n], abs=0.012)


@pytest.mark.coverage
@pytest.mark.parametrize("n", [6, 10, 15, 40])
@pytest.mark.parametrize("share", [0.5, 0.8, 0.97])
def test_coverage_of_shares(n: int, share: float) -> None:
    # No sampling: the coverage is a sum over the n + 1 outcomes.
    outcomes = np.arange(n + 1)
    hit = [covers(share_estimate(int(count), n), share) for count in outcomes]
    assert stats.binom.pmf(outcomes, n, share)[hit].sum() >= 0.95


@pytest.fixture(scope="module")
def population() -> np.ndarray:
    return totals_of(simulate(np.random.default_rng(20), 40_000))


@pytest.mark.coverage
@pytest.mark.parametrize("n", [6, 10, 15])
def test_coverage_of_small_sample_medians(population: np.ndarray, n: int) -> None:
    rng = np.random.default_rng(30 + n)
    samples = [simulate(rng, n) for _ in range(500)]
    for name, statistic in STATISTICS.items():
        truth = float(np.median(statistic(population)))
        hits = [covers(clustered_median_estimate(s, statistic), truth) for s in samples]
        assert np.mean(hits) >= 0.95, name


@pytest.mark.coverage
@pytest.mark.parametrize("n", [16, 40])
def test_coverage_of_bootstrap(population: np.ndarray, n: int) -> None:
    rng = np.random.default_rng(40 + n)
    samples = [simulate(rng, n) for _ in range(500)]
    for name, statistic in STATISTICS.items():
        truth = float(np.median(statistic(population)))
        hits = [covers(clustered_median_estimate(s, statistic, 400), truth) for s in samples]
        assert 0.92 <= np.mean(hits) <= 0.98, (name, np.mean(hits))


@pytest.fixture(scope="module", params=[0.3, 0.9])
def spread_and_truth(request: pytest.FixtureRequest) -> tuple[float, np.ndarray]:
    population = totals_of(simulate(np.random.default_rng(20), 40_000, request.param))
    return request.param, population.sum(axis=0)


@pytest.mark.coverage
@pytest.mark.parametrize("n", [6, 10, 15, 16, 40])
def test_coverage_of_pooled_ratios(spread_and_truth: tuple[float, np.ndarray], n: int) -> None:
    # With 4000 samples: slope 0.945 to 0.973, inverse 0.943 to 0.972, MAE 0.931 to 0.965 over these cases
    # and a spread of 0.6; r2 0.955 to 0.966. The bounds leave room for 1500 samples.
    spread, population = spread_and_truth
    rng = np.random.default_rng(50 + n)
    samples = [totals_of(simulate(rng, n, spread)) for _ in range(1500)]
    for name, estimate in POOLED.items():
        truth = float(STATISTICS[name](population))
        results = [estimate(totals) for totals in samples]
        hits = [covers(result, truth) for result in results if result.low is not None]
        assert 0.92 <= np.mean(hits) <= 0.98, name
        # Where a material or two dominate there is no interval: most often among few, wide-spread.
        assert len(hits) / len(samples) > 0.6, name


@pytest.mark.coverage
def test_coverage_of_pooled_slope_where_it_fails() -> None:
    # Slopes that follow the size of the forces: a documented limit of `pooled_estimate`, where the
    # medians, which weigh materials alike, keep their coverage.
    population = totals_of(simulate(np.random.default_rng(20), 20_000, correlation=0.6))
    rng = np.random.default_rng(60)
    samples = [totals_of(simulate(rng, 15, correlation=0.6)) for _ in range(1000)]
    truth = float(slope_of(population.sum(axis=0)))
    found = [POOLED["slope"](totals) for totals in samples]
    hits = [covers(result, truth) for result in found if result.low is not None]
    assert 0.85 < np.mean(hits) < 0.92
    median = float(np.median(slope_of(population)))
    assert np.mean([covers(median_estimate(slope_of(t)), median) for t in samples]) >= 0.95


# ---- one energy per case: few cases per system


def simulate_energies(
    rng: np.random.Generator, n: int, spread: float, most_cases: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """DFT's values, the model's, and the system of each: 1 to `most_cases` cases a system."""
    owner = np.repeat(np.arange(n), rng.integers(1, most_cases + 1, size=n))
    size, own = rng.normal(size=(2, n))
    x = np.exp(spread * size[owner] + 0.3 * rng.normal(size=len(owner)))
    y = (0.85 + 0.08 * own)[owner] * x + 0.1 * x * rng.normal(size=len(owner))
    return x, y, owner


def energy_estimates(
    x: np.ndarray, y: np.ndarray, owner: np.ndarray
) -> dict[str, tuple[float, float | None, float | None]]:
    """What the summary of these energies says: values and intervals by metric."""
    comparisons = [
        EnergyComparison(
            str(k),
            f"s{owner[k]}",
            "eV",
            (EnergyValue(EnergyVariant.FIXED, float(x[k]), float(y[k]), Standing.COMPARABLE),),
        )
        for k in range(len(x))
    ]
    rows = load_suite("defects").rows(
        "toy", "toy", [DefectResult(each, 0.0) for each in comparisons], 0
    )
    return {row.metric: (row.value, row.ci_low, row.ci_high) for row in rows}


ENERGY_METRICS = ("energy_scale", "inverse", "r2", "mae", "mean_signed_error")
"""Those by the jackknife; that of medians over systems is exact."""


@pytest.mark.coverage
@pytest.mark.parametrize("most_cases", [1, 6])
@pytest.mark.parametrize("spread", [0.3, 0.6])
@pytest.mark.parametrize("n", [16, 40])
def test_coverage_of_energy_rows(n: int, spread: float, most_cases: int) -> None:
    truth = energy_truth(spread, most_cases)
    rng = np.random.default_rng(70 + n)
    hits: dict[str, list[bool]] = {name: [] for name in ENERGY_METRICS}
    for _ in range(500):
        found = energy_estimates(*simulate_energies(rng, n, spread, most_cases))
        for name in ENERGY_METRICS:
            _, low, high = found[name]
            if low is not None and high is not None:
                hits[name].append(low <= truth[name] <= high)
    for name, covered in hits.items():
        assert len(covered) > 0.9 * 500, name
        assert 0.92 <= np.mean(covered) <= 0.98, name


def energy_truth(spread: float, most_cases: int) -> dict[str, float]:
    x, y, _ = simulate_energies(np.random.default_rng(1), 400_000, spread, most_cases)
    xx, xy, yy = x @ x, x @ y, y @ y
    return {
        "energy_scale": xy / xx,
        "inverse": xy / yy,
        "r2": xy**2 / xx / yy,
        "mae": float(np.abs(y - x).mean()),
        "mean_signed_error": float((y - x).mean()),
    }


@pytest.mark.parametrize("n", range(16, 101))
def test_exact_coverage_of_medians(n: int) -> None:
    """No sampling: the interval misses the median if fewer than k values are on one side of it."""
    low = median_estimate(np.arange(float(n))).low
    assert low is not None
    # The next interval inwards covers less than 95 %: above 98 % are 19, 22 and 27 only, by 0.003.
    assert 0.95 <= 1 - 2 * stats.binom.cdf(round(low), n, 0.5) <= 0.984
