"""A cluster of Dask whose scheduler, or one of whose workers, fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.slow_runs import CALCULATOR, N, run
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.dask_jobs import dask_jobs

pytestmark = pytest.mark.seconds


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
