"""Chunks for the workers of a Dask cluster, of which some may not be able to do any.

A worker says what it lacks: a package, a file, the model. Its chunk goes to another, and none is meant for
it from then on. It may get one all the same, as Dask moves chunks to who is idle; that one goes to another as
well. To forbid it would have chunks wait for workers that are gone while new ones are idle.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar

from umlip_bench.ground.errors import UmlipBenchError

if TYPE_CHECKING:
    from distributed import Client

P = ParamSpec("P")
R = TypeVar("R")

BRAKE = 1.0
"""Seconds that a worker waits before it says that it cannot: being idle, it would soon be given the next."""
LOST = "the connection to the scheduler was lost"


@dataclass(frozen=True)
class Done(Generic[R]):
    """What came of a chunk."""

    result: R


@dataclass(frozen=True)
class Unable:
    """What a worker says that could not do a chunk, which another might.

    Parameters
    ----------
    worker
        Its address.
    reason
        What it lacks.
    """

    worker: str
    reason: str


def done_or_unable(call: Callable[[], R]) -> Done[R] | Unable:
    """What a worker does with a chunk.

    Errors of the place are told, not raised: those that come to the other side by themselves are so of the
    connection, or of a mistake that every worker would make.
    """
    from distributed import get_worker

    try:
        return Done(call())
    except (ImportError, OSError, UmlipBenchError) as error:
        kind = "" if isinstance(error, UmlipBenchError) else f"{type(error).__name__}: "
        time.sleep(BRAKE)
        return Unable(get_worker().address, f"{kind}{error}")


class DaskChunks(Executor):
    """Gives chunks to workers that can do them.

    Parameters
    ----------
    client
        Of the cluster.
    unable
        Addresses of workers that cannot, with what they lack; more are added.
    told
        Called with a sentence about each.
    """

    def __init__(
        self, client: Client, unable: dict[str, str], told: Callable[[str], object]
    ) -> None:
        assert client.loop is not None, "it has been started"
        self._client, self._loop = client, client.loop
        self._unable = unable
        self._told = told
        self._dask: Executor = client.get_executor(pure=False)
        self._there: frozenset[str] = frozenset()

    def n_able(self) -> int:
        """Workers that are there now and may be able; asked of the scheduler, so not by its own thread."""
        info = self._client.scheduler_info(n_workers=-1)
        # There are none of a client that was closed.
        self._there = frozenset(info.get("workers", ()))
        return len(self._able())

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As of `concurrent.futures.Executor`."""
        future: Future[R] = Future()
        self._give(future, partial(fn, *args, **kwargs))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take back what has not been done."""
        # A client that found no scheduler again has closed itself.
        if self._client.status == "running":
            self._dask.shutdown(wait=wait)

    def _able(self) -> list[str]:
        return [address for address in self._there if address not in self._unable]

    def _give(self, future: Future[R], call: Callable[[], R]) -> None:
        """Have a chunk done by a worker that is not known to be unable."""
        if self._client.status == "closed":
            raise RuntimeError(LOST)
        submit = self._dask.submit
        if self._unable and (able := self._able()):
            # Of the executor of Dask. If these are gone, others do.
            submit = partial(submit, workers=able, allow_other_workers=True)
        given: Future[Done[R] | Unable] = submit(done_or_unable, call)
        given.add_done_callback(lambda given: self._ended(given, future, call))

    def _ended(
        self, given: Future[Done[R] | Unable], future: Future[R], call: Callable[[], R]
    ) -> None:
        """Called by the client, in a thread of its own."""
        if given.cancelled():
            future.set_exception(BrokenExecutor(LOST))
        elif (error := given.exception()) is not None:
            # Not of what it did: it could not even read what to do.
            if isinstance(error, ImportError):
                error = UmlipBenchError(f"a worker lacks a package that this process has: {error}")
            future.set_exception(error)
        elif isinstance(said := given.result(), Unable):
            self._loop.add_callback(self._give_to_another, said, future, call)
        else:
            future.set_result(said.result)

    async def _give_to_another(
        self, said: Unable, future: Future[R], call: Callable[[], R]
    ) -> None:
        """Leave a worker out, and have its chunk done by another, if there is one."""
        try:
            scheduler = self._client.scheduler
            if scheduler is None:
                raise RuntimeError(LOST)  # the client was closed
            info = await scheduler.identity(n_workers=-1)
            self._there = frozenset(info["workers"])
            if said.worker not in self._unable:
                self._unable[said.worker] = said.reason
                if self._able():
                    self._told(f"the worker {said.worker} is left out: {said.reason}")
            if self._able():
                self._give(future, call)
            else:
                future.set_exception(UmlipBenchError(f"the worker {said.worker}: {said.reason}"))
        except (OSError, RuntimeError):
            future.set_exception(BrokenExecutor(LOST))
