"""Every command that writes, killed wherever it changes a file: rerun, it ends as if nothing had been."""

import csv
import mmap
import os
import random
import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.attack.commands import WRITING, clean, inputs
from tests.attack.shell import Ended, Shell

pytestmark = pytest.mark.usefixtures("imported")
CHANGES = frozenset(("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink"))
"""Events of Python's audit that change names; files that are opened to be written are one more."""
KILLS = 24
"""Of each command, spread over its points."""
MOMENTS = 10
"""Of each command besides, at random times."""
WRITERS = re.compile(r"-\d+-[0-9a-f]{8}\.jsonl$")
OF_TIME = ("written by", "date:", "started:", "seconds")
"""Words of lines that tell when, or how long."""
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")


class Points:
    """Counts the points at which a process changes files below a folder, and acts at one of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = os.path.realpath(folder)
        self._count = mmap.mmap(-1, 8)

    @property
    def count(self) -> int:
        """How many there were, also those of a process that has ended."""
        return int.from_bytes(self._count[:8], "little")

    def watch(self, at: int = -1, kind: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
        """For `Shell.run`: count, and send a signal before the one of a number."""
        self._count[:8] = bytes(8)

        def see(event: str, arguments: tuple[object, ...]) -> None:
            if not self._changes(event, arguments):
                return
            number = self.count
            self._count[:8] = (number + 1).to_bytes(8, "little")
            if number == at:
                os.kill(os.getpid(), kind)

        return lambda: sys.addaudithook(see)

    def _changes(self, event: str, arguments: tuple[object, ...]) -> bool:
        if event == "open":
            flags = arguments[2]
            writes = isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
        else:
            writes = event in CHANGES
        path = arguments[0] if writes else None
        return isinstance(path, str | os.PathLike) and os.path.realpath(path).startswith(
            self.folder
        )


def content(folder: Path, out: str) -> dict[str, object]:
    """What a command left: files by name, texts without what tells the time."""
    path = folder / out
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    files += [each for each in (path.with_suffix(".manifest.yaml"),) if each.exists()]
    found: dict[str, object] = {}
    for file in files:
        # Every writer of a journal has a file of a name of its own; what is made of them is compared. A run
        # folder tells in run.yaml of every command that worked on it.
        if WRITERS.search(file.name) or file.name.startswith(".lock") or file.name == "run.yaml":
            continue
        # Arrays of a journal: EMT's last digits differ when something is computed again.
        if file.suffix == ".npz":
            continue
        lines = file.read_bytes().decode(errors="replace").splitlines()
        if file.suffix == ".csv":
            lines = without_seconds(lines)
        found[str(file.relative_to(folder))] = [
            rounded(line) for line in lines if not any(word in line for word in OF_TIME)
        ]
    return found


def without_seconds(lines: list[str]) -> list[str]:
    """A table without the column of what a fit took."""
    rows = list(csv.reader(lines))
    if not rows or "seconds" not in rows[0]:
        return lines
    at = rows[0].index("seconds")
    return [",".join(cell for k, cell in enumerate(row) if k != at) for row in rows]


def rounded(line: str) -> str:
    """Numbers to six digits: EMT keeps neighbours between calls, and sums in the order of its last."""
    return NUMBER.sub(lambda found: f"{round(float(found.group()), 6) + 0.0:.6f}", line)


@pytest.mark.seconds
def test_a_few_kills(tmp_path: Path) -> None:
    survive_changes("data export", tmp_path, 3)
    clean(tmp_path)
    survive_moments("data export", tmp_path, 1)


@pytest.mark.attack
@pytest.mark.parametrize("name", WRITING)
def test_killed_at_any_change_of_a_file(name: str, tmp_path: Path) -> None:
    survive_changes(name, tmp_path, KILLS)


@pytest.mark.attack
@pytest.mark.parametrize("name", WRITING)
def test_killed_at_random_times(name: str, tmp_path: Path) -> None:
    survive_moments(name, tmp_path, MOMENTS)


def at_moment(seconds: float) -> Callable[[], None]:
    """For `Shell.run`: the system ends the process then, without a word to it."""

    def prepare() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)

    return prepare


def survive_changes(name: str, tmp_path: Path, n: int) -> None:
    """Kill a command where it changes files, and hold what comes of it to what comes without."""
    command = WRITING[name]
    inputs(tmp_path, command)
    shell, points, words = Shell(tmp_path), Points(tmp_path), command.words(command.out)
    whole = shell.run(*words, prepare=points.watch())
    assert whole.status == 0, whole.err
    expected, n_points = content(tmp_path, command.out), points.count
    assert n_points >= 2
    killed = sorted({k * n_points // n for k in range(n)})
    for k, at in enumerate(killed):
        clean(tmp_path)
        kind = (signal.SIGKILL, signal.SIGTERM)[k % 4 == 3]
        ended = shell.run(*words, prepare=points.watch(at, kind))
        if kind is signal.SIGTERM:
            assert ended.status == 143, ended.err
            assert "rerun the command" in ended.err
        else:
            assert ended.status == -signal.SIGKILL
        assert not ended.failed_badly, ended.err
        again = shell.run(*words)
        held(again, tmp_path, command.out, expected, f"{kind.name} at change {at} of {n_points}")
    print(f"{name}: {len(killed)} kills at {n_points} changes of files")


def survive_moments(name: str, tmp_path: Path, n: int) -> None:
    """Kill a command at random times."""
    command = WRITING[name]
    inputs(tmp_path, command)
    shell, words = Shell(tmp_path), command.words(command.out)
    before = time.monotonic()
    whole = shell.run(*words)
    took = time.monotonic() - before
    assert whole.status == 0, whole.err
    expected = content(tmp_path, command.out)
    rng, n_in_time, n_tries = random.Random(name), 0, 0
    # One that ended before it could be killed is no kill.
    while n_in_time < n and n_tries < 3 * n:
        clean(tmp_path)
        moment = rng.uniform(0.0, took)
        ended = shell.run(*words, prepare=at_moment(moment))
        assert ended.status in (0, -signal.SIGALRM), ended.err
        n_in_time += ended.status != 0
        n_tries += 1
        again = shell.run(*words)
        held(again, tmp_path, command.out, expected, f"{moment:.3f} of {took:.3f} s")
    assert n_in_time >= n // 2
    print(f"{name}: {n_in_time} kills at random times of {took:.2f} s")


def held(again: Ended, folder: Path, out: str, expected: dict[str, object], where: str) -> None:
    """Hold what the second run left to what an undisturbed one leaves."""
    assert not again.failed_badly, f"after {where}: {again.err}"
    # What was whole when the command was killed may be refused as there.
    assert again.status == 0 or "exists" in again.err, f"after {where}: {again.err}"
    assert content(folder, out) == expected, f"after {where}"
    left = list(folder.rglob(".umlip-bench-*"))
    assert not left or again.status, f"after {where}: {left}"
