"""Paired differences: known ones, and the coverage of their intervals by simulation.

The simulated systems have 1 to 6 cases each with values of log-normal size, and two models whose slopes and
errors are correlated, as those of real models are. All seeds are fixed: the coverages asserted are
reproducible.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.support.narrowing import some
from umlip_bench.analysis.compared_models import Side, sides
from umlip_bench.analysis.comparison import (
    PairedRow,
    compare,
    compare_frame,
    compare_variants,
    overlaps,
)
from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.over_sums import (
    Pooled,
)
from umlip_bench.analysis.paired import (
    PAIRED_JACKKNIFE_FROM,
    paired_median_estimate,
    paired_pooled_estimate,
)
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.runs import Run
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.defects.result import DefectResult
from umlip_bench.benchmarks.elastic.result import ElasticComparison, ReferenceModuli
from umlip_bench.benchmarks.solid_solutions.result import OrderingResult
from umlip_bench.ground.errors import DataError

from ..support.run_folders import FAILED, write_run

# ---- run folders


def materials(n: int, noise: float = 0.1, seed: int = 0) -> list[MaterialComparison]:
    """Materials of two frames whose forces are about 0.8 of DFT's."""
    rng = np.random.default_rng(seed)

    def frame() -> FrameComparison:
        x = rng.normal(size=(4, 3))
        energy = float(rng.normal())
        return FrameComparison(
            "A", energy, 0.8 * energy, x, 0.8 * x + noise * rng.normal(size=(4, 3))
        )

    return [MaterialComparison(f"m{k}", (frame(), frame())) for k in range(n)]


def defects(
    n: int, factor: float = 1.0, seed: int = 0, per_system: int = 2, shift: float = 0.0
) -> list[DefectResult]:
    """Formation energies of some systems, the model's times a factor."""
    rng = np.random.default_rng(seed)
    found = []
    for k in range(n):
        slope = rng.normal(0.85, 0.08)
        for case in range(per_system):
            x = float(rng.lognormal(0.0, 0.3))
            y = factor * (slope * x + 0.05 * float(rng.normal()))
            value = EnergyValue(EnergyVariant.FIXED, x + shift, y, Standing.COMPARABLE)
            comparison = EnergyComparison(f"s{k} case {case}", f"s{k}", "eV", (value,))
            found.append(DefectResult(comparison, 0.1))
    return found


def scaled(results: Sequence[MaterialComparison], factor: float) -> list[MaterialComparison]:
    return [all_suites()["high-energy"].scaled(result, factor) for result in results]


def pair(run: Run) -> tuple[Side, Side]:
    first, second = sides([run])
    return first, second


def row(rows: Sequence[PairedRow], metric: str) -> PairedRow:
    (found,) = [each for each in rows if each.metric == metric]
    return found


@pytest.fixture
def two_models(tmp_path: Path) -> Run:
    """A model, and the same with forces of 1.2 times the size."""
    soft = materials(20)
    return write_run(tmp_path / "two", {"high-energy": {"soft": soft, "better": scaled(soft, 1.2)}})


def test_a_known_factor_gives_the_known_difference(two_models: Run) -> None:
    rows = compare(*pair(two_models))
    slopes = np.array([r.metrics["slope"] for r in two_models.of("high-energy", "soft")])
    slope = row(rows, "slope_median")
    assert slope.first == pytest.approx(np.median(slopes))
    assert slope.second == pytest.approx(1.2 * np.median(slopes))
    assert slope.difference == pytest.approx(0.2 * np.median(slopes))
    # n = 20: the sixth smallest to the sixth largest, 2 P(B < 6) = 0.041.
    ordered = np.sort(0.2 * slopes)
    assert (slope.ci_low, slope.ci_high) == (pytest.approx(ordered[5]), pytest.approx(ordered[14]))
    assert slope.resolved
    # Multiplying a model changes no r2, and so no corrected error.
    assert row(rows, "r2_median").difference == pytest.approx(0.0, abs=1e-12)
    assert row(rows, "cmae_mse").difference == pytest.approx(0.0, abs=1e-12)


