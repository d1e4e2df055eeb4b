"""Chunks of processes that join one run folder: all give the same command, and come to the same chunks.

What the first of them found in the folder, and what it took cases to cost, is written down once for all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from umlip_bench.analysis.run_files import JOURNAL
from umlip_bench.ground.claims import Claims
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import durations
from umlip_bench.running.folder import RunFolder
from umlip_bench.running.measuring import CaseLeft

START = "start.json"
"""What the claims begin with, in their folder."""
SECONDS_PER_ATOM = 0.05
"""Taken for a suite and model of which nothing is known."""
SHORTEST, LONGEST = 5.0, 600.0
"""Seconds of a chunk: claiming one takes some milliseconds, and others may wait for the last."""
N_CHUNKS = 4000
"""That are made of work which is enough for them: whoever claims one has to list them all."""
CHUNKS_PER_LIMIT = 20
"""A chunk is no longer than the time limit over this."""


@dataclass(frozen=True, eq=False)
class ClaimedChunk:
    """Cases that are claimed together.

    Parameters
    ----------
    name
        Digest of their keys.
    group
        Model and suite.
    cases
        Those that were not in the folder at the start.
    seconds
        That are expected of it.
    """

    name: str
    group: tuple[str, str]
    cases: Sequence[CaseLeft]
    seconds: float


@dataclass(frozen=True)
class Start:
    """What all processes of a folder begin with.

    Parameters
    ----------
    chunk_seconds
        Length of a chunk.
    rates
        Seconds per atom by model and suite, as far as something is known of them.
    done
        Keys of cases that were in the folder already.
    """

    chunk_seconds: float
    rates: Mapping[str, float]
    done: frozenset[str]

    def to_json(self) -> str:
        """As it is written down."""
        return json.dumps(
            {"chunk_seconds": self.chunk_seconds, "rates": self.rates, "done": sorted(self.done)}
        )

    @classmethod
    def from_json(cls, text: str) -> Start:
        """As it was written down."""
        content = json.loads(text)
        return cls(
            float(content["chunk_seconds"]), dict(content["rates"]), frozenset(content["done"])
        )


def first_start(
    claims: Claims,
    folder: RunFolder,
    cases: Mapping[str, Sequence[CaseLeft]],
    time_limit: float | None,
) -> Start:
    """What all processes begin with: written down by the first of them.

    Parameters
    ----------
    claims, folder
        Of the run.
    cases
        By model, all that are planned.
    time_limit
        Seconds that each process has.
    """
    if (claims.folder / START).exists():
        return Start.from_json(claims.write_once(START, ""))
    done = frozenset(c.key for of in cases.values() for c in of if folder.record(c.key) is not None)
    rates = rates_of(folder.path, cases) if done else {}
    expected = sum(
        each.size * rates.get(f"{model}/{each.group}", SECONDS_PER_ATOM)
        for model, of in cases.items()
        for each in of
        if each.key not in done
    )
    start = Start(chunk_seconds(expected, time_limit), rates, done)
    return Start.from_json(claims.write_once(START, start.to_json()))


def rates_of(folder: Path, cases: Mapping[str, Sequence[CaseLeft]]) -> dict[str, float]:
    """Seconds per atom by model and suite, from what the folder has: medians over cases.

    A writer ends its cases one after the other, so that a case took about as long as it ended after the one
    before it.
    """
    of_key = {c.key: (f"{model}/{c.group}", c.size) for model, of in cases.items() for c in of}
    found: dict[str, list[float]] = {}
    for key, seconds in durations(folder / JOURNAL):
        if key in of_key:
            name, size = of_key[key]
            found.setdefault(name, []).append(seconds / size)
    return {name: float(np.median(each)) for name, each in found.items()}


def chunk_seconds(expected: float, time_limit: float | None) -> float:
    """Length of a chunk.

    Parameters
    ----------
    expected
        Seconds of all work.
    time_limit
        Seconds that each process has.
    """
    wanted = min(max(expected / N_CHUNKS, SHORTEST), LONGEST)
    return wanted if time_limit is None else min(wanted, time_limit / CHUNKS_PER_LIMIT)


def chunks_of(model: str, cases: Sequence[CaseLeft], start: Start) -> list[ClaimedChunk]:
    """The chunks of a model, the same for all processes.

    Parameters
    ----------
    model
        Its name.
    cases
        All that are planned, those of a suite in the order in which they are to be measured.
    start
        What all begin with.
    """
    by_suite: dict[str, list[CaseLeft]] = {}
    for each in cases:
        if each.key not in start.done:
            by_suite.setdefault(each.suite.name, []).append(each)
    found: list[ClaimedChunk] = []
    for suite, left in by_suite.items():
        rate = start.rates.get(f"{model}/{suite}", SECONDS_PER_ATOM)
        part: list[CaseLeft] = []
        size = 0.0
        for each in left:
            if part and rate * (size + each.size) > start.chunk_seconds:
                found.append(_chunk(model, suite, part, rate))
                part, size = [], 0.0
            part.append(each)
            size += each.size
        found.append(_chunk(model, suite, part, rate))
    return found


def _chunk(model: str, suite: str, cases: Sequence[CaseLeft], rate: float) -> ClaimedChunk:
    name = identity("chunk", [each.key for each in cases])[:24]
    return ClaimedChunk(name, (model, suite), tuple(cases), rate * sum(p.size for p in cases))
