"""How far a run is, by its folder."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from umlip_bench.analysis.run_files import JOURNAL
from umlip_bench.analysis.run_status import run_status
from umlip_bench.cli import main
from umlip_bench.ground.errors import RunFolderError

from ..support.report_runs import write


def test_a_run_is_complete_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = write(tmp_path / "run", hostile=False).path
    whole = run_status(folder)
    assert whole.progress
    assert whole.n_left == 0
    assert whole.remaining == timedelta(0)
    assert main(["status", str(folder)]) == 0
    assert "Complete." in capsys.readouterr().out

    (journal,) = (folder / JOURNAL).glob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-3]))
    part = run_status(folder)
    assert part.n_left == 3
    assert sum(p.n_planned for p in part.progress) == sum(p.n_planned for p in whole.progress)
    assert main(["status", str(folder)]) == 0
    assert "3 left" in capsys.readouterr().out


def test_the_rate_is_that_of_the_last_minutes(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", hostile=False).path
    (journal,) = (folder / JOURNAL).glob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:-2]))
    last = run_status(folder).last
    assert last is not None
    n = len(lines) - 2
    status = run_status(folder, last + timedelta(minutes=5))
    # All ended at about the same time, five minutes ago.
    assert status.per_minute == pytest.approx((n - 1) / 5, rel=0.05)
    assert status.remaining is not None
    assert status.remaining / timedelta(minutes=1) == pytest.approx(2 / status.per_minute)
    later = run_status(folder, last + timedelta(hours=1))
    assert later.per_minute == 0
    assert later.remaining is None


def test_what_is_no_run_folder_and_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        run_status(tmp_path)
    folder = write(tmp_path / "run", hostile=False).path
    (journal,) = (folder / JOURNAL).glob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    content = json.loads(lines[0])
    content["entry"]["case"] = "another"
    lines[0] = json.dumps(content).encode() + b"\n"
    journal.write_bytes(b"".join(lines))
    assert run_status(folder).n_left == 1
    assert main(["status", str(folder)]) == 0
    assert "line 1 cannot be read" in capsys.readouterr().err
