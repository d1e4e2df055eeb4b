"""One of many processes at a run folder, none of which knows of the others: a task of an array job, say.

Each claims a chunk (`umlip_bench.running.joined_chunks`), measures it, and says that it is done
(`umlip_bench.ground.claims`). Every suite and model gets its share of model seconds, as of one process
(`umlip_bench.running.planner`): the chunk to be claimed next is of the one that was served least.
"""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic

import numpy as np

from umlip_bench.analysis.run_files import CaseRecord, journal_writer
from umlip_bench.ground.claims import Claimed, Claims
from umlip_bench.ground.journal import JournalWriter
from umlip_bench.running.joined_chunks import ClaimedChunk
from umlip_bench.running.measuring import CaseLeft
from umlip_bench.running.shared_work import Until

LINGER, N_LINGERERS = "linger", 2
"""When all is claimed, so many processes wait, in case that others die."""
POLL = 5.0
"""Seconds between two looks of these."""


class Joined:
    """The chunks of all models, as they are claimed.

    Parameters
    ----------
    claims
        Of the folder.
    chunks
        Of all models.
    """

    def __init__(self, claims: Claims, chunks: Sequence[ClaimedChunk]) -> None:
        self.claims = claims
        self._chunks = {chunk.name: chunk for chunk in chunks}
        self._groups: dict[tuple[str, str], _OfGroup] = {}
        for chunk in chunks:
            self._groups.setdefault(chunk.group, _OfGroup()).waiting[chunk.name] = chunk
        # Which of several that are as good: no result depends on it, and no two shall choose alike.
        self._random = random.Random()

    def complete(self) -> bool:
        """Whether all is done."""
        return self._chunks.keys() <= self.claims.read().done.keys()

    def next_model(self, models: Sequence[str]) -> str | None:
        """The least served of the models with something to claim; ``None`` if there is none."""
        claimed = self._read()
        served: dict[str, float] = dict.fromkeys(models, 0.0)
        able = set()
        for (model, _), group in self._groups.items():
            if model in served:
                served[model] += group.served(self._held_seconds(group, claimed))
                if group.free(claimed.held, 1):
                    able.add(model)
        if not able:
            return next((chunk.group[0] for chunk in self._left(claimed, models)), None)
        return min((name for name in models if name in able), key=lambda m: served[m])

    def claim(self, model: str) -> ClaimedChunk | None:
        """The next chunk of a model; ``None`` if there is nothing to claim."""
        while True:
            claimed = self._read()
            own = {name: group for name, group in self._groups.items() if name[0] == model}
            # As many may be about to claim as are at work; they take different ones.
            at_work = 1 + len(claimed.held) // max(len(own), 1)
            free = {
                name: chunks
                for name, group in own.items()
                if (chunks := group.free(claimed.held, at_work))
            }
            if not free:
                left = self._left(claimed, [model])
                return next((chunk for chunk in left if self.claims.take_over(chunk.name)), None)
            least = min(
                free,
                key=lambda name: (
                    own[name].served(self._held_seconds(own[name], claimed)),
                    name,
                ),
            )
            chunk = free[least][self._random.randrange(len(free[least]))]
            if self.claims.claim(chunk.name):
                return chunk

    def others_at_work(self, models: Sequence[str]) -> bool:
        """Whether something of these models is claimed by another, dead or alive."""
        held = self.claims.read().held
        return any(self._chunks[n].group[0] in models for n in held if n in self._chunks)

    def _left(self, claimed: Claimed, models: Sequence[str]) -> Iterator[ClaimedChunk]:
        """Chunks whose claimers died."""
        for name in claimed.held:
            chunk = self._chunks.get(name)
            if chunk is not None and chunk.group[0] in models and self.claims.is_stale(name):
                yield chunk

    def _read(self) -> Claimed:
        """What is claimed now; what is done has been counted."""
        claimed = self.claims.read()
        for group in self._groups.values():
            for name in [name for name in group.waiting if name in claimed.done]:
                group.spent += claimed.done[name]
                group.expected += group.waiting.pop(name).seconds
        return claimed

    def _held_seconds(self, group: _OfGroup, claimed: Claimed) -> float:
        return sum(group.waiting[name].seconds for name in claimed.held if name in group.waiting)


