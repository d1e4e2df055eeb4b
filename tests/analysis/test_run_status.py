"""How far a run is, by its folder."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
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
    status = run_status(folder, last + timedelta(seconds=20))
    # All ended at about the same time, twenty seconds ago.
    assert status.per_minute == pytest.approx((n - 1) * 3, rel=0.2)
    assert status.quiet is None
    assert status.remaining is not None
    assert status.remaining / timedelta(minutes=1) == pytest.approx(2 / status.per_minute)
    later = run_status(folder, last + timedelta(hours=1))
    assert later.per_minute == 0
    assert later.quiet == timedelta(hours=1)
    assert later.remaining is None


def write_ends(folder: Path, *seconds_ago: float) -> None:
    """Have so many cases ended, each so long ago."""
    (journal,) = (folder / JOURNAL).glob("*.jsonl")
    now, lines = datetime.now(UTC), []
    for text, ago in zip(journal.read_bytes().splitlines(), seconds_ago, strict=False):
        content = json.loads(text)
        del content["crc32"]
        content["at"] = (now - timedelta(seconds=ago)).isoformat(timespec="microseconds")
        plain = json.dumps(content, ensure_ascii=False).encode()
        lines.append(b'%s, "crc32": %d}\n' % (plain[:-1], zlib.crc32(plain)))
    journal.write_bytes(b"".join(lines))


@pytest.mark.parametrize(
    ("seconds_ago", "said"),
    [
        # One a second until two minutes ago, which is long against a second.
        (range(150, 119, -1), "the last case ended about 2 minutes ago, at "),
        # As quick, but at rest for a minute before.
        ((*range(200, 180, -1), *range(120, 100, -1)), "cases a minute, "),
        ((50, 40, 30, 20, 10), "cases a minute, about "),
        ((7300, 7250), "the last case ended about 2 hours ago, at "),
        (range(24, 4, -1), "cases a minute, less than a minute more if"),
        ((10,), "too few have ended to tell"),
        ((), "none has ended yet"),
    ],
)
def test_no_time_is_forecast_where_it_is_quiet(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    seconds_ago: Sequence[float],
    said: str,
) -> None:
    folder = write(tmp_path / "run", hostile=False).path
    write_ends(folder, *seconds_ago)
    assert main(["status", str(folder)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert said in last
    assert ("rerun the command to resume if it is not running" in last) == ("ago" in said)
    assert ("more if the others" in last) == ("a minute, " in said)


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
