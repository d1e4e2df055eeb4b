"""The verdicts of a run in a few lines: for each model a table, a line for each suite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from umlip_bench.analysis.reference import reference_of_rows
from umlip_bench.analysis.suite import AnySuite
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import with_interval

WIDTH = 80
"""Characters that it fits."""

Line = tuple[str, str, str, str]
"""Suite, its first headline that has a value, number of cases, judgement with the way of measuring if that is
not the suite's first."""


def verdict_tables(
    parts: Iterable[tuple[AnySuite, Sequence[Row]]], models: Sequence[str]
) -> list[Table]:
    """A table for each model, of suites at their first way of measuring that has a value.

    Parameters
    ----------
    parts
        Suites, each with the rows of the summary that may be compared.
    models
        In the order of the tables.

    Returns
    -------
    list of Table
        None where there would be a single line: it stands by itself already.
    """
    parts = list(parts)
    reference = reference_of_rows([row for _, rows in parts for row in rows])
    lines = {model: list(verdict_lines(parts, model)) for model in models}
    if sum(map(len, lines.values())) < 2:
        return []
    return [_table(model, own, reference) for model, own in lines.items() if own]


def verdict_lines(parts: Iterable[tuple[AnySuite, Sequence[Row]]], model: str) -> Iterator[Line]:
    """The lines of a model; arguments as of `verdict_tables`."""
    for suite, rows in parts:
        first, *others = suite.variant_names
        of_model = [row for row in rows if row.model == model]
        variants = [v for v in (first, *others) if _has_scale(suite, v, of_model)] or [first]
        own = [row for row in of_model if row.variant == variants[0]]
        if not own:
            continue
        said = suite.presentation.verdict(own, model).removeprefix(f"{model}: ")
        # What stands in brackets or after the colon are reasons and numbers, which the suite's table has.
        judgement = said.partition(": ")[0].partition(" (")[0]
        judgement += f" ({variants[0]})" if variants[0] != first else ""
        found = {row.metric: row for row in own}
        scales = [found[each.metric] for each in suite.headlines if each.metric in found]
        scale = next((row for row in scales if row.n_cases), None)
        if scale is None:
            yield suite.name, "-", "-", judgement
        else:
            yield suite.name, with_interval(scale, 2), str(scale.n_cases), judgement


def _has_scale(suite: AnySuite, variant: str, rows: Sequence[Row]) -> bool:
    metrics = {each.metric for each in suite.headlines}
    return any(row.variant == variant and row.metric in metrics and row.n_cases for row in rows)


def _table(model: str, lines: Sequence[Line], reference: str) -> Table:
    table = Table(
        title=Text(f"{model}: model over {reference}, below 1 is soft"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("suite", no_wrap=True)
    table.add_column("scale", no_wrap=True)
    table.add_column("n", justify="right", no_wrap=True)
    table.add_column("verdict", max_width=WIDTH - 48)
    for line in lines:
        table.add_row(*map(Text, line))
    return table
