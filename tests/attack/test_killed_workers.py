"""A hundred kills, at random, of processes that share a run: nothing is lost, and little is done twice."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.slow_runs import (
    CALCULATOR,
    METALS,
    children,
    equal,
    keys,
    labelled,
    run,
    summary,
    wait_for,
)

KILLS = 100
SEED = 23
COMMAND = ["run", "high-energy", "--model", "ase:slow:Slow", "--data", "metals.xyz"]
COMMAND += ["--device", "cpu", "--dtype", "float64", "--out", "run"]
N_EACH = 60
N = N_EACH * len(METALS)

SECONDS = "0.05"
CHUNK = 1.0
"""Seconds of a chunk, shortened so that many are begun."""
SHORTENED = f"""\
import sys
import umlip_bench.ground.claims as claims
import umlip_bench.running.joined_chunks as chunks
import umlip_bench.running.joined_work as work
import umlip_bench.running.planner as planner
from umlip_bench.cli import main
claims.STALE, claims.BEAT, work.POLL = 3.0, 0.5, 0.2
chunks.SHORTEST = planner.CHUNK_SECONDS = {CHUNK}
planner.Planner.__init__.__kwdefaults__["chunk_seconds"] = {CHUNK}
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a calculator and labels of `N` materials, found by processes that are started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow", raising=False)
    labelled(tmp_path, N_EACH)
    (tmp_path / "slow.py").write_text(CALCULATOR.replace("0.02", SECONDS))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    return tmp_path


def begin(*options: str) -> subprocess.Popen[bytes]:
    """A command that shares the run."""
    words = [sys.executable, "-c", SHORTENED, *COMMAND, *options]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def measured(out: Path) -> list[str]:
    """Keys of all that was computed, as often as it was."""
    return [key for each in keys(out) for key in each]


def as_alone(here: Path) -> None:
    """The summary is that of one process that nobody disturbed."""
    assert run(here / "alone", None).n_done == N
    assert equal(summary(here / "alone"), summary(here / "run"))


def in_steps(here: Path, n: int) -> None:
    """Have a number of results more."""
    before = len(measured(here / "run"))
    wait_for(lambda: len(measured(here / "run")) >= min(before + n, N))


def lost(n_before: int, out: Path) -> int:
    """Results that were there and no longer are."""
    return max(0, n_before - len(set(measured(out))))


@pytest.mark.attack
def test_those_who_join_are_killed(here: Path) -> None:
    """Two at a time, one of which is killed at any moment and replaced."""
    chance = random.Random(SEED)
    at_work = [begin("--join"), begin("--join")]
    n_kills = 0
    try:
        while any(each.poll() is None for each in at_work):
            time.sleep(chance.uniform(0.0, 4.0))
            before = len(set(measured(here / "run")))
            k = chance.randrange(2)
            if n_kills < KILLS and before < N:
                n_kills += at_work[k].poll() is None
                at_work[k].kill()
                at_work[k].wait()
                at_work[k] = begin("--join")
            assert not lost(before, here / "run")
        # What the last ones left is stale by now.
        time.sleep(4.0)
        assert begin("--join").wait(300) == 0
    finally:
        for each in at_work:
            each.kill()
    check(here, n_kills)


@pytest.mark.attack
def test_workers_and_who_plans_are_killed(here: Path) -> None:
    """Three processes of ``--jobs``: one that works or, in every fifth kill, the one that plans."""
    chance = random.Random(SEED)
    n_kills = n_of_plans = 0
    planner = begin("--jobs", "3")
    try:
        while planner.poll() is None:
            time.sleep(chance.uniform(0.0, 4.0))
            before = len(set(measured(here / "run")))
            others = sorted(children(planner.pid))
            if n_kills < KILLS and before < N:
                n_kills += 1
                if n_kills % 5 == 0 or not others:
                    n_of_plans += 1
                    planner.kill()
                    planner.wait()
                    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others))
                    planner = begin("--jobs", "3")
                else:
                    os.kill(chance.choice(others), signal.SIGKILL)
            assert not lost(before, here / "run")
        assert planner.wait() == 0
    finally:
        planner.kill()
    assert n_of_plans
    check(here, n_kills)


def check(here: Path, n_kills: int) -> None:
    """All is there as if nobody had been killed, and what was done twice is what a kill may cost."""
    found = Counter(measured(here / "run"))
    assert len(found) == N
    twice = sum(found.values()) - N
    print(f"{n_kills} kills, {N} cases, {twice} of them computed twice")
    # A case is kept as it ends: twice is only what ended between a look and a kill.
    assert twice <= 2 * n_kills
    assert json.loads((here / "run" / "summary.json").read_text())["rows"]
    as_alone(here)