def test_the_interval_is_narrower_than_two_separate_ones(two_models: Run) -> None:
    first, second = pair(two_models)
    slope = row(compare(first, second), "slope_median")
    separate = [
        two_models.find("high-energy", "fixed-geometry", side.model, "slope_median")
        for side in (first, second)
    ]
    widths = [some(some(each).ci_high) - some(some(each).ci_low) for each in separate]
    assert some(slope.ci_high) - some(slope.ci_low) < 0.5 * min(widths)


@pytest.mark.seconds
def test_exchanging_the_sides_changes_the_sign(two_models: Run, tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "defects",
        {"defects": {"a": defects(20), "b": defects(20, factor=1.1, seed=1)}},
    )
    for first, second in (pair(two_models), pair(run)):
        forwards, backwards = compare(first, second), compare(second, first)
        assert forwards
        for one, other in zip(forwards, backwards, strict=True):
            assert (one.metric, one.first, one.second) == (other.metric, other.second, other.first)
            assert one.difference == pytest.approx(-other.difference)
            assert some(one.ci_low) == pytest.approx(-some(other.ci_high))
            assert some(one.ci_high) == pytest.approx(-some(other.ci_low))


def test_identical_runs_differ_by_nothing(tmp_path: Path) -> None:
    results: dict[str, dict[str, list[Any]]] = {
        "high-energy": {"soft": materials(8)},
        "defects": {"soft": defects(8)},
    }
    runs = [write_run(tmp_path / name, results) for name in ("one", "two")]
    rows = compare(*sides(runs))
    assert {each.suite for each in rows} == {"high-energy", "defects"}
    for each in rows:
        assert each.first == each.second
        assert (each.difference, each.ci_low, each.ci_high) == (0.0, 0.0, 0.0)
        assert not each.resolved


def test_values_are_those_of_the_summary_where_all_cases_are_common(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run",
        {
            "high-energy": {"a": materials(7), "b": materials(7, 0.2, 1)},
            "defects": {"a": defects(9), "b": defects(9, 1.1, 1)},
        },
    )
    first, second = pair(run)
    rows = compare(first, second)
    for each in rows:
        for side, value in ((first, each.first), (second, each.second)):
            summary = run.find(each.suite, each.variant, side.model, each.metric)
            assert value == pytest.approx(some(summary).value)
            assert (each.unit, each.n_cases) == (some(summary).unit, some(summary).n_cases)


def test_every_paired_metric_is_one_that_the_tables_show() -> None:
    for analysis in all_suites().values():
        shown = dict(analysis.presentation.labels)
        paired = [
            over.names(m.key)[0][0] for m in analysis.metrics for over in m.over if over.paired
        ]
        # A suite without reference data, sanity, has no scale.
        if analysis.headlines:
            assert paired[0] == analysis.headlines[0].metric
        assert set(paired) <= set(shown)


def elastic(factor: float) -> list[ElasticComparison]:
    """Isotropic crystals with known moduli, the model's times a factor."""
    found = []
    for k in range(6):
        bulk, shear = 0.5 + 0.1 * k, 0.3
        constants = np.zeros((6, 6))
        constants[:3, :3] = bulk - 2 * shear / 3
        constants += np.diag([2 * shear] * 3 + [shear] * 3)
        dft = ReferenceModuli(bulk, shear)
        found.append(ElasticComparison(f"m{k}", dft, factor * constants, None))
    return found


def test_moduli_of_a_scaled_model(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"elastic": {"a": elastic(0.8), "b": elastic(0.9)}})
    rows = compare(*pair(run))
    for kind in ("shear", "bulk"):
        scale = row(rows, f"{kind}_modulus_scale_median")
        assert (scale.first, scale.second) == (pytest.approx(0.8), pytest.approx(0.9))
        assert (scale.ci_low, scale.ci_high) == (pytest.approx(0.1), pytest.approx(0.1))
    # An error is a size: it is 0.2 and 0.1 of the modulus.
    assert row(rows, "shear_modulus_error_median").difference == pytest.approx(-0.03 * 160.21766)


