"""Several processes at one work: the items of a model, shared between this process and others.

This process measures as it would alone, and takes its items from a planner. Others are given chunks, and
write what they find into the folder's journal themselves, in a file for each chunk. So whatever ended is on
disk whoever dies, and a process that died costs the items that it had not ended: they go back to the planner.
An engine that gives the chunk of a dead worker to another by itself does no harm: that one goes on where the
first was.
"""

from __future__ import annotations

import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Generic, Protocol, TypeVar

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.running.helpers import Helpers
from umlip_bench.running.planner import Item, Planner
from umlip_bench.running.work import Work, Worked, do

IN_QUEUE = 2
"""Chunks for each process, so that it need not wait for the next."""
_ENDED = (BrokenExecutor, CancelledError)
"""Of a chunk that was lost with what gives work to the others, which is as a death, whoever they are."""


class KeyedItem(Item, Protocol):
    """An item whose result has an entry in a journal."""

    @property
    def key(self) -> str:
        """Of the entry."""
        ...


T = TypeVar("T", bound=KeyedItem)


@dataclass(frozen=True, eq=False)
class Until:
    """When to stop, as `time.monotonic` has it.

    Parameters
    ----------
    turn
        From when on nothing more is begun.
    limit
        When what is under way is left as well.
    """

    turn: float = inf
    limit: float = inf


