"""Who gives out the chunks of a simulation, by the real planners: one process, or claims in a folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from umlip_bench.ground.claims import STALE, Claimed, Claims
from umlip_bench.running.joined_chunks import Start, chunk_seconds, chunks_of
from umlip_bench.running.joined_work import N_LINGERERS, Joined
from umlip_bench.running.measuring import CaseLeft
from umlip_bench.running.planner import Planner
from umlip_bench.running.simulated_workers import Cluster, SimulatedCase

MODEL = "model"


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
        """See `Planning`."""
        share = self._planner.take(self._cluster.n)
        if share is None:
            return None
        # Asked for when the chunk before it begins, so that it is there unless the planner is far behind.
        self._free = max(self._free + self._cluster.planning, now)
        return share.items, max(now, self._free - self._planner.chunk_seconds)

    def ended(self, cases: Sequence[SimulatedCase], seconds: float, now: float) -> None:
        """See `Planning`."""
        self._planner.ended(cases, seconds)
        self.n_left -= len(cases)

    def left(
        self, cases: Sequence[SimulatedCase], n_done: int, seconds: float, now: float, dies: bool
    ) -> None:
        """See `Planning`."""
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
        self._n_done: dict[str, int] = {}
        self._of: dict[int, str] = {}
        self.n_left, self.n_waiting = len(cases), 0

    def take(self, now: float) -> tuple[Sequence[SimulatedCase], float] | None:
        """See `Planning`."""
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
        """See `Planning`."""
        name = self._of.pop(id(cases))
        self._folder.held.pop(name, None)
        self._folder.finished[name] = seconds
        self.n_left -= len(cases)

    def left(
        self, cases: Sequence[SimulatedCase], n_done: int, seconds: float, now: float, dies: bool
    ) -> None:
        """See `Planning`."""
        name = self._of.pop(id(cases))
        self._n_done[name] = self._n_done.get(name, 0) + n_done
        self.n_left -= n_done
        if dies:
            self._folder.held[name] = now
        else:
            self._folder.held.pop(name)  # it is told beforehand, and lets go
