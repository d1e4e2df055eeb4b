"""Other processes that may measure, behind a `concurrent.futures.Executor`: those of this machine.

A cluster's executor does as well, if its workers see the same folder (`umlip_bench.running.dask_jobs`). What
they are given is said in `umlip_bench.running.shared_work`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor, Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection

import torch

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.fork_server import context
from umlip_bench.running.job_worker import begin

PATIENCE = 15.0
"""Seconds of work, done and left, below which no other process is started: loading a model takes as long."""


@dataclass(frozen=True, eq=False)
class Jobs:
    """Other processes that may measure cases of a run.

    Parameters
    ----------
    start
        Starts them; called again after one of them died.
    stop
        Ends them at once.
    n
        How many there are, as far as is known; more or fewer may come to be.
    patience
        Seconds of work below which they are not started.
    deaths
        Errors of a future that say that a process is gone, whatever it was at.
    alone
        Whether they do all the work, and this process only plans; it then measures nothing itself, also if
        they are gone.
    device
        Where each of them has models, if not where this process has them.
    ahead
        Whether they can be started before there is work for them, to load the first model meanwhile.
    """

    start: Callable[[], Executor]
    stop: Callable[[Executor], None]
    n: int | Callable[[], int]
    patience: float = PATIENCE
    deaths: tuple[type[BaseException], ...] = (BrokenExecutor,)
    alone: bool = False
    device: str | None = None
    ahead: bool = False

    @property
    def n_now(self) -> int:
        """How many there are now, at least 1."""
        return self.n if isinstance(self.n, int) else max(1, self.n())


def jobs_on(asked: Jobs | int | None, device: torch.device) -> Jobs | None:
    """Those that are asked for, or as many on this machine; as of `local_jobs`."""
    return asked if isinstance(asked, Jobs) else local_jobs(asked, device)


def local_jobs(n: int | None, device: torch.device) -> Jobs | None:
    """Processes on this machine: one thread each on a CPU, a GPU each with CUDA.

    Parameters
    ----------
    n
        With this one; ``None`` for as many as there are cores or GPUs, and only if there is work for them.
    device
        Of this process.

    Returns
    -------
    Jobs or None
        ``None`` if this process stays alone.

    Raises
    ------
    UmlipBenchError
        If `n` is no number of processes.
    """
    if n is not None and not (isinstance(n, int) and n >= 1):
        raise UmlipBenchError(
            f"jobs is {n!r}; it may be a whole number of processes, at least 1, or None for all cores"
        )
    on_gpu = device.type == "cuda"
    available = torch.cuda.device_count() if on_gpu else n_cores()
    total = available if n is None else n
    if total < 2:
        return None
    pool = _Pool(total - 1, _other_devices(device, total - 1), threads_of_each(total))
    patience = PATIENCE if n is None else 0.0
    return Jobs(pool.start, pool.stop, total - 1, patience, ahead=n is not None)


def n_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_of_each(n: int) -> int:
    """Threads of each of so many processes: together no more than cores, each no more than this one has."""
    return max(1, min(torch.get_num_threads(), n_cores() // n))


def _other_devices(device: torch.device, n: int) -> list[str | None]:
    if device.type != "cuda":
        return [None] * n
    count, own = torch.cuda.device_count(), device.index or 0
    return [f"cuda:{(own + k) % count}" for k in range(1, n + 1)]


class _Pool:
    """Processes of this machine that end with this one, however it ends."""

    def __init__(self, n: int, devices: Sequence[str | None], threads: int) -> None:
        self._n, self._devices, self._threads = n, devices, threads
        self._alive: list[Connection] = []

    def start(self) -> Executor:
        how = context()
        there, here = how.Pipe(duplex=False)
        self._alive.append(here)
        devices = how.SimpleQueue()
        for device in self._devices:
            devices.put(device)
        return ProcessPoolExecutor(
            self._n, how, initializer=begin, initargs=(there, devices, self._threads)
        )

    def stop(self, executor: Executor) -> None:
        for here in self._alive:
            here.close()
        self._alive.clear()
        executor.shutdown(wait=False, cancel_futures=True)
