"""Several processes at one run: the same results, nothing twice, and nothing lost with one that dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
import torch

from tests.support.slow_runs import (
    CALCULATOR,
    N,
    Silent,
    children,
    equal,
    keys,
    run,
    summary,
    wait_for,
    writers,
)
from umlip_bench.cli.relax import RelaxCommand
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.jobs import Jobs, local_jobs, n_cores
from umlip_bench.running.run_report import how_far
from umlip_bench.running.work import Work, Worked

pytestmark = pytest.mark.seconds


def test_several_processes_give_what_one_gives(here: Path) -> None:
    alone = run(here / "alone", None)
    assert alone.n_done == N
    shown = Silent()
    threads = torch.get_num_threads()
    together = run(here / "together", local_jobs(3, torch.device("cpu")), shown)
    assert torch.get_num_threads() == threads
    assert together.n_done == shown.n == N
    assert not together.told
    found = keys(here / "together")
    assert len(writers(here / "together")) >= 2, "another process measured something"
    assert Counter(key for each in found for key in each).most_common(1)[0][1] == 1
    assert equal(summary(here / "alone"), summary(here / "together"))


@pytest.mark.parametrize("n", [0, -1, 2.5, "2"])
def test_jobs_are_a_number_of_processes(n: Any) -> None:
    with pytest.raises(UmlipBenchError, match="whole number of processes, at least 1"):
        local_jobs(n, torch.device("cpu"))


def test_more_processes_than_cores_are_told_of(capsys: pytest.CaptureFixture[str]) -> None:
    asked = replace(RelaxCommand(files=(), model="m", out=Path("o.xyz")), jobs=n_cores() + 1)
    assert asked.others("cpu") == n_cores() + 1
    assert f"are no faster than --jobs {n_cores()}" in capsys.readouterr().err
    assert replace(asked, jobs=n_cores()).others("cpu") == n_cores()
    assert not capsys.readouterr().err


def test_any_executor_helps(here: Path) -> None:
    """One of the standard library's, without what `local_jobs` adds."""
    run(here / "alone", None)

    def start() -> Executor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    jobs = Jobs(start, lambda executor: executor.shutdown(cancel_futures=True), 1, patience=0)
    assert run(here / "together", jobs).n_done == N
    assert len(writers(here / "together")) == 2
    assert equal(summary(here / "alone"), summary(here / "together"))


class Telling(Executor):
    """As Dask's: the thread that says how many workers there are first tells of the chunks that ended."""

    def __init__(self) -> None:
        self._given: SimpleQueue[tuple[Future[Worked], Work]] = SimpleQueue()

    def submit(self, do, work: Work, /) -> Future[Worked]:  # type: ignore[no-untyped-def, override]
        future: Future[Worked] = Future()
        self._given.put((future, work))
        return future

    def n(self) -> int:
        def tell() -> None:
            while not self._given.empty():
                future, work = self._given.get()
                future.set_result(work.work())

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        thread.join(60)
        assert not thread.is_alive(), "it waits for who waits for it"
        return 2


def test_how_many_others_there_are_is_asked_of_who_tells_of_their_ends(here: Path) -> None:
    run(here / "alone", None)
    others = Telling()
    jobs = Jobs(lambda: others, lambda executor: None, others.n, patience=0)
    outcome = run(here / "together", jobs)
    assert outcome.n_done == N
    assert len(list((here / "together" / "journal").glob("*.jsonl"))) > 1
    assert equal(summary(here / "alone"), summary(here / "together"))


def test_a_process_that_dies_costs_nothing_but_its_time(here: Path) -> None:
    run(here / "alone", None)
    (here / "lives").write_text("2")
    shown = Silent()
    outcome = run(here / "together", local_jobs(2, torch.device("cpu")), shown)
    assert int((here / "lives").read_text()) < 2
    assert outcome.n_done == shown.n == N
    assert equal(summary(here / "alone"), summary(here / "together"))


def test_processes_that_die_whatever_they_do_are_no_longer_asked(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("umlip_bench.running.helpers.MOST_DEATHS", 1)
    (here / "lives").write_text("1000")
    outcome = run(here / "together", local_jobs(2, torch.device("cpu")))
    assert outcome.n_done == N
    (said,) = outcome.told
    assert "The run went on in one process: processes died 2 times" in said


def test_a_model_that_the_others_cannot_load_is_measured_here(here: Path) -> None:
    def start() -> Executor:
        # Of a process that does not find the calculator's module.
        return ProcessPoolExecutor(
            1, multiprocessing.get_context("spawn"), initializer=_without, initargs=(str(here),)
        )

    jobs = Jobs(start, lambda executor: executor.shutdown(cancel_futures=True), 1, patience=0)
    outcome = run(here / "together", jobs)
    assert outcome.n_done == N
    (said,) = outcome.told
    assert "another could not measure" in said


def _without(folder: str) -> None:
    sys.path[:] = [path for path in sys.path if path not in {folder, ""}]
    os.chdir("/")


def test_a_short_run_starts_no_other_process(here: Path) -> None:
    def start() -> Executor:
        raise AssertionError

    jobs = Jobs(start, lambda executor: None, 1)
    assert run(here / "run", jobs).n_done == N


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_no_process_outlives_the_run_and_it_resumes(here: Path, how: signal.Signals) -> None:
    command = ["run", "high-energy", "--model", "ase:slow:Slow", "--data", "metals.xyz"]
    command += ["--jobs", "2", "--device", "cpu", "--dtype", "float64", "--out", "run"]
    (here / "slow.py").write_text(CALCULATOR.replace("0.02", "0.3"))

    def start() -> subprocess.Popen[bytes]:
        # A test's process may ignore Ctrl-C, and what it starts would inherit that.
        program = (
            "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); "
            "from umlip_bench.cli import main; sys.exit(main(sys.argv[1:]))"
        )
        return subprocess.Popen(
            [sys.executable, "-c", program, *command],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path])},
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    started = start()
    wait_for(lambda: len(writers(here / "run")) >= 2)
    others = children(started.pid)
    assert others
    started.send_signal(how)
    started.wait(60)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in others))
    before = [key for each in keys(here / "run") for key in each]
    assert len(before) < N
    assert start().wait(120) == 0
    after = [key for each in keys(here / "run") for key in each]
    assert len(after) == len(set(after)) == N
    assert set(before) <= set(after)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_run_stops_at_its_limit_and_goes_on_later(here: Path, n_jobs: int) -> None:
    (here / "slow.py").write_text(CALCULATOR.replace("0.02", "0.3"))
    jobs = local_jobs(n_jobs, torch.device("cpu"))
    begun = time.monotonic()
    outcome = run(here / "run", jobs, time_limit=3.0)
    # What is under way when time is over is one call to the calculator, and ending takes a moment.
    assert time.monotonic() - begun < 60.0
    n_first = outcome.n_done
    assert 0 < n_first < N
    assert outcome.n_left == N - n_first
    (said,) = how_far(outcome)
    assert f"{n_first} of {N} materials measured" in said
    (here / "slow.py").write_text(CALCULATOR.replace("0.02", "0.3"))
    outcome = run(here / "run", None)
    assert outcome.n_done == N
    assert not outcome.n_left
    assert how_far(outcome) == []
    found = [key for each in keys(here / "run") for key in each]
    assert len(found) == len(set(found)) == N