def test_relaxed_against_fixed_geometry(tmp_path: Path) -> None:
    """Only materials with both; a surface that DFT has in one geometry alone is in no row."""
    crystals = [
        replace(crystal, relaxed=(1.0 + 0.01 * k) * some(crystal.fixed))
        for k, crystal in enumerate(elastic(0.8))
    ]
    crystals.append(replace(crystals[0], name="only fixed", relaxed=None))
    run = write_run(tmp_path / "run", {"elastic": {"a": crystals}, "defects": {"a": defects(9)}})
    (side,) = sides([run])
    rows = compare_variants(side)
    assert {(each.suite, each.variant) for each in rows} == {("elastic", "relaxed")}
    scale = row(rows, "bulk_modulus_scale_median")
    assert (scale.n_cases, scale.n_systems) == (6, 6)
    assert scale.first == pytest.approx(0.8)
    assert scale.second == pytest.approx(0.8 * 1.025)
    assert scale.difference == pytest.approx(0.8 * 0.025)
    # Of six differences the order statistics are the least and the largest.
    assert scale.ci_low == pytest.approx(0.0, abs=1e-12)
    assert scale.ci_high == pytest.approx(0.8 * 0.05)


def test_only_cases_that_both_have_are_compared(tmp_path: Path) -> None:
    first = materials(9)
    second = [*scaled(first[2:], 1.2), (FAILED, first[1].name)]
    run = write_run(tmp_path / "run", {"high-energy": {"soft": first, "better": second}})
    slope = row(compare(*pair(run)), "slope_median")
    common = [r.metrics["slope"] for r in run.of("high-energy", "soft")][2:]
    assert slope.n_cases == 7
    assert slope.first == pytest.approx(np.median(common))
    assert slope.difference == pytest.approx(0.2 * np.median(common))
    (overlap,) = overlaps(*pair(run))
    assert overlap.common == tuple(f"m{k}" for k in range(2, 9))
    assert overlap.only_first == ("m0", "m1")
    assert overlap.only_second == overlap.other_reference == ()


def test_cases_of_other_data_are_compared_only_with_equal_dft_values(tmp_path: Path) -> None:
    """A data set that grew, and in which one material was computed again."""
    before, after = materials(8), scaled(materials(9), 1.2)
    frames = tuple(
        replace(frame, forces_reference=1.01 * frame.forces_reference) for frame in after[3].frames
    )
    after[3] = MaterialComparison("m3", frames)
    runs = [
        write_run(tmp_path / "before", {"high-energy": {"soft": before}}),
        write_run(
            tmp_path / "after", {"high-energy": {"soft": after}}, data=("by-hand", "dd" * 32)
        ),
    ]
    first, second = sides(runs)
    (overlap,) = overlaps(first, second)
    assert overlap.other_reference == ("m3",)
    assert overlap.only_second == ("m8",)
    assert row(compare(first, second), "slope_median").n_cases == 7


def test_nothing_in_common_is_no_rows(tmp_path: Path) -> None:
    run = write_run(
        tmp_path / "run", {"high-energy": {"a": materials(3)[:2], "b": materials(3)[2:]}}
    )
    assert compare(*pair(run)) == []
    assert len(compare_frame(*pair(run))) == 0


def test_not_comparable_values_are_left_out(tmp_path: Path) -> None:
    ours, theirs = defects(10), defects(10, 1.1)
    unfit = replace(ours[0].comparison.values[0], standing=Standing.UNCONVERGED)
    ours[0] = replace(ours[0], comparison=replace(ours[0].comparison, values=(unfit,)))
    run = write_run(tmp_path / "run", {"defects": {"a": ours, "b": theirs}})
    scale = row(compare(*pair(run)), "energy_scale")
    assert (scale.n_cases, scale.n_systems) == (19, 10)


