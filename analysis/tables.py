"""Tables for people: metrics down, models across, and a verdict per model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.analysis.summary import Row
from umlip_bench.ground.errors import DataError

LABEL_WIDTH = 23
"""Columns that the labels take in the table, borders included."""
MODEL_WIDTH = 23
"""Columns of a model, borders included: enough for ``0.812 [0.780, 0.870]``."""


COLUMN_BORDERS = 3


@dataclass(frozen=True)
class Presentation:
    """How the rows of a suite are shown.

    Parameters
    ----------
    labels
        Metrics that are shown, in order, with their labels; the other rows are for the files.
    count_metric
        The metric whose number of cases is the column's.
    cases
        What the cases are, in the plural: ``"materials"``.
    verdict
        From the rows of one panel and the name of a model: one line on it.
    caption
        From the rows of one panel: what the table shows and how its intervals were made.
    """

    labels: Sequence[tuple[str, str]]
    count_metric: str
    cases: str
    verdict: Callable[[Sequence[Row], str], str]
    caption: Callable[[Sequence[Row]], str]


@dataclass(frozen=True)
class CaseTable:
    """Cases of one model, one by one.

    Parameters
    ----------
    title
        What they are.
    columns
        Heads, with units.
    rows
        Cells, as many in each as there are columns.
    notes
        Lines to be printed below.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: Sequence[str] = ()


def print_cases(table: CaseTable, console: Console) -> None:
    """Print cases one by one; columns that do not fit beside each other go into a further table below."""
    least = [_least_width(table, k) for k in range(len(table.columns))]
    for chosen in _columns_that_fit(table, least, console.width - 1):
        drawn = Table(title=Text(table.title), title_justify="left")
        for k in chosen:
            head = Text(table.columns[k])
            drawn.add_column(head, justify="left" if k == 0 else "right", min_width=least[k])
        for row in table.rows:
            drawn.add_row(*(Text(row[k]) for k in chosen))
        console.print(drawn)
    for note in table.notes:
        console.print(Text(note), style="dim")
    console.print()


def _least_width(table: CaseTable, column: int) -> int:
    """Of its longest word."""
    texts = (table.columns[column], *(row[column] for row in table.rows))
    return max((len(word) for text in texts for word in text.split()), default=1)


def _columns_that_fit(
    table: CaseTable, least: Sequence[int], width: int
) -> Iterator[Sequence[int]]:
    """Numbers of the columns of each part; what says which case it is, is in all of them."""
    naming = 1
    while naming < len(least) and any(_is_name(row[naming]) for row in table.rows):
        naming += 1
    if naming == len(least):
        naming = 1
    lead = list(range(naming))
    part = list(lead)
    for k in range(naming, len(least)):
        if len(part) > naming and sum(least[i] + COLUMN_BORDERS for i in (*part, k)) > width:
            yield part
            part = list(lead)
        part.append(k)
    yield part


def _is_name(text: str) -> bool:
    return bool(text) and text[0].isalpha()


@dataclass(frozen=True)
class Panel:
    """Rows that belong into one table.

    Parameters
    ----------
    data, suite, variant
        As in `Row`.
    models
        Names of the models, in order of appearance.
    rows
        All rows of the panel.
    """

    data: str
    suite: str
    variant: str
    models: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def title(self) -> str:
        """What the rows are of."""
        return f"{self.suite} ({self.variant}), {self.data}"

    def find(self, model: str, metric: str) -> Row | None:
        """Return the row of a model's metric; ``None`` if the model has no such row."""
        return next((r for r in self.rows if r.model == model and r.metric == metric), None)


def print_table(rows: Sequence[Row], presentation: Presentation, console: Console) -> None:
    """Print tables of one suite, one per data set and variant, each with verdicts and caption.

    Models that do not fit side by side go into a further table below. Variants without any of the
    metrics shown are left out; where none has a value, the verdicts alone say why.

    Parameters
    ----------
    rows
        Rows of any number of models, data sets and variants.
    presentation
        Of the suite.
    console
        Where to print; its width decides how many models stand side by side.

    Raises
    ------
    DataError
        If a model has two rows of the same metric.
    """
    for panel in _panels(rows, presentation):
        if not _has_values(panel, presentation):
            console.print(Text(panel.title, style="italic"))
            for model in panel.models:
                console.print(Text(presentation.verdict(panel.rows, model)))
            console.print()
            continue
        for models in _side_by_side(panel.models, console.width - LABEL_WIDTH):
            console.print(_table(panel, models, presentation))
        for model in panel.models:
            console.print(Text(presentation.verdict(panel.rows, model)))
        console.print(Text(presentation.caption(panel.rows), style="dim"))
        console.print()


def print_verdicts(rows: Sequence[Row], presentation: Presentation, console: Console) -> None:
    """Print of each table of `print_table` its title and its verdicts alone; arguments as there."""
    for panel in _panels(rows, presentation):
        console.print(Text(panel.title, style="italic"))
        for model in panel.models:
            console.print(Text(presentation.verdict(panel.rows, model)))
        console.print()


def _side_by_side(models: Sequence[str], width: int) -> Iterator[Sequence[str]]:
    """Models in groups that fit beside each other; a name is not cut unless it fits no line at all."""
    group: list[str] = []
    for model in models:
        if group and sum(map(_column, [*group, model])) > width:
            yield group
            group = []
        group.append(model)
    yield group


