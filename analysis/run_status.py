"""How far a run folder is, while it is being written or after."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
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
    damaged
        What of the folder could not be read, a sentence each.
    """

    progress: Sequence[Progress]
    per_minute: float
    last: datetime | None
    damaged: tuple[str, ...]

    @property
    def n_left(self) -> int:
        """Cases that have not ended, of all models and suites."""
        return sum(each.n_left for each in self.progress)

    @property
    def remaining(self) -> timedelta | None:
        """Until the end at the recent rate; ``None`` if nothing is known of it."""
        if not self.n_left:
            return timedelta(0)
        return timedelta(minutes=self.n_left / self.per_minute) if self.per_minute else None


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
    last = datetime.fromisoformat(max(ends)) if ends else None
    return RunStatus(tuple(progress), _rate(ends, now), last, journal.damaged)


def _rate(ends: Sequence[str], now: datetime | None) -> float:
    """Per minute, from the first case of the recent ones to now."""
    now = now or datetime.now(UTC)
    # All are in UTC and in one form, so that their order as texts is that in time.
    since = (now - RECENT).astimezone(UTC).isoformat(timespec="microseconds")
    recent = [end for end in ends if end > since]
    if len(recent) < 2:
        return 0.0
    first = datetime.fromisoformat(min(recent))
    return (len(recent) - 1) / max((now - first) / timedelta(minutes=1), 1e-3)
