"""Everything on the leaderboard, as data: numbers of the run folders, nothing of their looks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.document import Section
from umlip_bench.analysis.leaderboard.force_ranking import Ranking
from umlip_bench.analysis.leaderboard.statements import Statement
from umlip_bench.analysis.report.content import DataNote, RunNote
from umlip_bench.analysis.report.model_content import HeadlineScale


class Slice(StrEnum):
    """Which cases a line of the board is over."""

    ALL = "all"
    CLASS = "class of compounds"
    ELEMENT = "element"


@dataclass(frozen=True)
class Column:
    """A suite of the board.

    Parameters
    ----------
    suite
        Its name.
    label
        What its scale is of: ``"forces"``.
    variant
        At which geometry.
    metric
        Its row of the summary.
    """

    suite: str
    label: str
    variant: str
    metric: str


@dataclass(frozen=True)
class Cell:
    """A scale of the board.

    Parameters
    ----------
    value, low, high
        Model over DFT, dimensionless, and its 95 % interval or ``None``; minus or plus infinity where half
        of the cases have no value but a rank.
    n
        Systems (of a slice) or cases (of all) that it rests on.
    """

    value: float
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class Line:
    """A potential on a slice of the data.

    Parameters
    ----------
    kind, of
        Which slice: ``ALL`` and ``"all"``, a class or an element.
    label
        Of the potential.
    data
        Reference data.
    cells
        A scale for each column; ``None`` where nothing was measured.
    """

    kind: Slice
    of: str
    label: str
    data: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class PotentialPage:
    """A potential and what is to be known of it.

    Parameters
    ----------
    label, model
        Unique on the site, and the model's own name.
    page
        Name of its file, without ending.
    data, run
        Reference data and run folder.
    level, training_set, licence, citation, n_parameters
        As its card has them; `n_parameters` is ``None`` if not known.
    warning
        Why it is not ranked with the others; empty if it is.
    n_done, n_failed
        Cases with and without a result.
    statements
        For what it is safe, known failures first.
    card
        Its report card as a document.
    """

    label: str
    model: str
    page: str
    data: str
    run: str
    level: str
    training_set: str
    licence: str
    citation: str
    n_parameters: int | None
    warning: str
    n_done: int
    n_failed: int
    statements: tuple[Statement, ...]
    card: tuple[Section, ...]


@dataclass(frozen=True)
class Difference:
    """Two potentials in one quantity, material by material.

    Parameters
    ----------
    first, second
        Labels.
    row
        Paired difference, second minus first.
    adjusted_p
        Of no difference, by Holm's step-down over all rows of the site; ``None`` without an interval.
    """

    first: str
    second: str
    row: PairedRow
    adjusted_p: float | None


@dataclass(frozen=True)
class BoardContent:
    """The site.

    Parameters
    ----------
    generated
        Date, ISO.
    version
        Of umlip_bench.
    data, runs
        What was run on what.
    columns
        Suites of the board.
    potentials
        Pages.
    lines
        The board, on all data first, then by class and element.
    scales
        Of the potentials that are ranked, at every geometry, for the figure.
    differences
        Of all pairs on the same data.
    rankings
        Whether the scale of the forces ranks as the other suites do.
    answer
        That in short, a sentence each.
    """

    generated: str
    version: str
    data: tuple[DataNote, ...]
    runs: tuple[RunNote, ...]
    columns: tuple[Column, ...]
    potentials: tuple[PotentialPage, ...]
    lines: tuple[Line, ...]
    scales: tuple[HeadlineScale, ...]
    differences: tuple[Difference, ...]
    rankings: tuple[Ranking, ...]
    answer: tuple[str, ...]
