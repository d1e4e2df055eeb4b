"""A run that is not complete says so wherever its numbers are shown."""

import html
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest

from tests.support.narrowing import some
from tests.support.report_runs import SOFT, STIFF, write
from umlip_bench.analysis.runs import read_run
from umlip_bench.cli import main


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("complete") / "run", hostile=False).path


@pytest.fixture(scope="module")
def incomplete(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder as a kill leaves it: some cases of one model were not finished."""
    path = shutil.copytree(folder, tmp_path_factory.mktemp("incomplete") / "run")
    left = 0
    for journal in (path / "journal").glob("*.jsonl"):
        kept = []
        for line in journal.read_bytes().splitlines(keepends=True):
            entry = json.loads(line)["entry"]
            gone = entry["model"] == STIFF and entry["suite"] == "surfaces"
            if entry["model"] == STIFF and entry["suite"] == "eos":
                left += 1
                gone = left > 1
            kept += [] if gone else [line]
        journal.write_bytes(b"".join(kept))
    return path


@pytest.fixture(scope="module")
def missing(incomplete: Path) -> tuple[str, str]:
    found = read_run(incomplete).incomplete
    assert len(found) == 2
    eos = next(each for each in found if each.startswith(f"{STIFF}, eos: 1 of 2 planned"))
    surfaces = next(each for each in found if each.startswith(f"{STIFF}, surfaces: 0 of "))
    return eos, surfaces


COMMANDS = {
    "card.md": ["card", "--model", SOFT],
    "card.html": ["card", "--model", SOFT],
    "report.html": ["report"],
    "summary.csv": ["export"],
}


@pytest.mark.seconds
@pytest.mark.parametrize("name", COMMANDS)
def test_files_say_what_is_missing(
    incomplete: Path,
    missing: tuple[str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
) -> None:
    command, *rest = COMMANDS[name]
    out = tmp_path if command == "export" else tmp_path / name
    assert main([command, str(incomplete), *rest, "--out", str(out)]) == 0
    text = (tmp_path / name).read_text().replace("\\", "")
    said = capsys.readouterr().err
    for each in missing:
        assert each in html.unescape(text)
        assert f"{incomplete} is not complete: {each}" in said


@pytest.mark.seconds
def test_tables_on_the_terminal_and_pictures_say_it(
    incomplete: Path, missing: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", str(incomplete)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert main(["card", str(incomplete), "--model", STIFF]) == 0
    card = capsys.readouterr().out.replace("\\", "")
    for each in missing:
        assert each in printed
        assert each in card


def test_numbers_are_of_the_cases_that_are_there(folder: Path, incomplete: Path) -> None:
    """summary.json still has those of all: they are made anew."""
    whole, part = read_run(folder), read_run(incomplete)
    row = part.find("eos", "fixed-geometry", STIFF, "energy_slope_median")
    assert some(whole.find("eos", "fixed-geometry", STIFF, "energy_slope_median")).n_cases == 2
    assert some(row).n_cases == 1
    assert part.find("surfaces", "fixed-geometry", STIFF, "slope") is None


@pytest.mark.seconds
def test_of_a_run_that_is_complete_nothing_is_said(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert read_run(folder).incomplete == ()
    assert main(["export", str(folder), "--out", str(tmp_path)]) == 0
    assert main(["compare", str(folder)]) == 0
    assert main(["card", str(folder), "--model", SOFT]) == 0
    said = capsys.readouterr()
    assert "ot complete" not in said.err + said.out
    assert set(pd.read_csv(tmp_path / "summary.csv", keep_default_na=False)["incomplete"]) == {""}