def test_pooled_differences_of_a_scaled_model(tmp_path: Path) -> None:
    """The paired jackknife of c times a model is c - 1 times the jackknife of the model."""
    run = write_run(tmp_path / "run", {"defects": {"a": defects(16), "b": defects(16, 1.25)}})
    scale = row(compare(*pair(run)), "energy_scale")
    own = run.find("defects", "fixed-geometry", "a", "energy_scale")
    assert scale.difference == pytest.approx(0.25 * some(own).value)
    assert some(scale.ci_low) == pytest.approx(0.25 * some(some(own).ci_low))
    assert some(scale.ci_high) == pytest.approx(0.25 * some(some(own).ci_high))


@pytest.mark.seconds
def test_units_are_converted(tmp_path: Path) -> None:
    """Errors of mixing energies are in meV, those of defects in eV."""
    of_defects = [defects(10), defects(10, 1.1)]
    of_orderings = [
        [OrderingResult(each.comparison, "g", 0.5, 1.0) for each in side] for side in of_defects
    ]
    run = write_run(
        tmp_path / "run",
        {
            "defects": dict(zip("ab", of_defects, strict=True)),
            "solid-solutions": dict(zip("ab", of_orderings, strict=True)),
        },
    )
    rows = compare(*pair(run))
    for metric in ("mae", "mean_signed_error"):
        in_ev, in_mev = row(rows, metric), row(rows, f"{metric}_mev")
        assert (in_ev.unit, in_mev.unit) == ("eV", "meV/atom")
        for name in ("first", "second", "difference", "ci_low", "ci_high"):
            assert getattr(in_mev, name) == pytest.approx(1e3 * getattr(in_ev, name))


@pytest.mark.seconds
def test_few_systems_have_no_interval(tmp_path: Path) -> None:
    n = PAIRED_JACKKNIFE_FROM - 1
    by_system = ("system_ratio_median", "system_inverse_median")
    run = write_run(
        tmp_path / "run",
        {
            "high-energy": {"a": materials(5), "b": materials(5, 0.2)},
            # Many cases of few systems are few.
            "defects": {"a": defects(n, per_system=6), "b": defects(n, 1.2, per_system=6)},
        },
    )
    rows = compare(*pair(run))
    for each in rows:
        with_interval = each.suite == "defects" and each.metric in by_system
        assert (each.ci_low is not None) == with_interval, each
        assert not np.isnan(each.difference)


def test_a_data_frame_for_notebooks(two_models: Run) -> None:
    first, second = pair(two_models)
    frame = compare_frame(first, second)
    rows = compare(first, second)
    assert frame["difference"].tolist() == [each.difference for each in rows]
    assert set(frame["first_model"]) == {"soft"}
    assert set(frame["second_model"]) == {"better"}
    assert frame["ci_low"].dtype == float


# ---- estimators


def test_paired_median_by_hand() -> None:
    first = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    second = [2.0, 2.5, 6.0, 3.0, 7.0, 6.2]
    result = paired_median_estimate(first, second)
    # Differences 1, 0.5, 3, -1, 2, 0.2: of six the interval is their range.
    assert (result.first, result.second) == (3.5, 4.5)
    assert result.difference == pytest.approx(0.75)
    assert (result.low, result.high) == (-1.0, 3.0)


def test_paired_jackknife_by_hand() -> None:
    # Means of equal weights: the jackknife error is that of the mean of the differences.
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 9))
    first, second = (np.stack([side, np.ones(9)], axis=1) for side in values)
    result = paired_pooled_estimate(first, second, lambda s: np.asarray(s[..., 0] / s[..., 1]), 1)
    differences = values[1] - values[0]
    half = 2.306 * np.std(differences, ddof=1) / 3
    assert result.difference == pytest.approx(differences.mean())
    assert result.low == pytest.approx(differences.mean() - half, rel=1e-3)
    assert result.high == pytest.approx(differences.mean() + half, rel=1e-3)


def test_a_dominated_difference_has_no_interval() -> None:
    sums = np.ones((12, 6))
    sums[0] *= 1e4
    assert paired_pooled_estimate(sums, 2 * sums, lambda s: s[..., 0] / s[..., 1], 0).low is None