class SharedWork(Generic[T]):
    """The items of one model, for this process and for the others.

    Iterating gives the items that this process is to measure, until there is none left.

    Parameters
    ----------
    helpers
        The other processes.
    planner
        Has all items.
    work_of
        Makes of items and a name, which no other chunk has, what another process does.
    ended_in
        From the name of a chunk to the keys of it that are in the journal.
    until
        When to stop.
    """

    def __init__(
        self,
        helpers: Helpers,
        planner: Planner[T],
        work_of: Callable[[Sequence[T], str], Work],
        ended_in: Callable[[str], Collection[str]],
        until: Until | None = None,
    ) -> None:
        self.helpers = helpers
        self._planner = planner
        self._work_of = work_of
        self._ended_in = ended_in
        self._until = until or Until()
        self._mine: deque[T] = deque()
        self._under_way: dict[str, T] = {}
        self._last = self._begun = monotonic()
        self._n_here = 0
        self._n_elsewhere = 0
        self._n_chunks = 0
        self._n_others = 1
        self._failures: dict[str, str] = {}
        self._name = secrets.token_hex(4)
        self._out: dict[Future[Worked], _Given[T]] = {}
        self._failed: list[tuple[_Given[T], BaseException]] = []
        # A future that has ended already calls back from within `add_done_callback`.
        self._changed = threading.Condition(threading.RLock())

    def ready(self, until: Until) -> None:
        """Begin here, where the model has been loaded only now; others may have begun.

        Parameters
        ----------
        until
            When to stop.
        """
        with self._changed:
            self._until = until
            self._last = self._begun = monotonic()

    @property
    def over(self) -> bool:
        """Whether the limit has been reached, or has come so near that nothing more was begun."""
        return monotonic() >= self._until.limit

    def __iter__(self) -> Iterator[T]:
        while True:
            self.give()
            with self._changed:
                one = self._next_here()
            if one is None:
                return
            yield one

    def ended_here(self, key: str) -> None:
        """The item of that key, which was taken by iterating, has ended."""
        now = monotonic()
        with self._changed:
            # Many are under way at once, the earlier ones first: an item's time is about that since the one
            # before it ended.
            self._planner.ended([self._under_way.pop(key)], now - self._last)
            self._n_here += 1
            self._last = now
        self.give()

    def ended_elsewhere(self) -> int:
        """Number of items that ended in other processes since this was last asked."""
        with self._changed:
            n, self._n_elsewhere = self._n_elsewhere, 0
            return n

    def failures(self) -> dict[str, str]:
        """Reasons, by key, of items that failed in other processes since this was last asked."""
        with self._changed:
            failures, self._failures = self._failures, {}
        return failures

    def wait(self) -> bool:
        """Wait until a chunk ends or fails; whether there is still anything to do, tell or wait for."""
        with self._changed:
            while self._out and not self._failed and not self._n_elsewhere and not self.over:
                left = self._until.limit - monotonic()
                self._changed.wait(None if left == inf else max(left, 0.0))
        if self.over:
            self.leave()
            return bool(self._n_elsewhere)
        self._take_back()
        more = self._planner.n_left and monotonic() < self._until.turn
        return bool(more or self._out or self._n_elsewhere)

    def _next_here(self) -> T | None:
        jobs, now = self.helpers.jobs, monotonic()
        if now >= self._until.turn or self.over or (jobs is not None and jobs.alone):
            self._planner.put_back(list(self._mine))
            self._mine.clear()
            return None
        if not self._mine:
            n = 1 if jobs is None else 1 + self._n_others
            share = self._planner.take(n, most_seconds=self._until.limit - now)
            if share is None:
                return None
            self._mine.extend(share.items)
        one = self._mine.popleft()
        self._under_way[one.key] = one
        return one

    # ---- chunks for the others

    def give(self) -> None:
        """See to it that every other process has work, if they run or it is time to start them."""
        self._take_back()
        jobs = self.helpers.jobs
        if jobs is None or not self._planner.n_left or monotonic() >= self._until.turn or self.over:
            return
        if not self.helpers.running:
            if self._seconds() < jobs.patience:
                return
            self.helpers.share_cores()
        executor = self.helpers.executor()
        # Asked before the lock is taken: the answer may come by the thread that tells of ended chunks, which
        # waits for the lock.
        self._n_others = jobs.n_now
        with self._changed:
            while len(self._out) < IN_QUEUE * self._n_others and self._submit(executor):
                pass

    def _submit(self, executor: Executor) -> bool:
        now = monotonic()
        if now >= self._until.turn or now >= self._until.limit:
            return False
        share = self._planner.take(self._n_others + 1, most_seconds=self._until.limit - now)
        if share is None:
            return False
        self._n_chunks += 1
        given = _Given(share.items, f"{self._name}-{self._n_chunks}", self.helpers.n_starts)
        try:
            future = executor.submit(do, self._work_of(share.items, given.name))
        except RuntimeError as error:  # it is broken, or is being stopped
            self._failed.append((given, BrokenExecutor(str(error))))
            return False
        self._out[future] = given
        future.add_done_callback(self._ended)
        return True

    def _seconds(self) -> float:
        """Of all work here, done and left, as far as is known."""
        if not self._n_here:
            return 0.0
        return monotonic() - self._begun + self._planner.seconds_left

    def _ended(self, future: Future[Worked]) -> None:
        """Called by the executor, in a thread of its own."""
        with self._changed:
            given = self._out.pop(future, None)
            if given is None:
                return  # left behind at the limit
            if future.cancelled():
                self._failed.append((given, CancelledError("it was cancelled")))
            elif (error := future.exception()) is not None:
                self._failed.append((given, error))
            else:
                worked = future.result()
                self._planner.ended(given.items, worked.seconds)
                self._failures |= worked.failed
                self._n_elsewhere += len(given.items)
                executor = self.helpers.started
                if executor is not None:
                    self._submit(executor)
            self._changed.notify_all()

    def _take_back(self) -> None:
        """Plan again what failed chunks have not ended, and see what is to become of the others."""
        with self._changed:
            failed, self._failed = self._failed, []
        for given, _ in failed:
            self._settle(given)
        # What was cancelled comes last: another may tell why.
        for given, error in sorted(failed, key=lambda each: isinstance(each[1], CancelledError)):
            jobs = self.helpers.jobs
            if jobs is None or isinstance(error, (*jobs.deaths, *_ENDED)):
                # Of several chunks that one death has ended only the first counts.
                if self.helpers.running and given.start == self.helpers.n_starts:
                    self.helpers.died(str(error))
            elif isinstance(error, UmlipBenchError):
                self.helpers.give_up(f"another could not measure ({error})")
            else:
                raise error

    def _settle(self, given: _Given[T]) -> None:
        """Count what is in the journal of a chunk that did not end, and put the rest back."""
        there = self._ended_in(given.name)
        with self._changed:
            ended = [item for item in given.items if item.key in there]
            self._n_elsewhere += len(ended)
            self._planner.ended(ended, sum(self._planner.seconds_of(each) or 0.0 for each in ended))
            self._planner.put_back([item for item in given.items if item.key not in there])

    def leave(self) -> None:
        """Leave what is under way, here and elsewhere: at the limit, or if this process cannot go on."""
        with self._changed:
            out, self._out = self._out, {}
            failed, self._failed = self._failed, []
        if out:
            self.helpers.stop()
        for given in [*out.values(), *(given for given, _ in failed)]:
            self._settle(given)
        with self._changed:
            self._planner.put_back([*self._under_way.values(), *self._mine])
            self._under_way.clear()
            self._mine.clear()


@dataclass(frozen=True, eq=False)
class _Given(Generic[T]):
    """A chunk, and the how-manieth start of the other processes it was given to."""

    items: Sequence[T]
    name: str
    start: int
