"""The leaderboard's numbers: those of the run folder, and what is said of them."""

import csv
import json
import math
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

import umlip_bench
from tests.support.board_runs import MATERIALS, RIGHT, write_board_run
from tests.support.report_runs import HOSTILE, SOFT, STIFF
from tests.support.report_runs import write as write_report_run
from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.chemistry import chemistry_of
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.comparison import compare
from umlip_bench.analysis.leaderboard.content import BoardContent, Line, Slice
from umlip_bench.analysis.leaderboard.force_ranking import By, Over
from umlip_bench.analysis.leaderboard.gather import gather
from umlip_bench.analysis.leaderboard.site import pages, table
from umlip_bench.analysis.leaderboard.statements import Standing, statements
from umlip_bench.analysis.runs import Run
from umlip_bench.cli import main
from umlip_bench.ground.errors import DataError, OutputError

SCALES = {"high-energy": "slope", "phonons": "fixed_curvature_scale"}
"""Suites, and what the column of the scale is called in cases.jsonl."""
HEADLINES = {"high-energy": "slope_median", "phonons": "curvature_scale_median"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_board_run(tmp_path_factory.mktemp("runs") / "board")


@pytest.fixture(scope="module")
def board(run: Run) -> BoardContent:
    return gather([run], {})


def line_of(board: BoardContent, of: str, label: str) -> Line:
    return next(line for line in board.lines if (line.of, line.label) == (of, label))


@pytest.mark.parametrize("suite", SCALES)
def test_whole_lines_are_the_summary(board: BoardContent, run: Run, suite: str) -> None:
    rows = json.loads((run.path / "summary.json").read_text())["rows"]
    place = [column.suite for column in board.columns].index(suite)
    for label in run.models:
        cell = line_of(board, Slice.ALL, label).cells[place]
        key = (suite, label, HEADLINES[suite], "fixed-geometry")
        row = next(r for r in rows if (r["suite"], r["model"], r["metric"], r["variant"]) == key)
        assert cell is not None
        assert [cell.value, cell.low, cell.high, cell.n] == [
            row[name] for name in ("value", "ci_low", "ci_high", "n_cases")
        ]


@pytest.mark.parametrize("suite", SCALES)
def test_slices_are_medians_of_their_cases(board: BoardContent, run: Run, suite: str) -> None:
    lines = (run.path / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if case["suite"] == suite]
    place = [column.suite for column in board.columns].index(suite)
    column = SCALES[suite]
    seen = 0
    for line in board.lines:
        cell = line.cells[place]
        if line.kind is Slice.ALL or cell is None:
            continue
        own = [
            case["metrics"][column]
            for case in cases
            if case["model"] == line.label
            and line.of in (*case["elements"], chemistry_of(case["elements"]))
        ]
        assert cell.value == pytest.approx(median(own), rel=1e-12)
        assert cell.n == len(own)
        seen += 1
    elements = {symbol for symbols in MATERIALS.values() for symbol in symbols}
    classes = {chemistry_of(symbols) for symbols in MATERIALS.values()}
    assert seen == 3 * (len(elements) + len(classes))


def test_table_has_every_cell(board: BoardContent) -> None:
    rows = list(csv.DictReader(table(board).splitlines()))
    assert len(rows) == sum(cell is not None for line in board.lines for cell in line.cells)
    for row in rows:
        line = line_of(board, row["over"], row["potential"])
        place = [column.suite for column in board.columns].index(row["suite"])
        cell = line.cells[place]
        assert cell is not None
        assert float(row["scale"]) == cell.value


def test_differences_are_those_of_compare(board: BoardContent, run: Run) -> None:
    for each in board.differences:
        sides = (Side(run, name, name) for name in (each.first, each.second))
        assert each.row in compare(*sides)
        assert (
            each.adjusted_p is None
            or each.row.p_value is None
            or (each.adjusted_p >= each.row.p_value)
        )
    assert {(each.first, each.second) for each in board.differences} == {
        (SOFT, STIFF),
        (SOFT, RIGHT),
        (STIFF, RIGHT),
    }


def test_forces_that_rank_the_other_way(board: BoardContent) -> None:
    """Of SOFT and STIFF the curvature falls from material to material and the forces rise."""
    found = {
        (each.of, each.by): each
        for each in board.rankings
        if each.suite == "phonons" and each.over is Over.MATERIALS
    }
    for label in (SOFT, STIFF):
        ranking = found[label, By.SCALE]
        assert ranking.correlation.rho == pytest.approx(-1.0)
        assert ranking.correlation.n == len(MATERIALS)
        assert len(ranking.misleads) == 2
    # Forces of SOFT rise towards DFT, while the curvature falls away from it.
    assert found[SOFT, By.ERROR].correlation.rho == pytest.approx(-1.0)
    over = next(r for r in board.rankings if r.over is Over.POTENTIALS and r.suite == "phonons")
    assert [each.name for each in over.ranked] == [SOFT, STIFF, RIGHT]
    assert over.correlation.rho == pytest.approx(0.5)
    assert len(over.misleads) == 1
    assert f"{RIGHT} is softer than {STIFF} in forces" in over.misleads[0]
    assert "both differences are resolved" in over.misleads[0]
    assert any("-1.00" in said for said in board.answer)


def test_statements_are_safe_only_with_evidence(run: Run) -> None:
    def found(model: str) -> dict[tuple[str, str], Standing]:
        content = card_content(Side(run, model, model))
        every = statements(content)
        order = list(Standing)
        assert all(
            order.index(one.standing) <= order.index(two.standing) for one, two in pairwise(every)
        )
        assert all(each.evidence for each in every)
        return {(each.suite, each.variant): each.standing for each in reversed(every)}

    assert found(RIGHT)["high-energy", "fixed-geometry"] is Standing.SAFE
    assert found(SOFT)["high-energy", "fixed-geometry"] is Standing.OFF
    assert found(STIFF)["surfaces", ""] is Standing.FAILS
    assert found(SOFT)["surfaces", "fixed-geometry"] is Standing.OPEN
    assert found(SOFT)["", ""] is Standing.UNMEASURED


def test_another_functional_is_not_ranked(tmp_path: Path) -> None:
    other = write_report_run(tmp_path / "other", hostile=False, functional="r2SCAN")
    board = gather([other], {})
    assert all(page.warning for page in board.potentials)
    assert not board.rankings
    assert not board.differences
    assert not board.scales
    first = board.potentials[0].statements
    assert any("r2SCAN" in each.evidence for each in first)


@pytest.mark.seconds
def test_pages_are_whole_without_script(board: BoardContent) -> None:
    texts = dict(pages(board))
    assert set(texts) == {
        "index.html",
        "board.csv",
        *(f"potentials/{page.page}.html" for page in board.potentials),
    }
    index = texts["index.html"]
    assert index.count('<tr><th scope="row"><a href="potentials/') == len(board.lines)
    assert "<svg" in index
    assert HOSTILE not in "".join(texts[name] for name in texts if name.endswith(".html"))
    for page in board.potentials:
        assert all(str(each.evidence.partition(";")[0])[:20] for each in page.statements)
    for label in (SOFT, STIFF, RIGHT):
        assert label in index


@pytest.mark.seconds
def test_command_and_python(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "deep" / "site"
    assert main(["leaderboard", str(run.path), "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out / "index.html")
    first = (out / "index.html").read_bytes()
    assert umlip_bench.leaderboard([run], out) == out / "index.html"
    assert (out / "index.html").read_bytes() == first
    (out / "board.csv").write_text("mine")
    with pytest.raises(OutputError, match="not written by"):
        umlip_bench.leaderboard([run], out)
    umlip_bench.leaderboard([run.path], out, force=True)
    assert main(["leaderboard", str(tmp_path), "--out", str(out)]) == 2
    assert "is not a run folder" in capsys.readouterr().err


def test_nothing_to_show() -> None:
    with pytest.raises(DataError, match="no run folders"):
        gather([], {})


def test_infinite_scales_sort_to_their_end() -> None:
    from umlip_bench.analysis.leaderboard.content import Cell
    from umlip_bench.analysis.leaderboard.site import order

    cells = [
        Cell(-math.inf, None, None, 9),
        Cell(0.5, None, None, 9),
        Cell(math.inf, None, None, 9),
        None,
    ]
    numbers = [float(order(cell)) for cell in cells]
    assert numbers == sorted(numbers)
    assert len(set(numbers)) == len(numbers)
