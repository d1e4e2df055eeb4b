"""A suite on the page, as data: its tables, what is drawn, and the words beside them."""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.analysis.report.model_content import Verdict
from umlip_bench.analysis.report.pictures import PictureSet
from umlip_bench.analysis.report.plots import ParityPlot, SpreadPlot
from umlip_bench.analysis.summary import Row

Value = float | int | str | None
"""What a table holds; ``None`` where there is nothing."""


@dataclass(frozen=True)
class Table:
    """A table that can be sorted, filtered and saved.

    Parameters
    ----------
    name
        For the file: ``"surfaces-cases"``.
    title
        What it holds.
    columns
        Heads.
    rows
        As many values in each as there are columns.
    filter_by
        Index of the column that holds the case; ``None`` if there is none.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    filter_by: int | None = None


@dataclass(frozen=True)
class SideRow:
    """A metric of a suite, models side by side.

    Parameters
    ----------
    label
        With the unit.
    cells
        A row of the summary or ``None`` for each column of the `SuiteOverview`.
    """

    label: str
    cells: tuple[Row | None, ...]


@dataclass(frozen=True)
class SuiteOverview:
    """The metrics of a suite that its terminal table shows, variants and models side by side.

    Parameters
    ----------
    variants
        Names, each with the number of its columns.
    columns
        Label of the model of each column.
    counts
        Cases of each column; ``None`` where there is no such row.
    failed
        Cases without a result, of each column.
    rows
        Metrics.
    cases
        What the cases are, in the plural.
    """

    variants: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    counts: tuple[int | None, ...]
    failed: tuple[int, ...]
    rows: tuple[SideRow, ...]
    cases: str


@dataclass(frozen=True)
class ErrorPlot:
    """Errors before and after a correction within the sample, as in Fig. 6 of the paper.

    Parameters
    ----------
    suite, variant
        Where they were measured.
    unit
        Of all values.
    points
        Label of the error, label of the model, and row of the summary.
    """

    suite: str
    variant: str
    unit: str
    points: tuple[tuple[str, str, Row], ...]


@dataclass(frozen=True)
class SuiteSection:
    """A suite.

    Parameters
    ----------
    suite, title
        Its name, and in words.
    verdicts
        By variant and model.
    captions
        What the numbers are and how intervals were made: variant and text.
    overview
        Its metrics side by side.
    spreads, parities, errors, pictures
        What is drawn.
    cases, summary
        Tables of cases.jsonl and summary.json.
    remarks
        What is said of single cases, each with the models that it is said of.
    """

    suite: str
    title: str
    verdicts: tuple[Verdict, ...]
    captions: tuple[tuple[str, str], ...]
    overview: SuiteOverview
    spreads: tuple[SpreadPlot, ...]
    parities: tuple[ParityPlot, ...]
    errors: tuple[ErrorPlot, ...]
    pictures: PictureSet | None
    cases: Table
    summary: Table
    remarks: tuple[tuple[str, str], ...]
