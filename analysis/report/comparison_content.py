"""Models, runs and corrections beside each other on the page, as data."""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.report.suite_content import Table
from umlip_bench.analysis.run_differences import RunDifference
from umlip_bench.analysis.summary import Row


@dataclass(frozen=True)
class Pair:
    """Two models over the cases that both have.

    Parameters
    ----------
    first, second
        Their labels.
    rows
        Paired differences, second minus first.
    table
        The same, to be sorted and saved.
    """

    first: str
    second: str
    rows: tuple[PairedRow, ...]
    table: Table


@dataclass(frozen=True)
class RelaxationEffect:
    """What relaxing changes: models at fixed geometry and after their own relaxation, case by case.

    Parameters
    ----------
    sides
        Label of the model, and paired differences, relaxed minus fixed geometry.
    table
        The same, to be sorted and saved.
    """

    sides: tuple[tuple[str, tuple[PairedRow, ...]], ...]
    table: Table


@dataclass(frozen=True)
class RunPair:
    """Run against run.

    Parameters
    ----------
    first, second
        Names of the folders.
    changes
        What is not the same; empty if nothing is.
    """

    first: str
    second: str
    changes: tuple[RunDifference, ...]


@dataclass(frozen=True)
class CorrectionRow:
    """A number before and after a correction.

    Parameters
    ----------
    suite, variant, label
        What it is.
    before, after
        Rows of the summary.
    difference
        Paired, after minus before; ``None`` if there is none.
    scale
        What it is a scale of, told apart from all others; empty if it is none.
    """

    suite: str
    variant: str
    label: str
    before: Row
    after: Row
    difference: PairedRow | None
    scale: str

    @property
    def after_minus_before(self) -> float:
        """Difference of the two numbers, as they stand beside each other."""
        return self.after.value - self.before.value

    @property
    def against_values(self) -> bool:
        """Whether the paired difference has another sign than that of the numbers beside it."""
        if self.difference is None:
            return False
        return self.after_minus_before * self.difference.difference < 0.0


@dataclass(frozen=True)
class CorrectionNote:
    """A scalar correction and what it does.

    Parameters
    ----------
    before, after
        Labels of the model and the corrected model.
    factor, low, high
        On the energy surface, with its interval or ``None``.
    labels
        What it was fitted to; empty if not recorded.
    rows
        Numbers before and after.
    notes
        What a reader must know.
    """

    before: str
    after: str
    factor: float
    low: float | None
    high: float | None
    labels: str
    rows: tuple[CorrectionRow, ...]
    notes: tuple[str, ...]
