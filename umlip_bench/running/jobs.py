"""Several processes at one run: the cases of a model, shared between this process and others.

This process measures as it would alone, and takes its cases from a queue. Others are given chunks of that
queue, of about `CHUNK_SECONDS` each, and write what they find into the run folder's journal themselves, where
each of them has a file of its own. So whatever ended is on disk whoever dies, and a process that died costs
the cases that it had not ended: they go back into the queue.

The others are behind a `concurrent.futures.Executor`: `local_jobs` starts processes on this machine;
a cluster's executor does as well, if its workers see the same run folder.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self

import torch

from umlip_bench.analysis.run_files import open_journal
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.job_worker import Chunk, PlannedCase, begin, measure_chunk
from umlip_bench.running.measuring import CaseLeft

PATIENCE = 15.0
"""Seconds of work, done and left, below which no other process is started: loading a model takes as long."""
CHUNK_SECONDS = 10.0
"""Of a chunk: what is lost at most is far less, since its cases are kept one by one."""
MOST_CASES = 64
"""Of a chunk, for as long as it is not known how long a case takes."""
IN_QUEUE = 2
"""Chunks for each process, so that it need not wait for the next."""
MOST_DEATHS = 5
"""Times that all other processes are started anew, after one of them died."""


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
        How many there are.
    patience
        Seconds of work below which they are not started.
    deaths
        Errors of a future that say that a process is gone, whatever it was at.
    """

    start: Callable[[], Executor]
    stop: Callable[[Executor], None]
    n: int
    patience: float = PATIENCE
    deaths: tuple[type[BaseException], ...] = (BrokenExecutor,)


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
    """
    on_gpu = device.type == "cuda"
    available = torch.cuda.device_count() if on_gpu else n_cores()
    total = available if n is None else n
    if total < 2:
        return None
    pool = _Pool(total - 1, _other_devices(device, total - 1), threads_of_each(total))
    return Jobs(pool.start, pool.stop, total - 1, PATIENCE if n is None else 0.0)


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
        # Not forked: torch's threads and a GPU's context do not survive it.
        context = multiprocessing.get_context("spawn")
        there, here = context.Pipe(duplex=False)
        self._alive.append(here)
        devices = context.SimpleQueue()
        for device in self._devices:
            devices.put(device)
        return ProcessPoolExecutor(
            self._n, context, initializer=begin, initargs=(there, devices, self._threads)
        )

    def stop(self, executor: Executor) -> None:
        for here in self._alive:
            here.close()
        self._alive.clear()
        executor.shutdown(wait=False, cancel_futures=True)


class Helpers:
    """The other processes of a run, from when they are first needed to its end.

    Parameters
    ----------
    jobs
        ``None`` for none at all.
    folder
        The run folder.
    told
        Sentences for the user are added to it.
    """

    def __init__(self, jobs: Jobs | None, folder: Path, told: list[str]) -> None:
        self.jobs = jobs
        self.folder = folder.absolute()
        self.n_starts = 0
        self._threads = torch.get_num_threads()
        self._told = told
        self._executor: Executor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        # A notebook goes on after the run, with the threads that it had.
        torch.set_num_threads(self._threads)

    @property
    def running(self) -> bool:
        """Whether they have been started."""
        return self._executor is not None

    def executor(self) -> Executor:
        """What gives them work; starts them."""
        assert self.jobs is not None
        if self._executor is None:
            self._executor = self.jobs.start()
            self.n_starts += 1
        return self._executor

    def stop(self) -> None:
        """End them, with whatever they are at."""
        if self._executor is not None and self.jobs is not None:
            self.jobs.stop(self._executor)
            self._executor = None

    def died(self, reason: str) -> None:
        """One of them is gone; all are started anew when there is more to do, but not for ever."""
        self.stop()
        if self.n_starts > MOST_DEATHS:
            self.give_up(f"processes died {self.n_starts} times, {reason}")

    def give_up(self, reason: str) -> None:
        """Do the rest of the run in this process."""
        self.stop()
        self.jobs = None
        self._told.append(f"The run went on in one process: {reason}")


class SharedCases:
    """The cases of one model, for this process and for the others.

    Iterating gives the cases that this process is to measure, until there is none in the queue.

    Parameters
    ----------
    helpers
        The other processes.
    left
        All cases, in the order in which one process alone would measure them.
    weights
        The model.
    device, dtype
        Where, and in which number format.
    data
        Name of the reference data.
    """

    def __init__(
        self,
        helpers: Helpers,
        left: Sequence[CaseLeft],
        weights: Weights,
        device: torch.device,
        dtype: torch.dtype,
        data: str,
    ) -> None:
        self._helpers = helpers
        self._queue = deque(left)
        self._by_key = {one.key: one for one in left}
        self._model = (weights, str(device), str(dtype).removeprefix("torch."), data)
        self._begun = monotonic()
        self._n_here = 0
        self._n_elsewhere = 0
        self._out: dict[Future[float], _Given] = {}
        self._failed: list[tuple[_Given, BaseException]] = []
        # A future that has ended already calls back from within `add_done_callback`.
        self._changed = threading.Condition(threading.RLock())

    def __iter__(self) -> Iterator[CaseLeft]:
        while True:
            self._give()
            with self._changed:
                if not self._queue:
                    return
                one = self._queue.popleft()
            yield one

    def ended_here(self) -> None:
        """A case that was taken by iterating has ended."""
        self._n_here += 1
        self._give()

    def ended_elsewhere(self) -> int:
        """Number of cases that ended in other processes since this was last asked."""
        with self._changed:
            n, self._n_elsewhere = self._n_elsewhere, 0
            return n

    def wait(self) -> bool:
        """Wait until a chunk ends or fails; whether there is still anything to do, tell or wait for."""
        with self._changed:
            while self._out and not self._failed and not self._n_elsewhere:
                self._changed.wait()
        self._take_back()
        return bool(self._queue or self._out or self._n_elsewhere)

    # ---- chunks for the others

    def _give(self) -> None:
        """See to it that every other process has work."""
        self._take_back()
        jobs = self._helpers.jobs
        if jobs is None or not self._queue:
            return
        if not self._helpers.running:
            if self._seconds() < jobs.patience:
                return
            if self._model[1] == "cpu":
                torch.set_num_threads(threads_of_each(jobs.n + 1))
        with self._changed:
            while len(self._out) < IN_QUEUE * jobs.n and self._submit(jobs.n):
                pass

    def _submit(self, n: int) -> bool:
        cases = [self._queue.pop() for _ in range(self._chunk_size(n))]
        if not cases:
            return False
        planned = tuple(PlannedCase(one.suite.name, one.case, one.key) for one in cases)
        chunk = Chunk(self._helpers.folder, *self._model, planned)
        try:
            future = self._helpers.executor().submit(measure_chunk, chunk)
        except BrokenExecutor as error:
            self._failed.append((_Given(chunk, self._helpers.n_starts), error))
            return False
        self._out[future] = _Given(chunk, self._helpers.n_starts)
        future.add_done_callback(self._ended)
        return True

    def _chunk_size(self, n: int) -> int:
        """Cases of the next chunk: a share of what is left, and no more than `CHUNK_SECONDS` of work."""
        share = -(-len(self._queue) // (2 * (n + 1)))
        if not self._n_here:
            return min(share, MOST_CASES)
        return min(share, max(1, round(CHUNK_SECONDS / self._seconds_of_case())))

    def _seconds_of_case(self) -> float:
        return max((monotonic() - self._begun) / self._n_here, 1e-6)

    def _seconds(self) -> float:
        """Of all work here, done and left, as far as is known."""
        if not self._n_here:
            return 0.0
        return self._seconds_of_case() * (self._n_here + len(self._queue))

    def _ended(self, future: Future[float]) -> None:
        """Called by the executor, in a thread of its own."""
        with self._changed:
            given = self._out.pop(future)
            if future.cancelled():
                self._failed.append((given, BrokenExecutor("cancelled")))
            elif (error := future.exception()) is not None:
                self._failed.append((given, error))
            else:
                self._n_elsewhere += len(given.chunk.cases)
                jobs = self._helpers.jobs
                if jobs is not None and self._helpers.running:
                    self._submit(jobs.n)
            self._changed.notify_all()

    def _take_back(self) -> None:
        """Queue again what failed chunks have not ended, and see what is to become of the others."""
        with self._changed:
            failed, self._failed = self._failed, []
        if not failed:
            return
        jobs = self._helpers.jobs
        for given, error in failed:
            if jobs is None or isinstance(error, jobs.deaths):
                # Of several chunks that one death has ended only the first counts.
                if self._helpers.running and given.start == self._helpers.n_starts:
                    self._helpers.died(str(error))
            elif isinstance(error, UmlipBenchError):
                self._helpers.give_up(f"another could not measure ({error})")
            else:
                raise error
        journal = open_journal(self._helpers.folder)
        with self._changed:
            for given, _ in failed:
                for one in given.chunk.cases:
                    if one.key in journal:
                        self._n_elsewhere += 1
                    else:
                        self._queue.append(self._by_key[one.key])


@dataclass(frozen=True, eq=False)
class _Given:
    """A chunk, and the how-manieth start of the other processes it was given to."""

    chunk: Chunk
    start: int
