"""A hundred kills, at random, of processes that share a run: nothing is lost, and little is done twice."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from multiprocessing.process import BaseProcess
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
    writers,
)

KILLS = 100
SEED = 23
COMMAND = ["run", "high-energy", "--model", "ase:slow:Slow", "--data", "metals.xyz"]
COMMAND += ["--device", "cpu", "--dtype", "float64", "--out", "run"]
N_EACH = 80
N = N_EACH * len(METALS)
SECONDS = "0.05"
PATIENCE = 600.0
"""Seconds in which something must end: a process begins in seconds on an idle machine."""
CHUNK = 0.5
"""Seconds of a chunk, shortened so that many are begun."""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a calculator and labels of `N` materials, found by processes that are started."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "slow", raising=False)
    labelled(tmp_path, N_EACH)
    (tmp_path / "slow.py").write_text(CALCULATOR.replace("0.02", SECONDS))
    return tmp_path


def command(options: list[str]) -> None:
    """What a process does: the command, with what takes minutes taking seconds."""
    from umlip_bench.cli import main
    from umlip_bench.ground import claims
    from umlip_bench.running import joined_chunks, joined_work, planner

    claims.STALE, claims.BEAT, joined_work.POLL = 3.0, 0.5, 0.2
    joined_chunks.SHORTEST = CHUNK
    defaults = planner.Planner.__init__.__kwdefaults__
    assert defaults is not None
    defaults["chunk_seconds"] = CHUNK
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    sys.exit(main([*COMMAND, *options]))


def begin(*options: str) -> BaseProcess:
    """A command that shares the run, in a process that has its imports done."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["umlip_bench.running.runner", "umlip_bench.cli.run"])
    process = context.Process(target=command, args=(list(options),))
    process.start()
    return process


def measured() -> list[str]:
    """Keys of all that was computed, as often as it was."""
    return [key for each in keys(Path("run")) for key in each]


def more(n: int, process: BaseProcess) -> int:
    """Wait for a number of results more, or the end of a process; how many different ones there are."""
    before = set(measured())
    wanted = n_lines() + n
    limit = time.monotonic() + PATIENCE
    while n_lines() < wanted and process.is_alive():
        assert time.monotonic() < limit
        time.sleep(0.3)
    now = set(measured())
    assert now >= before, "nothing is lost"
    return len(now)


def n_lines() -> int:
    """Of the journal: looking must not take the time of those who work."""
    return sum(path.read_bytes().count(b"\n") for path in Path("run/journal").glob("*.jsonl"))


@pytest.mark.attack
def test_those_who_join_are_killed(here: Path) -> None:
    """Two at a time, one of which is killed at any moment and replaced."""
    chance = random.Random(SEED)
    at_work = [begin("--join"), begin("--join")]
    n_kills = 0
    try:
        while n_kills < KILLS and more(chance.randint(1, 6), at_work[0]) < N:
            k = chance.randrange(2)
            n_kills += at_work[k].is_alive()
            at_work[k].kill()
            at_work[k].join()
            at_work[k] = begin("--join")
        for each in at_work:
            each.join(300)
        # One that ended while a claim of the last that was killed was fresh leaves it to a later command.
        last = begin("--join")
        last.join(300)
        assert last.exitcode == 0
    finally:
        for each in at_work:
            each.kill()
    check(here, n_kills)


@pytest.mark.attack
def test_workers_and_who_plans_are_killed(here: Path) -> None:
    """Three processes of ``--jobs``: one that works or, in every tenth kill, the one that plans."""
    chance = random.Random(SEED)
    n_kills = 0
    plans = begin("--jobs", "3")
    try:
        while n_kills < KILLS and more(chance.randint(1, 6), plans) < N and plans.is_alive():
            assert plans.pid is not None
            others = children(plans.pid)
            working = sorted(others & set(map(int, writers(here / "run"))))
            if n_kills % 10 == 9 or not working:
                plans.kill()
                plans.join()
                ended(others)
                plans = begin("--jobs", "3")
            else:
                os.kill(chance.choice(working), signal.SIGKILL)
            n_kills += 1
        plans.join(600)
        assert plans.exitcode == 0
    finally:
        plans.kill()
    check(here, n_kills)


def ended(processes: set[int]) -> None:
    """Wait until they are gone."""
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in processes))


def check(here: Path, n_kills: int) -> None:
    """All is there as if nobody had been killed, and what was done twice is what a kill may cost."""
    found = Counter(measured())
    twice = sum(found.values()) - len(found)
    print(f"{n_kills} kills, {len(found)} of {N} cases, {twice} of them computed twice")
    assert len(found) == N
    # A case is kept as it ends, so that what is under way is lost but nothing of what has ended.
    assert twice <= n_kills
    assert run(here / "alone", None).n_done == N
    assert equal(summary(here / "alone"), summary(here / "run"))
