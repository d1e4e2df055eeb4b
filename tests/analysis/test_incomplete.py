"""A run that is not complete says so wherever its numbers are shown."""

import pandas as pd
import pytest

from tests.support.report_runs import SOFT, STIFF, write
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.cli import main

MISSING = (
    "stiff-model-2.0, eos: 7 of 12 planned cases are there",
    "stiff-model-2.0, surfaces: none of 3 planned cases is there",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write(tmp_path_factory.mktemp("incomplete") / "run", hostile=False).path


@pytest.fixture
def incomplete(monkeypatch):
    """What the reader of run folders would find."""
    monkeypatch.setattr(Run, "incomplete", MISSING)


COMMANDS = {
    "card.md": ["card", "--model", SOFT],
    "card.html": ["card", "--model", SOFT],
    "report.html": ["report"],
    "summary.csv": ["export"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_files_say_what_is_missing(folder, incomplete, tmp_path, capsys, name):
    command, *rest = COMMANDS[name]
    out = tmp_path if command == "export" else tmp_path / name
    assert main([command, str(folder), *rest, "--out", str(out)]) == 0
    text = (tmp_path / name).read_text().replace("\\", "")
    said = capsys.readouterr().err
    for missing in MISSING:
        assert missing in text
        assert f"{folder} is not complete: {missing}" in said


def test_tables_on_the_terminal_and_pictures_say_it(folder, incomplete, tmp_path, capsys):
    assert main(["compare", str(folder)]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert main(["card", str(folder), "--model", STIFF]) == 0
    card = capsys.readouterr().out
    for missing in MISSING:
        assert missing in printed
        assert missing in card


def test_of_a_run_that_is_complete_nothing_is_said(folder, tmp_path, capsys):
    assert read_run(folder).incomplete == ()
    assert main(["export", str(folder), "--out", str(tmp_path)]) == 0
    assert main(["compare", str(folder)]) == 0
    assert main(["card", str(folder), "--model", SOFT]) == 0
    said = capsys.readouterr()
    assert "ot complete" not in said.err + said.out
    assert set(pd.read_csv(tmp_path / "summary.csv", keep_default_na=False)["incomplete"]) == {""}