def _column(model: str) -> int:
    """Characters of a model's column, borders included."""
    return max(MODEL_WIDTH, len(model) + COLUMN_BORDERS)


def _has_values(panel: Panel, presentation: Presentation) -> bool:
    """Whether a table would have a single number."""
    shown = {metric for metric, _ in presentation.labels}
    return any(row.metric in shown and not math.isnan(row.value) for row in panel.rows)


def _table(panel: Panel, models: Sequence[str], presentation: Presentation) -> Table:
    table = Table(title=Text(panel.title), title_justify="left")
    table.add_column("", no_wrap=True)
    for model in models:
        width = _column(model) - COLUMN_BORDERS
        table.add_column(Text(model), justify="left", overflow="fold", max_width=width)
    counts = [panel.find(model, presentation.count_metric) for model in models]
    for metric, label in presentation.labels:
        cells = [panel.find(model, metric) for model in models]
        unit = next((row.unit for row in cells if row is not None and row.unit), "")
        name = f"{label} ({unit})" if unit else label
        texts = [
            _cell(row, None if count is None else count.n_cases, presentation.cases)
            for row, count in zip(cells, counts, strict=True)
        ]
        if any(text != "-" for text in texts):
            table.add_row(Text(name), *map(Text, texts))
    table.add_section()
    first = [next(row for row in panel.rows if row.model == model) for model in models]
    table.add_row(presentation.cases, *("-" if row is None else str(row.n_cases) for row in counts))
    table.add_row("failed", *(str(row.n_failed) for row in first))
    return table


def _cell(row: Row | None, n: int | None, cases: str) -> str:
    """Value and interval, and the number of cases where it is not the table's."""
    if row is None or math.isnan(row.value):
        return "-"
    text = with_interval(row, 3)
    return text if row.n_cases == n else f"{text}\nof {row.n_cases} {cases}"


def _panels(rows: Sequence[Row], presentation: Presentation) -> Iterator[Panel]:
    shown = {metric for metric, _ in presentation.labels}
    for data, suite, variant in dict.fromkeys((r.data, r.suite, r.variant) for r in rows):
        members = tuple(r for r in rows if (r.data, r.suite, r.variant) == (data, suite, variant))
        if not any(row.metric in shown for row in members):
            continue
        keys = [(row.model, row.metric) for row in members]
        for model, metric in keys:
            if keys.count((model, metric)) > 1:
                raise DataError(f"two rows of {metric} for {model} on {data}, {suite}, {variant}")
        models = tuple(dict.fromkeys(row.model for row in members))
        yield Panel(data=data, suite=suite, variant=variant, models=models, rows=members)


def with_interval(row: Row, digits: int) -> str:
    """Value and, in brackets, its interval if it has one."""
    return "-" if math.isnan(row.value) else f"{number(row.value, digits)}{interval(row, digits)}"


def minus_fixed(metric: str) -> str:
    """The row of what a headline is less than at fixed geometry, case by case."""
    return f"{metric}_minus_fixed"


def beside_fixed(found: Mapping[str, Row], metric: str) -> str:
    """For a verdict on a geometry of the model's own: a headline less that at DFT's, if that is known."""
    row = found.get(minus_fixed(metric))
    if row is None or math.isnan(row.value):
        return ""
    return f"; {row.variant} minus fixed geometry {number(row.value, 2, '+')}{interval(row, 2)}"


def fixed_in_words(rows: Sequence[Row]) -> str:
    """What a caption says of rows beside which those at fixed geometry stand; empty if there are none."""
    if not any(row.metric.endswith(minus_fixed("")) for row in rows):
        return ""
    return (
        " minus fixed geometry: paired differences; optimising the geometry with the model adds its errors "
        "of geometry to those of energy and curvature, so that softness is read off fixed geometries."
    )


def clusters_in_words(rows: Sequence[Row], cases: str, count: str) -> str:
    """What a caption says where cases are fewer independent systems; empty if each is one.

    Parameters
    ----------
    rows
        Of one panel.
    cases
        What the cases are, in the plural.
    count
        The metric whose number of cases is the table's.
    """
    said = {
        f"{row.n_cases} {cases} are {row.n_systems} independent one{'' if row.n_systems == 1 else 's'}"
        for row in rows
        if row.metric == count and 0 < row.n_systems < row.n_cases
    }
    if not said:
        return ""
    words = "; ".join(sorted(said))
    return f" {words}: intervals cluster those of one material, formula or element."


def number(value: float, digits: int, sign: str = "") -> str:
    """A value for a table; ``"-"`` for nan, words for what has but a rank.

    Parameters
    ----------
    value
        May be nan or infinite.
    digits
        After the point.
    sign
        ``"+"`` for a sign in any case.
    """
    if math.isinf(value):
        return "above all" if value > 0 else "below all"
    return "-" if math.isnan(value) else f"{value:{sign}.{digits}f}"


def interval(row: Row, digits: int) -> str:
    """The interval in brackets after a blank; nothing if there is none."""
    if row.ci_low is None or row.ci_high is None:
        return ""
    return f" [{number(row.ci_low, digits)}, {number(row.ci_high, digits)}]"