def test_estimators_refuse_what_is_not_paired() -> None:
    with pytest.raises(DataError, match="one of each"):
        paired_median_estimate([1.0, 2.0], [1.0])
    with pytest.raises(DataError, match="one of each"):
        paired_median_estimate([], [])
    with pytest.raises(DataError, match="nan"):
        paired_median_estimate([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(DataError, match=r"\(n, k\)"):
        paired_pooled_estimate(np.ones((3, 6)), np.ones((2, 6)), lambda s: s[..., 0], 0)


# ---- coverage

POOLED = {
    over.name: over
    for metric in load_suite("defects").metrics
    for over in metric.over
    if isinstance(over, Pooled) and over.paired
}
TRUTH_SYSTEMS = 400_000
DRAWS = 1500


def simulate(rng: np.random.Generator, n: int, spread: float) -> list[np.ndarray]:
    """Sums of two models over the cases of each system, shape (n, 6) each."""
    owner = np.repeat(np.arange(n), rng.integers(1, 7, size=n))
    size, shared = rng.normal(size=(2, n))
    x = np.exp(spread * size[owner] + 0.3 * rng.normal(size=len(owner)))
    common = rng.normal(size=len(owner))
    found = []
    for slope, noise in ((0.85, 0.1), (0.95, 0.07)):
        slopes = slope + 0.06 * shared + 0.06 * rng.normal(size=n)
        errors = 0.6 * common + 0.8 * rng.normal(size=len(owner))
        y = slopes[owner] * x + noise * x * errors
        columns = (x * x, x * y, y * y, np.abs(y - x), np.ones_like(x), y - x)
        found.append(np.stack([np.bincount(owner, c, n) for c in columns], axis=1))
    return found


@pytest.fixture(scope="module", params=[0.3, 0.6, 0.9])
def spread_and_truth(request: pytest.FixtureRequest) -> tuple[float, dict[str, float]]:
    totals = [
        sums.sum(axis=0)
        for sums in simulate(np.random.default_rng(1), TRUTH_SYSTEMS, request.param)
    ]
    return request.param, {
        name: float(each.statistic(totals[1]) - each.statistic(totals[0]))
        for name, each in POOLED.items()
    }


@pytest.mark.coverage
@pytest.mark.parametrize("n", [8, 16, 40])
def test_coverage_of_pooled_differences(
    spread_and_truth: tuple[float, dict[str, float]], n: int
) -> None:
    spread, truth = spread_and_truth
    rng = np.random.default_rng(100 + n)
    samples = [simulate(rng, n, spread) for _ in range(DRAWS)]
    for name, each in POOLED.items():
        results = [
            paired_pooled_estimate(a, b, each.statistic, some(each.weight)) for a, b in samples
        ]
        hits = [some(r.low) <= truth[name] <= some(r.high) for r in results if r.low is not None]
        # With 3000 samples: 0.925 to 0.970 over all these cases.
        assert 0.92 <= np.mean(hits) <= 0.98, name
        assert len(hits) > 0.65 * DRAWS, name


SHAPES: dict[str, Callable[[np.random.Generator, tuple[int, int]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "skewed": lambda rng, shape: rng.lognormal(sigma=1.0, size=shape) - 1.0,
    "long tails": lambda rng, shape: rng.standard_t(2, size=shape),
}


@pytest.mark.coverage
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [6, 10, 16, 25, 40])
def test_coverage_of_median_differences(shape: str, n: int) -> None:
    """Of differences of median zero between two values that vary much more than they differ."""
    rng = np.random.default_rng(200 + n)
    first = 10.0 * rng.normal(size=(DRAWS, n))
    second = first + SHAPES[shape](rng, first.shape)
    results = [paired_median_estimate(x, y) for x, y in zip(first, second, strict=True)]
    # Exact: 0.969, 0.979, 0.979, 0.957, 0.962.
    assert 0.94 < np.mean([some(r.low) <= 0.0 <= some(r.high) for r in results]) < 0.99
