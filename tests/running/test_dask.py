"""A cluster of Dask whose scheduler, or one of whose workers, fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.slow_runs import CALCULATOR, N, keys, run, wait_for, writers
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.dask_jobs import dask_jobs
from umlip_bench.running.jobs import Jobs

pytestmark = pytest.mark.seconds

SCHEDULER = ("scheduler", "--scheduler-file", "it.json", "--port", "0", "--host", "127.0.0.1")
WORKER = ("worker", "--scheduler-file", "it.json", "--nthreads", "1", "--no-nanny")
BROKEN = "raise ImportError('no kernel image for this machine')\n"

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def dask(seen: Path, processes: list[subprocess.Popen[bytes]]) -> Start:
    """Starts a command of Dask; with a folder to import from before all others."""

    def start(*words: str, first: Path | None = None) -> subprocess.Popen[bytes]:
        path = os.pathsep.join([*([str(first)] if first else []), os.environ["PYTHONPATH"]])
        processes.append(
            subprocess.Popen(
                # -P: not from the folder that it is in.
                [sys.executable, "-P", "-m", "dask", *words, "--dashboard-address", ":0"],
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": path},
            )
        )
        return processes[-1]

    return start


def there(n: int) -> Jobs:
    """The jobs of a cluster, once it has so many workers."""
    jobs = dask_jobs("it.json", None, "cpu", lambda said: None)
    executor = jobs.start()
    wait_for(lambda: jobs.n_now == n)
    jobs.stop(executor)
    return jobs


def test_a_scheduler_that_is_killed(
    seen: Path, dask: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("umlip_bench.running.dask_jobs.CONNECT_SECONDS", 5.0)
    (seen / "slow.py").write_text(CALCULATOR.replace("0.02", "0.1"))
    scheduler = dask(*SCHEDULER)
    wait_for(lambda: (seen / "it.json").exists())
    dask(*WORKER)

    def kill() -> None:
        wait_for(lambda: sum(map(len, keys(seen / "run"))) >= 2)
        scheduler.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    told: list[str] = []
    with pytest.raises(UmlipBenchError) as raised:
        run(seen / "run", dask_jobs("it.json", None, "cpu", told.append))
    killer.join()
    assert re.match(
        r"the connection to the scheduler was lost; --dask it.json: no scheduler answers there \(.*\); "
        "what is measured is kept: start one and give the command again$",
        str(raised.value),
    )
    assert told[1:] == ["connecting to the scheduler anew, for up to 5 s"]
    assert 2 <= sum(map(len, keys(seen / "run"))) < N


@pytest.mark.parametrize(("lives", "n_workers"), [(1, 2), (1000, 1)])
def test_a_chunk_that_kills_workers(
    seen: Path, monkeypatch: pytest.MonkeyPatch, lives: int, n_workers: int
) -> None:
    import dask
    import distributed  # noqa: F401  # its settings are there before one is set for a while

    monkeypatch.setattr("umlip_bench.running.helpers.MOST_DEATHS", 1)
    (seen / "slow.py").write_text(CALCULATOR.replace("0.02", "0.3"))
    (seen / "lives").write_text(str(lives))
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        jobs = dask_jobs("local", n_workers, "cpu", print)
        if lives == 1:
            # What the other worker is at is cancelled, and all begin anew.
            assert run(seen / "run", jobs).n_done == N
        else:
            with pytest.raises(UmlipBenchError, match=r"died 2 times, Attempted to run task"):
                run(seen / "run", jobs)


def test_a_worker_that_cannot_load_the_model_is_left_out(seen: Path, dask: Start) -> None:
    (seen / "slow.py").write_text(CALCULATOR.replace("0.02", "0.1"))
    (seen / "broken").mkdir()
    (seen / "broken" / "slow.py").write_text(BROKEN)
    dask(*SCHEDULER)
    wait_for(lambda: (seen / "it.json").exists())
    bad = dask(*WORKER, first=seen / "broken")
    there(1)
    told: list[str] = []
    with pytest.raises(UmlipBenchError, match=r"the worker tcp://\S+: .*no kernel image"):
        run(seen / "run", dask_jobs("it.json", None, "cpu", told.append))
    assert not any("left out" in said for said in told)

    dask(*WORKER)
    there(2)
    told.clear()
    assert run(seen / "run", dask_jobs("it.json", None, "cpu", told.append)).n_done == N
    assert len(writers(seen / "run")) == 1
    assert bad.poll() is None
    (said,) = (said for said in told if "left out" in said)
    assert re.match(r"the worker tcp://\S+ is left out: .*no kernel image", said)


def measure_on(good: str) -> str:
    """What a worker does whose files can be written, and another cannot."""
    from distributed import get_worker

    if str(get_worker().name) != good:
        raise OSError(30, "Read-only file system", "/results")
    return good


def test_an_error_of_a_worker_s_own_is_no_death() -> None:
    from distributed import Client, LocalCluster

    from umlip_bench.running.dask_chunks import DaskChunks

    told: list[str] = []
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        chunks = DaskChunks(client, {}, told.append)
        assert chunks.n_able() == 2
        futures = [chunks.submit(measure_on, "1") for _ in range(6)]
        assert {future.result(60) for future in futures} == {"1"}
        (said,) = told
        assert "OSError: [Errno 30] Read-only file system: '/results'" in said
        assert chunks.n_able() == 1
        with pytest.raises(UmlipBenchError, match=r"the worker tcp://\S+: OSError: .*Read-only"):
            chunks.submit(measure_on, "neither").result(60)
        # A mistake that every worker would make is raised as it is.
        with pytest.raises(ZeroDivisionError):
            DaskChunks(client, {}, print).submit(divmod, 1, 0).result(60)
