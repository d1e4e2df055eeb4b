import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.analysis.test_comparison import defects, materials
from umlip_bench.analysis.document import Grid, Section, to_markdown
from umlip_bench.analysis.export import (
    PREDICTION_COLUMNS,
    export_run,
    predictions,
    run_tables,
    write_table,
)
from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.errors import RunFolderError

from ..support.run_folders import FAILED, write_run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Two suites, two models, of which one failed in a case."""
    first = materials(3)
    return write_run(
        tmp_path / "run",
        {
            "high-energy": {"a": first, "b": [*materials(3, 0.3)[:2], (FAILED, first[2].name)]},
            "defects": {"a": defects(2)},
        },
    )


def read_back(path: Path, like: pd.DataFrame) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    # An empty cell of words is what it says, one of numbers is nan.
    numbers = [name for name in like if pd.api.types.is_numeric_dtype(like[name])]
    return pd.read_csv(
        path,
        float_precision="round_trip",
        keep_default_na=False,
        na_values={name: [""] for name in numbers},
    )


@pytest.mark.seconds
@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_tables_read_back_equal(run: Run, tmp_path: Path, format: str) -> None:
    written = export_run(run, tmp_path / "tables", format)
    expected = run_tables(run)
    assert [each.path.stem for each in written] == list(expected)
    assert sorted(each.path for each in written) == sorted((tmp_path / "tables").iterdir())
    for each in written:
        frame = expected[each.path.stem]
        found = read_back(each.path, frame)
        assert each.n_rows == len(found) == len(frame) > 0
        for name in frame:
            if pd.api.types.is_numeric_dtype(frame[name]):
                np.testing.assert_array_equal(found[name], frame[name])
            else:
                assert found[name].fillna("").tolist() == frame[name].fillna("").tolist()


def test_summary_and_cases_are_those_of_the_folder(run: Run) -> None:
    tables = run_tables(run)
    assert list(tables) == ["summary", "cases-high-energy", "cases-defects", "predictions"]
    assert len(tables["summary"]) == len(run.rows)
    cases = tables["cases-high-energy"]
    assert cases["status"].value_counts().to_dict() == {"done": 5, "failed": 1}
    (failed,) = cases[cases["status"] == "failed"].to_dict("records")
    assert failed["reason"] == "would not"
    assert np.isnan(failed["slope"])


def test_predictions_are_one_value_a_row(run: Run) -> None:
    frame = predictions(run)
    assert list(frame.columns) == list(PREDICTION_COLUMNS)
    case = run.of("high-energy", "a")[1]
    forces = frame[
        (frame["model"] == "a")
        & (frame["case"] == case.case)
        & (frame["quantity"] == "force component")
    ]
    result = run.result(case)
    assert isinstance(result, MaterialComparison)
    frames = result.frames
    expected = np.concatenate([each.forces_model.ravel() for each in frames])
    np.testing.assert_array_equal(forces["model_value"], expected)
    np.testing.assert_array_equal(forces["index"], np.arange(len(expected)))
    assert set(forces["unit"]) == {"eV/Å"}
    # The slope of a case follows from its rows.
    x, y = forces["reference"], forces["model_value"]
    assert (x @ y) / (x @ x) == pytest.approx(case.metrics["slope"])
    # A case that failed has no values; one of defects has one.
    failed = run.failed("high-energy", "b")[0].case
    assert not ((frame["model"] == "b") & (frame["case"] == failed)).any()
    assert (frame["suite"] == "defects").sum() == len(run.of("defects", "a"))


def test_refusals(run: Run, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"'xlsx'.*csv, parquet"):
        export_run(run, tmp_path / "tables", "xlsx")
    with pytest.raises(RunFolderError, match=r"\.csv or \.parquet"):
        write_table(run.summary(), tmp_path / "summary.txt")
    (tmp_path / "taken").write_text("")
    with pytest.raises(RunFolderError, match="another --out"):
        export_run(run, tmp_path / "taken")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('=HYPERLINK("x","y")', '\'=HYPERLINK("x","y")'),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-1.5", "-1.5"),
        ("-", "-"),
        ("MgO", "MgO"),
    ],
)
def test_no_text_of_a_table_is_a_formula(tmp_path: Path, text: str, written: str) -> None:
    frame = pd.DataFrame({"case": [text], "value": [-1.5]})
    write_table(frame, tmp_path / "table.csv")
    (row,) = csv.reader((tmp_path / "table.csv").read_text().splitlines()[1:])
    assert row == [written, "-1.5"]


def test_no_name_of_a_document_is_a_link() -> None:
    text = to_markdown("![t](x)", [Section("[a](b)", (Grid(("n",), (("![t](x)",),)),))])
    assert "](" not in text
    assert "[0.77, 0.92]" in to_markdown("slope [0.77, 0.92]", [])
