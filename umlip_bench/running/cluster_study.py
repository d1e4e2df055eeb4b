"""How much of the time of many workers is useful: a simulation that the real planners drive.

    python -m umlip_bench.running.cluster_study RUN [--workers N ...] [--cases N ...] [--scale X ...]

takes what cases took from a run folder, draws as many as are asked for, and lets workers measure them that
are started, die and come to the end of their walltime: once planned by one process for all
(`umlip_bench.running.planner`, as with ``--dask``), once by claims in a folder
(`umlip_bench.running.joined_work`, as with ``submit``). It prints the share of all worker time that went into
cases that are done, and where the rest went. Times are seconds of the simulation.
"""

from __future__ import annotations

import argparse
import heapq
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Protocol, cast

import numpy as np

from umlip_bench.analysis.run_files import JOURNAL, open_journal
from umlip_bench.ground.claims import STALE, Claimed, Claims
from umlip_bench.ground.journal import durations
from umlip_bench.running.joined_chunks import Start, chunk_seconds, chunks_of
from umlip_bench.running.joined_work import N_LINGERERS, Joined
from umlip_bench.running.measuring import CaseLeft
from umlip_bench.running.planner import Planner

HOUR = 3600.0
MODEL = "model"
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
    n_deaths: int = 0

    @property
    def share(self) -> float:
        """Useful over all."""
        return self.useful / (self.useful + self.starting + self.waiting + self.lost)


def drawn(
    measured: Mapping[str, Sequence[float]], n: int, scale: float, spread: float, seed: int = 0
) -> list[SimulatedCase]:
    """Cases like measured ones, suites in equal numbers.

    Parameters
    ----------
    measured
        Seconds of cases, by suite.
    n
        Cases.
    scale
        Factor on what they took: another model, another device.
    spread
        As of `Cluster`.
    seed
        Of the random numbers.
    """
    rng = np.random.default_rng(seed)
    suites = sorted(measured)
    found = []
    for k, suite in enumerate(suites):
        of_suite = n // len(suites) + (k < n % len(suites))
        sizes = scale * rng.choice(np.array(measured[suite]), of_suite)
        # The mean of what they take is what is expected.
        factors = rng.lognormal(-(spread**2) / 2, spread, of_suite)
        found += [
            SimulatedCase(f"{suite}-{j}", suite, float(size), float(size * factor))
            for j, (size, factor) in enumerate(zip(sizes, factors, strict=True))
        ]
    return found


