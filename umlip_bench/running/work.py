"""What one process gives another to do, and gets back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Worked:
    """A chunk that has been done.

    Parameters
    ----------
    seconds
        That it took, without loading the model.
    failed
        Why items have no entry in the journal, by key.
    """

    seconds: float
    failed: Mapping[str, str] = field(default_factory=dict)


class Work(Protocol):
    """A chunk as another process gets it; it can be pickled."""

    def work(self) -> Worked:
        """Do what is not done of it, and write it into the journal.

        Raises
        ------
        UmlipBenchError
            If the model cannot be loaded there, or the folder cannot be written.
        """
        ...


def do(work: Work) -> Worked:
    """What other processes call."""
    return work.work()
