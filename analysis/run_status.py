"""How far a run folder is, while it is being written or after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

from umlip_bench.analysis.run_files import (
    CONFIG,
    FAILED,
    open_endings,
    read_config,
    read_plan,
)
from umlip_bench.ground.errors import RunFolderError

RECENT = timedelta(minutes=10)
"""That a rate is taken over."""
SILENCE, GAPS = timedelta(seconds=30), 3
"""It is quiet when no case has ended for both: as long as loading a model may take, and so many times the
longest time between two recent ends. The mean says little, as cases that share calls end many at once."""


@dataclass(frozen=True)
class Progress:
    """How far one model is with one suite.

    Parameters
    ----------
    model, suite
        Their names.
    n_planned, n_done, n_failed
        Cases; those that failed are among none of the others that are done.
    """

    model: str
    suite: str
    n_planned: int
    n_done: int
    n_failed: int

    @property
    def n_left(self) -> int:
        """Cases that have not ended."""
        return self.n_planned - self.n_done - self.n_failed


@dataclass(frozen=True)
class RunStatus:
    """How far a run is.

    Parameters
    ----------
    progress
        By model and suite, in the order of the plan.
    per_minute
        Cases that ended in each minute of the last `RECENT`; 0 if none did.
    last
        When the last case ended; ``None`` if none has.
    quiet
        Since then, if that is long against the times between those before; the run may not be under way.
    damaged
        What of the folder could not be read, a sentence each.
    """

    progress: Sequence[Progress]
    per_minute: float
    last: datetime | None
    quiet: timedelta | None
    damaged: tuple[str, ...]

    @property
    def n_left(self) -> int:
        """Cases that have not ended, of all models and suites."""
        return sum(each.n_left for each in self.progress)

    @property
    def remaining(self) -> timedelta | None:
        """Until the end at the recent rate; ``None`` if nothing is known of it, or it is quiet."""
        if not self.n_left:
            return timedelta(0)
        if self.quiet is not None or not self.per_minute:
            return None
        return timedelta(minutes=self.n_left / self.per_minute)


def run_status(folder: Path, now: datetime | None = None) -> RunStatus:
    """Read how far a run is; the folder may be in use.

    Parameters
    ----------
    folder
        Of the run.
    now
        Time that the rate is taken up to; by default that of the clock.

    Raises
    ------
    RunFolderError
        If it is no run folder, or damaged.
    """
    if not (folder / CONFIG).is_file():
        raise RunFolderError(
            f"{folder} is not a run folder: there is no {CONFIG} in it; give the folder that was --out "
            "of `umlip-bench run`"
        )
    read_config(folder / CONFIG)
    plan = read_plan(folder)
    journal = open_endings(folder)
    ends: list[str] = []
    progress = []
    for model, by_suite in plan.items():
        for suite, cases in by_suite.items():
            lines = [line for key in cases.values() if (line := journal.noted(key)) is not None]
            n_failed = sum(line.entry.status == FAILED for line in lines)
            n_done = len(lines) - n_failed
            progress.append(Progress(model, suite, len(cases), n_done, n_failed))
            ends += [line.at for line in lines]
    now = now or datetime.now(UTC)
    last = datetime.fromisoformat(max(ends)) if ends else None
    recent = _recent(ends, now)
    quiet = None if last is None else _quiet(recent, now - last)
    return RunStatus(tuple(progress), _rate(recent, now), last, quiet, journal.damaged)


def _recent(ends: Sequence[str], now: datetime) -> list[datetime]:
    """The last ones, in order."""
    # All are in UTC and in one form, so that their order as texts is that in time.
    since = (now - RECENT).astimezone(UTC).isoformat(timespec="microseconds")
    return [datetime.fromisoformat(end) for end in sorted(end for end in ends if end > since)]


def _rate(recent: Sequence[datetime], now: datetime) -> float:
    """Per minute, from the first case of the recent ones to now."""
    if len(recent) < 2:
        return 0.0
    return (len(recent) - 1) / max((now - recent[0]) / timedelta(minutes=1), 1e-3)


def _quiet(recent: Sequence[datetime], since: timedelta) -> timedelta | None:
    """The time since the last case, if that is long."""
    longest = max((b - a for a, b in pairwise(recent)), default=timedelta(0))
    # Of what ended before, the gaps are not known: then it is long.
    return since if since > max(SILENCE, GAPS * longest) else None
