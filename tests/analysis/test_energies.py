"""Statistics of one energy per case and variant."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from tests.support.narrowing import some
from umlip_bench.analysis.energies import (
    LEFT_OUT,
    EnergyComparison,
    EnergyValue,
    EnergyVariant,
    Standing,
    energy_caption,
    energy_verdict,
    remarks,
)
from umlip_bench.analysis.over_systems import leverage
from umlip_bench.analysis.summary import Row
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.defects.result import DefectResult
from umlip_bench.benchmarks.variants import DFT_NOT_RELAXED, fixed_value, relaxed_value
from umlip_bench.datasets.cases import Preparation
from umlip_bench.engine import Relaxed
from umlip_bench.ground.errors import DataError

NAN = float("nan")
SUITE = load_suite("defects")


def value(
    reference: float,
    model: float,
    standing: Standing = Standing.COMPARABLE,
    variant: EnergyVariant = EnergyVariant.FIXED,
    **more: Any,
) -> EnergyValue:
    return EnergyValue(variant, reference, model, standing, **more)


def comparison(name: str, *values: EnergyValue, system: str | None = None) -> EnergyComparison:
    return EnergyComparison(name, system or name, "eV", tuple(values))


def energy_rows(comparisons: list[EnergyComparison], n_failed: int) -> list[Row]:
    return SUITE.rows("m", "d", [DefectResult(each, NAN) for each in comparisons], n_failed)


def planted(factor: float, n: int = 8, per_system: int = 1) -> list[EnergyComparison]:
    """Cases whose model is `factor` times DFT."""
    rng = np.random.default_rng(1)
    return [
        comparison(f"{k}", value(x, factor * x), system=f"system {k // per_system}")
        for k, x in enumerate(rng.uniform(0.5, 2.0, n))
    ]


def by_metric(rows: list[Row], variant: EnergyVariant = EnergyVariant.FIXED) -> dict[str, Row]:
    return {row.metric: row for row in rows if row.variant == variant}


def relaxation(converged: bool = True) -> Relaxed:
    return Relaxed(None, -1.0, np.zeros((1, 3)), None, converged, 500, 0.3)


@pytest.mark.parametrize("per_system", [1, 2])
def test_a_planted_factor_is_found(per_system: int) -> None:
    rows = by_metric(energy_rows(planted(0.8, 16, per_system), 0))
    assert_allclose(rows["energy_scale"].value, 0.8)
    assert_allclose([some(rows["energy_scale"].ci_low), some(rows["energy_scale"].ci_high)], 0.8)
    assert_allclose(rows["inverse"].value, 1.25)
    assert_allclose(rows["r2"].value, 1.0)
    assert_allclose(rows["ratio_median"].value, 0.8)
    assert_allclose(rows["scale_median"].value, 0.8)
    assert rows["share_underpredicted"].value == 1.0
    assert rows["energy_scale"].n_cases == 16
    assert rows["n_systems"].value == 16 / per_system
    x = np.array([c.values[0].reference for c in planted(0.8, 16)])
    assert_allclose(rows["mae"].value, 0.2 * x.mean())
    assert_allclose(rows["mean_signed_error"].value, -0.2 * x.mean())
    assert rows["mae"].unit == "eV"


def test_cases_of_one_system_give_no_interval() -> None:
    rows = by_metric(energy_rows(planted(0.8, 12, per_system=12), 0))
    for metric in ("energy_scale", "mae", "share_underpredicted", "ratio_median", "scale_median"):
        assert rows[metric].ci_low is None, metric
        assert rows[metric].n_cases == 12
    assert "undecided" in energy_verdict(list(rows.values()), "m", "energies")


def test_cases_of_one_system_are_worth_one_in_the_interval_of_a_share() -> None:
    """All of 16 in 8 systems are too small: no better known than that all of 8 are."""
    alone = by_metric(energy_rows(planted(0.8, 8), 0))["share_underpredicted"]
    assert_allclose(some(alone.ci_low), 0.025 ** (1 / 8))
    paired = by_metric(energy_rows(planted(0.8, 16, per_system=2), 0))["share_underpredicted"]
    assert 0.8 * some(alone.ci_low) < some(paired.ci_low) < some(alone.ci_low)
    assert by_metric(energy_rows(planted(0.8, 10, 2), 0))["share_underpredicted"].ci_low is None


def test_soft_is_a_scale_below_one_with_an_inverse_above_one() -> None:
    rng = np.random.default_rng(3)
    cases = [
        comparison(f"{k}", value(x, 0.8 * x + e))
        for k, (x, e) in enumerate(zip(rng.uniform(1, 2, 9), rng.normal(0, 0.02, 9), strict=True))
    ]
    rows = energy_rows(cases, 0)
    verdict = energy_verdict(rows, "m", "barriers")
    assert verdict.startswith("m: soft: barriers are 0.8")
    assert "9/9 too small" in verdict
    assert "9 systems" in energy_caption(rows, "barriers")


def test_too_small_means_nearer_to_zero_for_negative_energies_as_well() -> None:
    cases = [comparison("a", value(-1.0, -0.5)), comparison("b", value(1.0, 1.2))]
    rows = by_metric(energy_rows(cases, 0))
    assert rows["share_underpredicted"].value == 0.5


def test_everything_left_out_is_counted() -> None:
    relaxed = EnergyVariant.RELAXED
    cases = [
        *planted(0.8, 3),
        comparison("x", value(1, 0.5), value(NAN, 0.4, Standing.NOT_COMPARABLE, relaxed)),
        comparison("z", value(1, 0.5), value(NAN, 0.4, Standing.NO_COMMON_ZERO, relaxed)),
        comparison("u", value(1, 0.5), value(1, 9.0, Standing.UNCONVERGED, relaxed)),
        comparison("c", value(1, 0.5), value(1, -3.0, Standing.CHANGED, relaxed)),
        comparison("n", value(NAN, 0.5, Standing.NO_REFERENCE)),
        comparison("b", value(1, 0.5), value(1, NAN, Standing.NO_BARRIER, relaxed)),
        comparison("f", value(1, 0.5), value(NAN, NAN, Standing.FAILED, relaxed)),
        comparison("g", value(1, 0.5), value(1, 0.7, variant=relaxed, flags=("odd",))),
    ]
    rows = energy_rows(cases, n_failed=2)
    fixed, after = by_metric(rows), by_metric(rows, relaxed)
    assert fixed["energy_scale"].n_cases == 10
    assert fixed["n_no_reference"].value == 1
    assert fixed["energy_scale"].n_failed == 2
    assert after["energy_scale"].n_cases == 1
    assert_allclose(after["energy_scale"].value, 0.7)
    for metric in (*(name for name, *_ in LEFT_OUT if name != "n_no_reference"), "n_flagged"):
        assert after[metric].value == 1
        assert after[metric].n_cases == 7
    assert after["energy_scale"].n_failed == 3
    verdict = energy_verdict(list(after.values()), "m", "energies")
    for words in ("1 not comparable", "1 not converged", "1 relaxed into something else"):
        assert words in verdict


def test_nothing_to_compare() -> None:
    cases = [comparison("x", value(NAN, 0.4, Standing.NOT_COMPARABLE, EnergyVariant.RELAXED))]
    rows = energy_rows(cases, 0)
    scale = by_metric(rows, EnergyVariant.RELAXED)["energy_scale"]
    assert np.isnan(scale.value)
    assert scale.n_cases == 0
    assert "no comparable energies; 1 not comparable" in energy_verdict(rows, "m", "energies")
    assert "in the same way" in energy_caption(rows, "energies")
    assert {row.n_failed for row in energy_rows([], 4)} == {4}


def test_references_of_zero_have_errors_but_no_scale() -> None:
    rows = by_metric(energy_rows([comparison("x", value(0.0, 0.1))], 0))
    assert np.isnan(rows["energy_scale"].value)
    assert np.isnan(rows["scale_median"].value)
    assert rows["ratio_median"].n_cases == 0
    assert_allclose(rows["mae"].value, 0.1)


def test_equal_names_are_refused() -> None:
    with pytest.raises(DataError, match="more than once: a"):
        energy_rows([comparison("a", value(1, 1))] * 2, 0)


def test_files_give_the_comparison_back() -> None:
    before = comparison(
        "case",
        value(1.0, 0.8, flags=("one", "two")),
        value(NAN, 0.7, Standing.NOT_COMPARABLE, EnergyVariant.RELAXED, reason="why"),
        system="MgO",
    )
    result = DefectResult(before, 0.2)
    after = SUITE.from_arrays(SUITE.to_arrays(result))
    assert repr(after) == repr(result)
    metrics = SUITE.numbers(after)
    assert metrics["fixed_geometry_comparable"] == 1
    assert metrics["relaxed_comparable"] == 0
    assert metrics["relaxed_converged"] == 1


def test_remarks_are_made_once() -> None:
    said = remarks([comparison(n, value(1, 1, flags=("odd",))) for n in "ab"])
    assert said == ["fixed-geometry: odd (all)"]


# ---- which variants are compared with which DFT


@pytest.mark.parametrize(
    ("preparation", "fixed", "relaxed"),
    [
        (Preparation.AS_BUILT, True, False),
        (Preparation.SAMPLED, True, False),
        (Preparation.RELAXED, True, True),
        (Preparation.NOT_STORED, False, True),
    ],
)
def test_a_variant_is_compared_with_dft_prepared_in_the_same_way(
    preparation: Preparation, fixed: bool, relaxed: bool
) -> None:
    single = fixed_value(1.0, 0.8, preparation)
    minimum = relaxed_value(1.0, 0.8, preparation, [relaxation()])
    assert (single.comparable, minimum.comparable) == (fixed, relaxed)
    assert np.isnan(single.reference) != fixed
    assert np.isnan(minimum.reference) != relaxed
    if not relaxed:
        assert minimum.reason == DFT_NOT_RELAXED == "not comparable: DFT at fixed geometry"


def test_relaxations_that_did_not_end_or_went_elsewhere_are_not_compared() -> None:
    unconverged = relaxed_value(1, 1, Preparation.RELAXED, [relaxation(), relaxation(False)])
    assert unconverged.standing is Standing.UNCONVERGED
    assert "0.3 eV/Å after 500 steps" in unconverged.reason
    changed = relaxed_value(1, 1, Preparation.RELAXED, [relaxation()], changed="the atom fell in")
    assert (changed.standing, changed.reason) == (Standing.CHANGED, "the atom fell in")


def test_without_reference() -> None:
    assert fixed_value(NAN, 1.0, Preparation.AS_BUILT).standing is Standing.NO_REFERENCE
    value = relaxed_value(NAN, 1.0, Preparation.AS_BUILT, [relaxation()])
    assert value.standing is Standing.NO_REFERENCE


# ---- which value decides


def schottky() -> list[EnergyComparison]:
    """Three vacancies at a third to a half of DFT, and a pair of 9.9 eV that the model has right."""
    systems = {"Al": (0.7, 0.34), "Si": (3.6, 0.49), "Cu": (1.1, 0.32), "MgO": (9.9, 1.02)}
    return [comparison(f"{k} vacancy", value(x, s * x), system=k) for k, (x, s) in systems.items()]


def test_the_headline_is_not_that_of_the_largest_value() -> None:
    rows = by_metric(energy_rows(schottky(), 0))
    assert_allclose(rows["system_ratio_median"].value, (0.34 + 0.49) / 2)
    assert rows["energy_scale"].value > 0.94
    assert_allclose(rows["leverage"].value, 9.9**2 / (0.7**2 + 3.6**2 + 1.1**2 + 9.9**2))
    rest = np.array([(0.7, 0.34), (3.6, 0.49), (1.1, 0.32)]).T
    assert_allclose(
        rows["energy_scale_without"].value, (rest[0] ** 2 * rest[1]).sum() / (rest[0] ** 2).sum()
    )
    assert SUITE.headlines[0].metric == "system_ratio_median"
    said = energy_verdict(list(rows.values()), "m", "defect energies")
    assert "defect energies are 0.42 of DFT in the median of 4 systems" in said
    assert "rests on one value: 0.47 without" in said
    (named,) = remarks(schottky())
    assert "rests on MgO vacancy alone; without it 0.47" in named


def test_values_alike_have_no_leverage() -> None:
    assert leverage(np.ones(2)) is None
    assert leverage(np.ones(1)) is None
    assert leverage(np.array([1.0, 3.0])) == (1, 0.75)
    assert "leverage" not in by_metric(energy_rows(planted(0.8), 0))


def test_systems_count_once_and_vanished_barriers_below_all() -> None:
    """Nine soft faces of one crystal do not outvote two crystals; a barrier that is gone is the softest."""
    faces = [comparison(f"f{k}", value(1, 0.2), system="one") for k in range(9)]
    others = [comparison(n, value(1, 0.9)) for n in "ab"]
    row = by_metric(energy_rows([*faces, *others], 0))["system_ratio_median"]
    assert (row.value, row.n_cases) == (0.9, 11)
    gone = [comparison(f"g{k}", value(1, NAN, Standing.NO_BARRIER)) for k in range(3)]
    below = by_metric(energy_rows([*gone, *others], 0))["system_ratio_median"]
    assert below.value == -np.inf
    assert below.n_below == 3
    assert type(below).from_json(below.to_json()) == below


def test_relaxed_stands_beside_fixed() -> None:
    after = EnergyVariant.RELAXED
    cases = [
        comparison(f"{k}", value(x, 0.8 * x), value(x, 0.7 * x, variant=after))
        for k, x in enumerate((1.0, 1.5, 2.0, 2.5, 3.0, 4.0))
    ]
    rows = by_metric(energy_rows(cases, 0), after)
    shift = rows["system_ratio_median_minus_fixed"]
    assert_allclose([some(shift.value), some(shift.ci_low), some(shift.ci_high)], -0.1)
    assert "relaxed minus fixed geometry -0.10" in energy_verdict(list(rows.values()), "m", "x")
    assert "errors of geometry" in energy_caption(list(rows.values()), "x")
    assert "system_ratio_median_minus_fixed" not in by_metric(energy_rows(cases, 0))
