"""Suites: what of each is on the page."""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.report.pictures import picture_set
from umlip_bench.analysis.report.plots import SpreadPlot, parity_plots, spread_plot
from umlip_bench.analysis.report.suite_content import (
    ErrorPlot,
    SideRow,
    SuiteOverview,
    SuiteSection,
)
from umlip_bench.analysis.report.tables import case_table, summary_table
from umlip_bench.analysis.report.verdicts import rows_of, verdicts_of
from umlip_bench.analysis.suite import AnySuite


def section_of(analysis: AnySuite, everyone: Sequence[Side]) -> SuiteSection:
    """All that the page has of a suite."""
    present = [side for side in everyone if side.run.of(analysis.name, side.model)]
    variants = [
        str(v) for v in analysis.variant_names if any(rows_of(analysis.name, v, s) for s in present)
    ]
    spreads = (
        plot for variant in variants for plot in _headline_spreads(analysis, variant, present)
    )
    return SuiteSection(
        suite=analysis.name,
        title=analysis.title,
        verdicts=tuple(verdicts_of(analysis, present)),
        captions=tuple(
            (variant, analysis.presentation.caption(rows))
            for variant in variants
            if (rows := [row for side in present for row in rows_of(analysis.name, variant, side)])
        ),
        overview=_overview(analysis, variants, present),
        spreads=(
            *(plot for plot in spreads if plot is not None),
            *further_spreads(analysis, present),
        ),
        parities=tuple(
            plot for variant in variants for plot in parity_plots(analysis, variant, present)
        ),
        errors=tuple(_errors(analysis, variants, present)),
        pictures=picture_set(analysis.name, present),
        cases=case_table(analysis.name, everyone),
        summary=summary_table(analysis, everyone),
        remarks=_remarks(analysis, present),
    )


def _overview(
    analysis: AnySuite, variants: Sequence[str], present: Sequence[Side]
) -> SuiteOverview:
    """As in the terminal, but variants and models all in one row; without those that have no number."""
    name, shown = analysis.name, analysis.presentation
    labels = dict(shown.labels)
    columns = [
        (variant, side)
        for variant in variants
        for side in present
        if any(
            row.n_failed or (row.n_cases and row.metric in labels)
            for row in rows_of(name, variant, side)
        )
    ]
    counts = [side.run.find(name, v, side.model, shown.count_metric) for v, side in columns]
    rows = []
    for metric, label in shown.labels:
        cells = tuple(side.run.find(name, v, side.model, metric) for v, side in columns)
        known = [cell for cell in cells if cell is not None and cell.n_cases]
        if known:
            unit = known[0].unit
            rows.append(SideRow(f"{label} ({unit})" if unit else label, cells))
    return SuiteOverview(
        variants=tuple(
            (variant, n) for variant in variants if (n := sum(v == variant for v, _ in columns))
        ),
        columns=tuple(side.label for _, side in columns),
        counts=tuple(None if row is None else row.n_cases for row in counts),
        failed=tuple(rows_of(name, v, side)[0].n_failed for v, side in columns),
        rows=tuple(rows),
        cases=shown.cases,
    )


def _headline_spreads(
    analysis: AnySuite, variant: str, present: Sequence[Side]
) -> list[SpreadPlot | None]:
    """Each headline, case by case."""
    return [
        spread_plot(
            analysis.name,
            variant,
            headline.metric.removesuffix("_median"),
            f"{headline.label}, model over DFT",
            {
                side.label: [
                    (record.case, analysis.scale(side.run.result(record), variant, headline))
                    for record in side.run.of(analysis.name, side.model)
                ]
                for side in present
            },
        )
        for headline in analysis.headlines
    ]


def further_spreads(analysis: AnySuite, present: Sequence[Side]) -> list[SpreadPlot]:
    """What else of a suite is shown case by case, a plot for each variant that has values."""
    plots = (
        spread_plot(
            analysis.name,
            variant,
            metric.key.replace("_", "-"),
            metric.spread.label,
            {
                side.label: [
                    (record.case, analysis.number(side.run.result(record), variant, metric.key))
                    for record in side.run.of(analysis.name, side.model)
                ]
                for side in present
            },
            unit=metric.unit,
            target=metric.spread.target,
        )
        for metric in analysis.metrics
        if metric.spread is not None
        for variant in analysis.variant_names
    )
    return [plot for plot in plots if plot is not None]


def _errors(
    analysis: AnySuite, variants: Sequence[str], present: Sequence[Side]
) -> list[ErrorPlot]:
    labels = dict(analysis.presentation.labels)
    plots = []
    for variant in variants:
        points = tuple(
            (labels[metric], side.label, row)
            for metric in analysis.errors
            for side in present
            if (row := side.run.find(analysis.name, variant, side.model, metric)) is not None
            and row.n_cases
        )
        if points:
            plots.append(ErrorPlot(analysis.name, variant, points[0][2].unit, points))
    return plots


def _remarks(analysis: AnySuite, present: Sequence[Side]) -> tuple[tuple[str, str], ...]:
    """What the case tables say below, each remark once."""
    said: dict[str, list[str]] = {}
    for side in present:
        table = analysis.case_table(side.run.results(analysis.name, side.model))
        for note in () if table is None else table.notes:
            said.setdefault(note, []).append(side.label)
    everyone = len(present)
    return tuple(
        (note, "all models" if len(labels) == everyone > 1 else ", ".join(labels))
        for note, labels in said.items()
    )
