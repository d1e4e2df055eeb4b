"""Every number of the page is one of the run folder's files."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.report.content import DataNote, ReportContent
from umlip_bench.analysis.report.gather import gather
from umlip_bench.analysis.report.plots import DOTS_UP_TO
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.summary import Row
from umlip_bench.benchmarks.migration.result import MigrationComparison
from umlip_bench.finetune.factor_record import read_factor
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

from ..support.report_runs import (
    HOSTILE,
    N_MATERIALS,
    SOFT,
    STIFF,
    write,
    write_correction,
    write_large,
)

PBE = DataNote("by-hand", level=LevelOfTheory("PBE"), caveats=("made by hand",))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def report(run: Run) -> ReportContent:
    return gather([run], {"by-hand": PBE})


@pytest.fixture(scope="module")
def files(run: Run) -> tuple[list[dict], dict[tuple[str, str, str], dict]]:
    rows = json.loads((run.path / "summary.json").read_text())["rows"]
    lines = (run.path / "cases.jsonl").read_text().splitlines()
    cases = {(c["suite"], c["model"], c["case"]): c for c in map(json.loads, lines)}
    return rows, cases


def in_summary(row: Row, rows: list[dict]) -> bool:
    return row.to_json() in rows


@pytest.mark.seconds
def test_scales_and_overviews_are_rows_of_the_summary(
    report: ReportContent, files: tuple[list[dict], dict[tuple[str, str, str], dict]]
) -> None:
    rows, _ = files
    shown = [scale.row for scale in report.scales]
    shown += [
        cell
        for section in report.sections
        for row in section.overview.rows
        for cell in row.cells
        if cell is not None
    ]
    assert len(shown) > 50
    assert all(in_summary(row, rows) for row in shown)
    assert {scale.row.metric for scale in report.scales} >= {"slope_median", "system_ratio_median"}


def test_summary_tables_hold_all_rows(
    report: ReportContent, files: tuple[list[dict], dict[tuple[str, str, str], dict]]
) -> None:
    rows, _ = files
    found = [
        (section.suite, *row[:1], *row[2:])
        for section in report.sections
        for row in section.summary.rows
    ]
    expected = [
        (
            *(row[key] for key in ("suite", "metric", "variant", "model")),
            *(row[key] for key in ("value", "ci_low", "ci_high")),
            *(row[key] for key in ("unit", "n_cases")),
            row["n_below"] + row["n_above"],
            *(row[key] for key in ("n_failed", "amplitude")),
        )
        for row in rows
    ]
    assert sorted(map(str, found)) == sorted(map(str, expected))


def test_case_tables_hold_all_cases(
    report: ReportContent, files: tuple[list[dict], dict[tuple[str, str, str], dict]]
) -> None:
    _, cases = files
    n = 0
    for section in report.sections:
        table = section.cases
        for row in table.rows:
            case = cases[section.suite, str(row[1]), str(row[0])]
            values = dict(zip(table.columns[4:], row[4:], strict=True))
            assert {k: v for k, v in values.items() if v is not None} == {
                k: v for k, v in case["metrics"].items() if v is not None
            }
            n += 1
    assert n == len(cases)


def test_parities_are_the_predictions(report: ReportContent, run: Run) -> None:
    section = next(s for s in report.sections if s.suite == "high-energy")
    forces = next(p for p in section.parities if p.quantity.name == "force component")
    panel = next(p for p in forces.panels if p.side == STIFF)
    results = run.results_of(MaterialComparison, "high-energy", STIFF)
    expected = np.concatenate([f.forces_model.ravel() for r in results for f in r.frames])
    np.testing.assert_array_equal(panel.model, expected)
    assert panel.n == len(expected) <= DOTS_UP_TO
    assert panel.slope == run.find("high-energy", "fixed-geometry", STIFF, "slope_pooled")


def test_spreads_are_the_cases(
    report: ReportContent, files: tuple[list[dict], dict[tuple[str, str, str], dict]]
) -> None:
    _, cases = files
    section = next(s for s in report.sections if s.suite == "high-energy")
    (spread,) = section.spreads
    side = spread.sides[0]
    known = {case: cases["high-energy", SOFT, case]["metrics"]["slope"] for case in side.cases}
    # Sums over frames and over components differ in the last digit.
    assert dict(zip(side.cases, side.values, strict=True)) == pytest.approx(known, rel=1e-12)
    assert side.quartiles is not None
    assert side.quartiles.median == pytest.approx(float(np.median(list(known.values()))))
    assert side.curve


def test_few_cases_have_no_distribution_and_no_interval(report: ReportContent) -> None:
    section = next(s for s in report.sections if s.suite == "surfaces")
    spread = section.spreads[0]
    assert all(side.quartiles is None and not side.curve for side in spread.sides)
    scale = next(s for s in report.scales if s.suite == "surfaces")
    assert scale.row.ci_low is None
    assert any(finding.judgement == "undecided" for m in report.members for finding in m.findings)


def test_failures_and_counts(report: ReportContent) -> None:
    (failure,) = report.failures
    assert (failure.side, failure.suite, failure.case) == (STIFF, "surfaces", HOSTILE)
    assert failure.reason == "would not"
    counts = {m.label: (m.n_done, m.n_failed) for m in report.members}
    assert counts == {SOFT: (N_MATERIALS + 10, 0), STIFF: (N_MATERIALS + 9, 1)}


@pytest.mark.seconds
def test_densities_hold_every_point(tmp_path: Path) -> None:
    run = write_large(tmp_path / "large", 30_000)
    report = gather([run], {})
    forces = report.sections[0].parities[0].panels[0]
    assert forces.n >= 30_000
    assert len(forces.reference) == 0
    assert sum(b.count for b in forces.bins) == forces.n
    assert all(b.x0 < b.x1 and b.y0 < b.y1 and b.case for b in forces.bins)
    side = report.sections[0].spreads[0].sides[0]
    assert len(side.values) == 40


def test_pairs_are_compared_case_by_case(report: ReportContent) -> None:
    (pair,) = report.pairs
    assert (pair.first, pair.second) == (SOFT, STIFF)
    row = next(r for r in pair.rows if r.metric == "slope_median")
    assert row.n_cases == N_MATERIALS
    assert row.difference == pytest.approx(0.25, abs=0.02)
    assert any(line[5] == row.difference for line in pair.table.rows)


@pytest.mark.seconds
def test_another_functional_stays_out_of_the_headlines(tmp_path: Path) -> None:
    run = write(tmp_path / "run", functional="r2SCAN")
    report = gather([run], {"by-hand": PBE})
    assert report.scales == ()
    assert all("r2SCAN" in member.warning for member in report.members)


@pytest.mark.seconds
def test_unknown_data_is_said_so(tmp_path: Path) -> None:
    report = gather([write(tmp_path / "run", data_functional="unknown")], {})
    assert all(member.comparable for member in report.members)
    assert "not known" in report.members[0].warning


def test_values_are_finite_or_absent(report: ReportContent) -> None:
    tables = [t for s in report.sections for t in (s.cases, s.summary)]
    values = [v for table in tables for row in table.rows for v in row]
    assert all(math.isfinite(v) for v in values if isinstance(v, float))


def test_pictures_are_the_results(report: ReportContent, run: Run) -> None:
    section = next(s for s in report.sections if s.suite == "migration")
    assert section.pictures is not None
    (picture,) = section.pictures.pictures
    assert picture.case == HOSTILE
    (drawing,) = picture.drawings
    assert [line.side for line in drawing.lines] == ["DFT", SOFT, STIFF]
    (result,) = run.results_of(MigrationComparison, "migration", STIFF)
    np.testing.assert_array_equal(drawing.lines[2].y, result.profiles[0].energies)
    phonons = next(s for s in report.sections if s.suite == "phonons")
    assert phonons.pictures is not None
    names = [name for _, name in phonons.pictures.pictures[0].drawings[0].ticks]
    assert names == ["Γ", "X", "S₀"]


@pytest.mark.seconds
def test_before_and_after_a_correction(run: Run, tmp_path: Path) -> None:
    folder = write_correction(tmp_path / "mended", run, 1.25)
    report = gather([run], {"by-hand": PBE}, [read_factor(folder)])
    assert [m.label for m in report.members] == [SOFT, STIFF, "mended"]
    (note,) = report.corrections
    assert (note.before, note.after, note.factor) == (SOFT, "mended", 1.25)
    slope = next(r for r in note.rows if r.before.metric == "slope_median")
    assert slope.before == run.find("high-energy", "fixed-geometry", SOFT, "slope_median")
    assert slope.after.value == pytest.approx(1.25 * slope.before.value)
    assert slope.difference is not None
    assert {row.before.metric for row in note.rows} >= {"stress_slope_median", "energy_scale"}
    assert all(r.before.metric == r.after.metric for r in note.rows)


@pytest.mark.seconds
def test_a_correction_that_was_run_as_well_has_another_label(run: Run, tmp_path: Path) -> None:
    folder = write_correction(tmp_path / STIFF, run, 1.25)
    report = gather([run], {}, [read_factor(folder)])
    assert report.members[-1].label == f"{STIFF}, calculated"
    with pytest.raises(DataError, match="two corrected models"):
        gather([run], {}, [read_factor(folder)] * 2)


@pytest.mark.seconds
def test_run_against_run(run: Run, tmp_path: Path) -> None:
    other = write(tmp_path / "two", hostile=False)
    report = gather([run, other], {})
    assert [m.label for m in report.members] == [
        f"{model} ({name})" for name in ("one", "two") for model in (SOFT, STIFF)
    ]
    (pair,) = report.run_pairs
    assert (pair.first, pair.second) == ("one", "two")
    assert any("cases of" in change.what for change in pair.changes)
    assert [(p.first, p.second) for p in report.pairs] == [
        (f"{SOFT} (one)", f"{STIFF} (one)"),
        (f"{SOFT} (one)", f"{SOFT} (two)"),
        (f"{STIFF} (one)", f"{STIFF} (two)"),
    ]