@dataclass(eq=False)
class _OfGroup:
    """What is known of a model and suite: chunks that are not done, and seconds of those that are."""

    waiting: dict[str, ClaimedChunk] = field(default_factory=dict)
    spent: float = 0.0
    expected: float = 0.0

    def served(self, held: float) -> float:
        """Model seconds: spent on what is done, and expected of what is held by the same measure."""
        return self.spent + held * (self.spent / self.expected if self.spent else 1.0)

    def free(self, held: frozenset[str], most: int) -> list[ClaimedChunk]:
        """The first chunks that nobody has claimed."""
        names = (name for name in self.waiting if name not in held)
        return [self.waiting[name] for name in islice(names, most)]


class JoinedWork:
    """The cases of one model that this process measures among others; as `SharedWork` to who measures.

    Parameters
    ----------
    joined
        All chunks.
    model
        Its name.
    folder
        The run folder.
    until
        When to stop.
    """

    def __init__(self, joined: Joined, model: str, folder: Path, until: Until) -> None:
        self._joined = joined
        self._model = model
        self._folder = folder
        self._until = until
        self._queue: deque[CaseLeft] = deque()
        self._open: dict[str, _Open] = {}
        self._of_key: dict[str, str] = {}
        self._last = monotonic()
        self._n_found = 0

    @property
    def over(self) -> bool:
        """Whether the limit has been reached."""
        return monotonic() >= self._until.limit

    def __iter__(self) -> Iterator[CaseLeft]:
        while not self.over:
            while not self._queue:
                if monotonic() >= self._until.turn:
                    return
                chunk = self._joined.claim(self._model)
                if chunk is None:
                    return
                self._begin(chunk)
            yield self._queue.popleft()

    def _begin(self, chunk: ClaimedChunk) -> None:
        writer = journal_writer(self._folder, chunk.name)
        there = writer.ended()
        left = [each for each in chunk.cases if each.key not in there]
        self._n_found += len(chunk.cases) - len(left)
        self._open[chunk.name] = _Open(writer, {each.key for each in left})
        self._of_key |= {each.key: chunk.name for each in left}
        self._queue.extend(left)
        if not left:
            self._done(chunk.name)

    def keep(self, record: CaseRecord, arrays: Mapping[str, np.ndarray] | None) -> None:
        """Write a case that has ended into the folder, in the file of its chunk."""
        now = monotonic()
        name = self._of_key[record.key]
        chunk = self._open[name]
        chunk.writer.append(record.key, record, arrays)
        chunk.left.discard(record.key)
        chunk.seconds += now - self._last
        self._last = now
        if not chunk.left:
            self._done(name)

    def _done(self, name: str) -> None:
        chunk = self._open.pop(name)
        chunk.writer.close()
        self._joined.claims.done(name, chunk.seconds)

    def ended_elsewhere(self) -> int:
        """Number of cases that others had measured before they died."""
        n, self._n_found = self._n_found, 0
        return n

    def wait(self) -> bool:
        """Whether there is something to claim; what is not finished at the limit is left to others."""
        if self.over:
            for name, chunk in self._open.items():
                chunk.writer.close()
                self._joined.claims.release(name)
            self._open.clear()
            return False
        if monotonic() >= self._until.turn:
            return False
        return bool(self._queue) or self._joined.next_model([self._model]) is not None


@dataclass(eq=False)
class _Open:
    """A chunk that this process is at: keys of what is left of it, and the seconds so far."""

    writer: JournalWriter[CaseRecord]
    left: set[str]
    seconds: float = 0.0


def wait_for_others(joined: Joined, models: Sequence[str], until: Until) -> bool:
    """When all is claimed: wait for claimers that die; whether something of these models is to be claimed.

    Few processes wait; for others it is over.
    """
    claims = joined.claims
    seat = next(
        (
            name
            for name in (f"{LINGER}-{k}" for k in range(N_LINGERERS))
            if claims.claim(name) or claims.take_over(name)
        ),
        None,
    )
    if seat is None:
        return False
    try:
        while monotonic() < until.limit and joined.others_at_work(models):
            if joined.next_model(models) is not None:
                return True
            time.sleep(min(POLL, max(until.limit - monotonic(), 0.0)))
        return False
    finally:
        claims.release(seat)