class _Workers:
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

    def run(self, planning: _Planning) -> Spent:
        """Let all workers work until all is done."""
        for _ in range(self.cluster.n):
            self.at(0.0, lambda now: self._begin(now, planning))
        while self._events:
            now, _, what = heapq.heappop(self._events)
            what(now)
        return self.spent

    def _begin(self, now: float, planning: _Planning) -> None:
        if not planning.n_left:
            return
        c = self.cluster
        life = self._rng.exponential(c.mean_life)
        end, dies = now + min(life, c.walltime), life < c.walltime
        ready = min(now + c.start, end)
        self.spent.starting += ready - now
        self._next(ready, end, dies, planning)

    def _next(self, now: float, end: float, dies: bool, planning: _Planning) -> None:
        given = planning.take(now) if now < end else None
        if now >= end:
            self._again(end, dies, planning)
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

    def _waited(self, now: float, end: float, dies: bool, planning: _Planning) -> None:
        planning.n_waiting -= 1
        self._next(now, end, dies, planning)

    def _ended(
        self,
        now: float,
        end: float,
        dies: bool,
        cases: Sequence[SimulatedCase],
        planning: _Planning,
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
        planning: _Planning,
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
        self._again(now, dies, planning)

    def _again(self, now: float, dies: bool, planning: _Planning) -> None:
        self.spent.n_deaths += dies
        wait = self._rng.exponential(self.cluster.queue)
        self.at(now + wait, lambda t: self._begin(t, planning))


class _Planning(Protocol):
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


class ByOne:
    """One process plans for all, and can give out a chunk only after the one before it."""

    most_waiting = float("inf")
    """All wait: the engine ends them together."""

    def __init__(self, cluster: Cluster, cases: Sequence[SimulatedCase]) -> None:
        self._planner: Planner[SimulatedCase] = Planner(cases)
        self._cluster = cluster
        self._free = 0.0
        self.n_left, self.n_waiting = len(cases), 0

    def take(self, now: float) -> tuple[Sequence[SimulatedCase], float] | None:
        """See `_Planning`."""
        share = self._planner.take(self._cluster.n)
        if share is None:
            return None
        # Asked for when the chunk before it begins, so that it is there unless the planner is far behind.
        self._free = max(self._free + self._cluster.planning, now)
        return share.items, max(now, self._free - self._planner.chunk_seconds)

    def ended(self, cases: Sequence[SimulatedCase], seconds: float, now: float) -> None:
        """See `_Planning`."""
        self._planner.ended(cases, seconds)
        self.n_left -= len(cases)

    def left(
        self, cases: Sequence[SimulatedCase], n_done: int, seconds: float, now: float, dies: bool
    ) -> None:
        """See `_Planning`."""
        self._planner.ended(cases[:n_done], seconds)
        self._planner.put_back(cases[n_done:])
        self.n_left -= n_done


class _FolderInMemory:
    """Claims as `umlip_bench.ground.claims.Claims` has them, with the clock of the simulation."""

    def __init__(self) -> None:
        self.held: dict[str, float | None] = {}
        self.finished: dict[str, float] = {}
        self.now = 0.0

    def read(self) -> Claimed:
        return Claimed(frozenset(self.held), self.finished)

    def claim(self, name: str) -> bool:
        if name in self.held:
            return False
        self.held[name] = None  # its claimer lives
        return True

    def take_over(self, name: str) -> bool:
        return self.is_stale(name) and self.held.pop(name, 0.0) is not None and self.claim(name)

    def is_stale(self, name: str) -> bool:
        died = self.held.get(name)
        return died is not None and self.now - died > STALE


class ByClaims:
    """Nobody plans: workers claim chunks in a folder, whose listing takes longer the more there are."""

    most_waiting = float(N_LINGERERS)

    def __init__(self, cluster: Cluster, cases: Sequence[SimulatedCase]) -> None:
        self._cluster = cluster
        self._folder = _FolderInMemory()
        expected = sum(case.size for case in cases)
        rates = {f"{MODEL}/{case.group}": 1.0 for case in cases}
        start = Start(chunk_seconds(expected, cluster.walltime), rates, frozenset())
        chunks = chunks_of(MODEL, cast("Sequence[CaseLeft]", cases), start)
        self._joined = Joined(cast(Claims, self._folder), chunks)
        self._n_chunks = len(chunks)
        self._name_of = {chunk.cases[0].key: chunk.name for chunk in chunks}
        self._n_done: dict[str, int] = {}
        self._of: dict[int, str] = {}
        self.n_left, self.n_waiting = len(cases), 0

    def take(self, now: float) -> tuple[Sequence[SimulatedCase], float] | None:
        """See `_Planning`."""
        self._folder.now = now
        chunk = self._joined.claim(MODEL)
        if chunk is None:
            return None
        cases = cast("Sequence[SimulatedCase]", chunk.cases)
        rest = cases[self._n_done.get(chunk.name, 0) :]
        self._of[id(rest)] = chunk.name
        cost = self._cluster.listing * self._n_chunks + 3 * self._cluster.making
        return rest, now + cost

    def ended(self, cases: Sequence[SimulatedCase], seconds: float, now: float) -> None:
        """See `_Planning`."""
        name = self._of.pop(id(cases))
        self._folder.held.pop(name, None)
        self._folder.finished[name] = seconds
        self.n_left -= len(cases)

    def left(
        self, cases: Sequence[SimulatedCase], n_done: int, seconds: float, now: float, dies: bool
    ) -> None:
        """See `_Planning`."""
        name = self._of.pop(id(cases))
        self._n_done[name] = self._n_done.get(name, 0) + n_done
        self.n_left -= n_done
        if dies:
            self._folder.held[name] = now
        else:
            self._folder.held.pop(name)  # it is told beforehand, and lets go


def simulated(
    planning: type[ByOne] | type[ByClaims],
    cluster: Cluster,
    cases: Sequence[SimulatedCase],
    seed: int = 0,
) -> Spent:
    """Worker time that a work takes, and what it goes into."""
    return _Workers(cluster, seed).run(planning(cluster, cases))


def measured_seconds(run: Path) -> dict[str, list[float]]:
    """What cases of a run folder took, by suite; a file's first case is left out, since it began unseen."""
    journal = open_journal(run)
    found: dict[str, list[float]] = {}
    for key, seconds in durations(run / JOURNAL):
        record = journal.get(key)
        if record is not None and seconds > 0.0:
            found.setdefault(record.suite, []).append(seconds)
    return found


def _lines(options: argparse.Namespace) -> Iterator[str]:
    measured = measured_seconds(options.run)
    for suite, of in measured.items():
        yield f"{suite}: {len(of)} cases, median {np.median(of):.2f} s, mean {np.mean(of):.2f} s"
    yield "planned by | workers | cases | s a case | chunks | hours | useful | start | wait | lost"
    for n in options.workers:
        for n_cases in options.cases:
            for scale in options.scale:
                cluster = Cluster(n)
                cases = drawn(measured, n_cases, scale, cluster.spread)
                mean = float(np.mean([case.seconds for case in cases]))
                for name, planning in (("one", ByOne), ("claims", ByClaims)):
                    spent = simulated(planning, cluster, cases)
                    total = spent.useful / spent.share
                    parts = (spent.starting, spent.waiting, spent.lost)
                    yield (
                        f"{name} | {n} | {n_cases} | {mean:.3g} | {spent.n_chunks} | "
                        f"{spent.longest / HOUR:.2f} | {spent.share:.3f} | "
                        + " | ".join(f"{part / total:.3f}" for part in parts)
                    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--workers", type=int, nargs="+", default=[1000])
    parser.add_argument("--cases", type=int, nargs="+", default=[1_000_000])
    parser.add_argument("--scale", type=float, nargs="+", default=[1.0])
    for line in _lines(parser.parse_args(arguments)):
        print(line, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
