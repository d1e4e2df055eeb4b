"""What is subtracted from what: columns and differences tell the same story, or say why not."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from tests.support.narrowing import some
from tests.support.report_runs import SCALES, SOFT, STIFF, material, write
from tests.support.report_runs import write_scaled as write_run
from umlip_bench.analysis.compared_models import Side, baseline_first, corrects, sides
from umlip_bench.analysis.comparison import (
    DIFFERENCE_OF_VALUES,
    MEDIAN_OF_DIFFERENCES,
    compare,
    to_frame,
)
from umlip_bench.analysis.corrected import Factor
from umlip_bench.analysis.paired import paired_median_estimate
from umlip_bench.analysis.report.comparisons import all_sides, correct, correction_note, pairs_of
from umlip_bench.analysis.report.page import change, difference
from umlip_bench.analysis.run_files import CONFIG
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.cli import main

MINE, AGAIN = "mine", "again"
FACTOR = Factor(MINE, SOFT, f"{SOFT} " * 8, 1.2, 1.1, 1.3, "mse", "some.xyz", 3, "ff" * 32)


def set_parents(run: Run, parents: dict[str, str]) -> Run:
    """Have models be corrections of others."""
    path = run.path / CONFIG
    content = yaml.safe_load(path.read_text())
    for name, parent in parents.items():
        content["models"][name]["parent"] = parent
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return read_run(run.path)


def few(folder: Path, models: dict[str, float], parents: dict[str, str]) -> Run:
    """A run of forces alone, with the models in this order."""
    cases = {f"m{k}": lambda s, k=k: material(f"m{k}", s + 0.01 * k) for k in range(7)}
    return set_parents(write_run(folder, {"high-energy": cases}, models), parents)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write(tmp_path_factory.mktemp("signs") / "run", hostile=False)


@pytest.mark.seconds
def test_every_difference_has_the_sign_of_the_columns_or_says_why(whole: Run) -> None:
    first, second = sides([whole])
    rows = compare(first, second)
    assert {row.suite for row in rows} >= {"high-energy", "surfaces", "eos", "phonons"}
    for row in rows:
        if row.difference_is == DIFFERENCE_OF_VALUES:
            assert row.difference == pytest.approx(row.second_minus_first)
        else:
            assert row.difference_is == MEDIAN_OF_DIFFERENCES
            signs = np.sign([row.difference, row.second_minus_first])
            assert row.against_values == (signs.prod() < 0)
        # The columns are those of the summary where the cases are.
        for side, value in ((first, row.first), (second, row.second)):
            shown = side.run.find(row.suite, row.variant, side.model, row.metric)
            assert shown is not None
            if shown.n_cases == row.n_cases:
                assert value == pytest.approx(shown.value), (row.suite, row.metric)
    frame = to_frame(first, second, rows)
    assert frame["second_minus_first"].tolist() == [r.second - r.first for r in rows]
    assert frame["difference_is"].tolist() == [r.difference_is for r in rows]


def opposed(folder: Path) -> Run:
    """Two models whose medians fall while most materials rise: 1, 2, 9 against 1.5, 2.5, 0."""
    first, second = np.array([0.5, 0.8, 0.9]), np.array([0.6, 0.7, 1.0])
    # medians 0.8 and 0.7; differences +0.1, -0.1, +0.1
    cases = {
        f"m{k}": lambda s, k=k: material(f"m{k}", first[k] if s == SCALES[SOFT] else second[k])
        for k in range(3)
    }
    return write_run(folder, {"high-energy": cases}, SCALES)


def test_medians_that_fall_while_most_materials_rise_are_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # whatever the length of the folder's path
    run = opposed(tmp_path / "run")
    rows = {row.metric: row for row in compare(*sides([run]))}
    slope = rows["slope_median"]
    assert slope.against_values
    assert slope.difference > 0 > slope.second_minus_first
    assert main(["compare", str(run.path), "--out", str(tmp_path / "table.csv")]) == 0
    printed = capsys.readouterr().out
    assert f"{slope.difference:+.3f}; medians {slope.second_minus_first:+.3f}" in printed
    assert f"A: {SOFT}" in printed
    assert f"B: {STIFF}" in printed
    assert "B - A" in printed
    table = pd.read_csv(tmp_path / "table.csv").set_index("metric")
    assert table.loc["slope_median", "difference_is"] == MEDIAN_OF_DIFFERENCES
    assert table.loc["slope_median", "second_minus_first"] == pytest.approx(
        slope.second_minus_first
    )


def test_estimates_of_known_values_have_the_sign_of_b_minus_a() -> None:
    for first, second, expected in (
        ([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], 1.0),
        ([2.0, 3.0, 4.0], [1.0, 2.0, 3.0], -1.0),
        ([0.5, 0.8, 0.9], [0.6, 0.7, 1.0], 0.1),
    ):
        assert paired_median_estimate(first, second).difference == pytest.approx(expected)


@pytest.mark.seconds
@pytest.mark.parametrize("order", [(SOFT, MINE), (MINE, SOFT)])
@pytest.mark.parametrize("named", [(), (SOFT, MINE), (MINE, SOFT)])
def test_the_parent_is_subtracted_from_its_correction(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    order: tuple[str, str],
    named: tuple[()] | tuple[str, str],
) -> None:
    scales = {SOFT: 0.8, MINE: 0.96}
    run = few(tmp_path / "run", {name: scales[name] for name in order}, {MINE: SOFT})
    out = tmp_path / "table.csv"
    models = ["--models", *named] if named else []
    assert main(["compare", str(run.path), *models, "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert f"{MINE} corrects {SOFT}" in printed
    table = pd.read_csv(out).set_index("metric")
    slope = table.loc["slope_median"]
    assert (slope["first_model"], slope["second_model"]) == (SOFT, MINE)
    assert slope["difference"] == pytest.approx(0.16, abs=0.01)
    assert slope["second"] > slope["first"]
    (pair,) = pairs_of(sides([run]))
    assert (pair.first, pair.second) == (SOFT, MINE)
    assert pair.table.title == f"{MINE} minus {SOFT}"


@pytest.mark.seconds
def test_parents_of_parents_and_of_another_run(tmp_path: Path) -> None:
    models = {AGAIN: 1.0, STIFF: 1.05, MINE: 0.96, SOFT: 0.8}
    run = few(tmp_path / "run", models, {AGAIN: MINE, MINE: SOFT})
    by_name = {side.model: side for side in sides([run])}
    assert corrects(by_name[AGAIN], by_name[SOFT])
    assert not corrects(by_name[SOFT], by_name[AGAIN])
    assert not corrects(by_name[AGAIN], by_name[STIFF])
    # Of four models each has one partner, and a correction its parent.
    pairs = {(pair.first, pair.second) for pair in pairs_of(sides([run]))}
    assert {(MINE, AGAIN), (SOFT, MINE)} <= pairs
    assert not pairs & {(AGAIN, MINE), (MINE, SOFT), (AGAIN, SOFT)}
    other = few(tmp_path / "other", {SOFT: 0.8}, {})
    ordered = baseline_first(by_name[MINE], Side(other, SOFT, "elsewhere"))
    assert [side.label for side in ordered] == ["elsewhere", MINE]


def test_models_that_claim_to_correct_each_other_end(tmp_path: Path) -> None:
    run = few(tmp_path / "run", {MINE: 1.0, AGAIN: 0.9}, {MINE: AGAIN, AGAIN: MINE})
    first, second = sides([run])
    assert corrects(first, second)
    assert corrects(second, first)


@pytest.mark.parametrize("make", [opposed, lambda folder: few(folder, SCALES, {})])
def test_after_minus_before_agrees_with_both_columns(
    tmp_path: Path, make: Callable[..., Any]
) -> None:
    run = make(tmp_path / "run")
    mended = correct([run], FACTOR)
    everyone = all_sides([run], [mended])
    note = correction_note(mended, everyone, pairs_of(everyone), ["high-energy"])
    assert note.rows
    for row in note.rows:
        if row.difference is not None:
            assert row.difference.first == pytest.approx(row.before.value)
            assert row.difference.second == pytest.approx(row.after.value)
            signs = np.sign([row.after_minus_before, row.difference.difference])
            assert row.against_values == (signs.prod() < 0)
            if row.against_values:
                assert row.difference.difference_is == MEDIAN_OF_DIFFERENCES


def test_numbers_that_are_opposed_are_shown_both(tmp_path: Path) -> None:
    run = opposed(tmp_path / "run")
    mended = correct([run], FACTOR)
    everyone = all_sides([run], [mended])
    row = next(
        row
        for row in correction_note(mended, everyone, pairs_of(everyone), ["high-energy"]).rows
        if row.label and row.difference is not None and row.difference.metric == "mae"
    )
    # 0.141 to 0.134 with a paired difference of +0.008, as a report once had it.
    before, after = (
        dataclasses.replace(each, value=value, unit="eV/Å")
        for each, value in ((row.before, 0.141), (row.after, 0.134))
    )
    paired = dataclasses.replace(
        some(row.difference), first=0.141, second=0.134, difference=0.008, ci_low=None, ci_high=None
    )
    told = dataclasses.replace(row, before=before, after=after, difference=paired)
    assert told.against_values
    assert difference(paired) == "+0.008"
    assert change(told) == "-0.007"
