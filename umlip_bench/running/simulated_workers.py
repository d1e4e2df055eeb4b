"""Simulated workers: started, given chunks by whoever plans, dead or at the end of their walltime."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Protocol

import numpy as np

HOUR = 3600.0
WAIT = 10.0
"""Seconds after which a worker that has nothing to do asks again."""


@dataclass(frozen=True)
class Cluster:
    """Workers and what befalls them.

    Parameters
    ----------
    n
        Workers at a time.
    start
        Seconds until a worker has imported what it needs and loaded the model.
    walltime, mean_life
        Seconds after which a worker is ended, and after which it dies in the mean.
    queue
        Mean seconds until there is another in its place.
    under_way
        Cases that are under way at once; those are lost with their worker.
    spread
        Standard deviation of the logarithm of what a case takes over what it was expected to take.
    planning
        Seconds of the planning process for each chunk: its own, and those of the engine.
    listing, making
        Seconds for each name in a folder that is listed, and for a file that is made.
    """

    n: int
    start: float = 15.0
    walltime: float = 4 * HOUR
    mean_life: float = 200 * HOUR
    queue: float = 300.0
    under_way: int = 8
    spread: float = 0.5
    planning: float = 0.003
    listing: float = 2e-5
    making: float = 0.01


@dataclass(frozen=True, eq=False)
class SimulatedCase:
    """A case: its suite, what it is expected to take and what it takes, in seconds."""

    key: str
    group: str
    size: float
    seconds: float

    @property
    def suite(self) -> SimpleNamespace:
        """With a name, as suites have it."""
        return SimpleNamespace(name=self.group)


@dataclass(eq=False)
class Spent:
    """Worker seconds, by what they went into; `longest` is the time until all was done."""

    useful: float = 0.0
    starting: float = 0.0
    waiting: float = 0.0
    lost: float = 0.0
    longest: float = 0.0
    n_chunks: int = 0

    @property
    def share(self) -> float:
        """Useful over all."""
        return self.useful / (self.useful + self.starting + self.waiting + self.lost)


class Planning(Protocol):
    """Who gives out chunks."""

    n_left: int
    n_waiting: int
    most_waiting: float

    def take(self, now: float) -> tuple[Sequence[SimulatedCase], float] | None:
        """A worker's next cases, and the moment when it has them; ``None`` if there is nothing now."""
        ...

    def ended(self, cases: Sequence[SimulatedCase], seconds: float, now: float) -> None:
        """Cases that were taken have been measured."""
        ...

    def left(
        self, cases: Sequence[SimulatedCase], n_done: int, seconds: float, now: float, dies: bool
    ) -> None:
        """A worker has ended when the first of its cases were measured, suddenly or not."""
        ...


class Workers:
    """The life of workers, whoever plans."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.spent = Spent()
        self._rng = np.random.default_rng(seed)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._n = 0

    def at(self, when: float, what: Callable[[float], None]) -> None:
        """Have something happen."""
        self._n += 1
        heapq.heappush(self._events, (when, self._n, what))

    def run(self, planning: Planning) -> Spent:
        """Let all workers work until all is done."""
        for _ in range(self.cluster.n):
            self.at(0.0, lambda now: self._begin(now, planning))
        while self._events:
            now, _, what = heapq.heappop(self._events)
            what(now)
        return self.spent

    def _begin(self, now: float, planning: Planning) -> None:
        if not planning.n_left:
            return
        c = self.cluster
        life = self._rng.exponential(c.mean_life)
        end, dies = now + min(life, c.walltime), life < c.walltime
        ready = min(now + c.start, end)
        self.spent.starting += ready - now
        self._next(ready, end, dies, planning)

    def _next(self, now: float, end: float, dies: bool, planning: Planning) -> None:
        given = planning.take(now) if now < end else None
        if now >= end:
            self._again(end, planning)
            return
        if given is None:
            if planning.n_left and planning.n_waiting < planning.most_waiting:
                # Something may come back from another that dies.
                self.spent.waiting += min(WAIT, end - now)
                planning.n_waiting += 1
                self.at(min(now + WAIT, end), lambda t: self._waited(t, end, dies, planning))
            return
        cases, begin = given
        self.spent.n_chunks += 1
        seconds = sum(case.seconds for case in cases)
        self.spent.waiting += min(begin, end) - now
        if begin + seconds <= end:
            self.at(begin + seconds, lambda t: self._ended(t, end, dies, cases, planning))
        else:
            self.at(end, lambda t: self._stopped(t, begin, dies, cases, planning))

    def _waited(self, now: float, end: float, dies: bool, planning: Planning) -> None:
        planning.n_waiting -= 1
        self._next(now, end, dies, planning)

    def _ended(
        self,
        now: float,
        end: float,
        dies: bool,
        cases: Sequence[SimulatedCase],
        planning: Planning,
    ) -> None:
        seconds = sum(case.seconds for case in cases)
        self.spent.useful += seconds
        planning.ended(cases, seconds, now)
        self.spent.longest = now
        self._next(now, end, dies, planning)

    def _stopped(
        self,
        now: float,
        begin: float,
        dies: bool,
        cases: Sequence[SimulatedCase],
        planning: Planning,
    ) -> None:
        """The end of a worker in the middle of a chunk: what ended is kept, what was under way is lost."""
        worked = max(now - begin, 0.0)
        times = np.cumsum([case.seconds for case in cases])
        n_done = int(np.searchsorted(times, worked, side="right"))
        # Cases under way share the calls: of those that follow some is done in vain.
        n_done = max(0, n_done - self.cluster.under_way // 2)
        kept = float(times[n_done - 1]) if n_done else 0.0
        self.spent.useful += kept
        self.spent.lost += worked - kept
        planning.left(cases, n_done, kept, now, dies)
        self._again(now, planning)

    def _again(self, now: float, planning: Planning) -> None:
        wait = self._rng.exponential(self.cluster.queue)
        self.at(now + wait, lambda t: self._begin(t, planning))
