"""A suite's metrics in words, made of the table that it declares: for a terminal and for documentation."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from umlip_bench.analysis.document import Grid, Paragraph, Section
from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Over
from umlip_bench.analysis.suite import AnySuite

COLUMNS = ("column of cases.jsonl", "unit", "variants (with their prefix)")
ROWS = ("row of summary.json", "in tables", "unit", "over materials", "used as")


def section(suite: AnySuite, about: str) -> Section:
    """Everything that a suite's metrics become.

    Parameters
    ----------
    suite
        What it declares.
    about
        What it measures, in plain text; paragraphs are kept apart by empty lines.
    """
    prefixed = {
        variant.name: f"{variant.name} ({variant.prefix}*)" if variant.prefix else variant.name
        for variant in suite.variants
    }
    columns = tuple(
        (
            metric.key,
            metric.unit or "-",
            ", ".join(prefixed[name] for name in metric.only or tuple(prefixed)),
        )
        for metric in suite.metrics
        if metric.column
    )
    rows = tuple(row for metric in suite.metrics for row in _rows(metric))
    together = tuple(
        (name, label or "-", unit or "-", "of all cases together", "-")
        for each in suite.together
        for name, label, unit in each.rows
    )
    facts = tuple((fact.key, "-", "none: of the case") for fact in suite.facts)
    return Section(
        f"{suite.name}: {suite.title}",
        (
            *(Paragraph(part) for part in about.split("\n\n")),
            Grid(COLUMNS, columns + facts),
            Grid(ROWS, rows + together),
        ),
    )


def _rows(metric: Metric[Any]) -> Iterator[tuple[str, ...]]:
    for over in metric.over:
        for name, label in over.names(metric.key):
            unit = metric.unit if over.unit is None else over.unit
            yield name, label or "-", unit or "-", _how(over), ", ".join(_uses(over)) or "-"


def _how(over: Over) -> str:
    """The first sentence of what documents the way of summarising."""
    return inspect.cleandoc(type(over).__doc__ or "").split("\n\n")[0].split(";")[0].rstrip(".")


def _uses(over: Over) -> Iterator[str]:
    if over.headline:
        yield f"headline on {over.headline}"
    if over.scale_of:
        yield f"scale of {over.scale_of}"
    if over.paired:
        yield "compared case by case"
    if over.error:
        yield "error before and after a correction"
