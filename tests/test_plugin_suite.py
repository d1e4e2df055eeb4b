"""A suite of another package: one folder and one entry point, nothing else touched."""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from umlip_bench.analysis import read_run
from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.cli import main
from umlip_bench.ground.arrays import from_arrays

PACKAGE = Path(__file__).parent / "data" / "plugin_suite"
OURS = (
    *("high-energy", "surfaces", "defects", "solid-solutions"),
    *("eos", "migration", "phonons", "elastic", "sanity"),
)
EMT = "ase:ase.calculators.emt:EMT"
SOFT = "ase:soft_emt:Soft"
FACTOR = 0.8
CALCULATOR = f"""
from ase.calculators.emt import EMT

class Soft(EMT):
    def calculate(self, *args, **kwargs):
        super().calculate(*args, **kwargs)
        for name in ("energy", "free_energy", "forces", "stress"):
            self.results[name] = {FACTOR} * self.results[name]
"""


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The package as pip would leave it: on the path, with its metadata beside it."""
    monkeypatch.syspath_prepend(str(PACKAGE))
    all_suites.cache_clear()
    yield
    all_suites.cache_clear()
    for name in [module for module in sys.modules if module.partition(".")[0] == "pressures"]:
        del sys.modules[name]


@pytest.fixture
def run(
    installed: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[Path, str]:
    """Folder of a run of the suite with EMT and 0.8 times EMT, and what was printed."""
    (tmp_path / "soft_emt.py").write_text(CALCULATOR)
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "run"
    options = ["--model", EMT, "--model", SOFT, "--dtype", "float64", "--device", "cpu"]
    assert main(["run", "pressures", *options, "--out", str(folder)]) == 0
    return folder, capsys.readouterr().out


def test_it_comes_after_ours(installed: None) -> None:
    assert tuple(all_suites()) == (*OURS, "pressures")


def test_help_names_it() -> None:
    """In a process of its own: what is installed is looked up once."""
    path = os.pathsep.join([str(PACKAGE), *filter(None, sys.path)])
    shown = subprocess.run(
        [sys.executable, "-m", "umlip_bench", "run", "--help"],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "pressures" in shown.stdout


def test_its_metrics_are_told(installed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["suites"]) == 0
    assert "pressures" in capsys.readouterr().out
    assert main(["suites", "pressures"]) == 0
    told = capsys.readouterr().out
    for metric in suite_of("pressures").metrics:
        assert metric.key in told


def test_run_prints_its_table(run: tuple[Path, str]) -> None:
    said = " ".join(run[1].split())
    for text in ("pressures (fixed-geometry)", "pressure / DFT", "numbers on pressures", "98 %"):
        assert text in said
    found = read_run(run[0])
    scales = [
        found.find("pressures", "fixed-geometry", m, "pressure_scale_median") for m in found.models
    ]
    assert all(row is not None and row.n_cases > 0 for row in scales)
    first, second = (row.value for row in scales if row is not None)
    assert second == pytest.approx(FACTOR * first)


def test_its_results_come_back_and_scale(run: tuple[Path, str]) -> None:
    found = read_run(run[0])
    suite = all_suites()["pressures"]
    emt, soft = (found.results_of(suite.result, "pressures", model) for model in found.models)
    for one, other in zip(emt, soft, strict=True):
        assert suite.scaled(one, FACTOR).model == pytest.approx(other.model)
        again = from_arrays(suite.result, suite.to_arrays(one))
        assert vars(again) == vars(one)


@pytest.mark.seconds
def test_compare_export_card_and_report_have_it(
    run: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, _ = run
    assert main(["compare", str(folder)]) == 0
    assert "pressure / DFT" in capsys.readouterr().out
    assert main(["export", str(folder), "--out", str(tmp_path / "tables")]) == 0
    cases = pd.read_csv(tmp_path / "tables" / "cases-pressures.csv")
    assert np.isfinite(cases["pressure_scale"]).any()
    predictions = pd.read_csv(tmp_path / "tables" / "predictions.csv")
    assert set(predictions["quantity"]) == {"pressure"}
    model = read_run(folder).models[1]
    card = tmp_path / "card.md"
    assert main(["card", str(folder), "--model", model, "--out", str(card)]) == 0
    assert "| pressures | fixed-geometry | pressures |" in card.read_text()
    page = tmp_path / "page.html"
    assert main(["report", str(folder), "--out", str(page)]) == 0
    assert "Compressed crystals" in page.read_text()


@pytest.mark.seconds
def test_a_run_of_a_suite_that_is_gone_says_so(
    run: tuple[Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = run
    eos = ["--model", EMT, "--dtype", "float64", "--device", "cpu", "--mode", "quick"]
    assert main(["run", "eos", *eos, "--out", str(folder)]) == 0
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(PACKAGE)])
    all_suites.cache_clear()
    found = read_run(folder)
    assert found.suites == ("eos",)
    assert any("pressures: no suite of this name is installed" in each for each in found.incomplete)


def test_it_cannot_replace_ours_and_a_broken_one_is_named(
    installed: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    info = tmp_path / "mischief-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mischief\nVersion: 1.0\n")
    points = ("eos = pressures:SUITE", "gone = no_such_module:SUITE", "odd = pressures:Pressures")
    lines = "\n".join(["[umlip_bench.suites]", *points, "other = pressures:SUITE"])
    (info / "entry_points.txt").write_text(lines + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    all_suites.cache_clear()
    with caplog.at_level(logging.WARNING, "umlip_bench"):
        found = all_suites()
    assert tuple(found) == (*OURS, "pressures")
    assert found["eos"].title == "Equations of state"
    said = [record.getMessage() for record in caplog.records]
    for name, reason in (
        ("eos", "has one of that name, of umlip-bench"),
        ("gone", "No module named 'no_such_module'"),
        ("odd", "not a declared suite"),
        ("other", "calls itself 'pressures'"),
    ):
        assert any(text.startswith(f"{name} (") and reason in text for text in said), name
