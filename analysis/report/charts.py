"""The charts, as Vega-Lite specifications through Altair: the same for the page and for print."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import altair as alt

from umlip_bench.analysis.report.chart_parts import (
    Chart,
    ChartPanel,
    Figure,
    brief,
    colour_of,
    ends_of,
    estimated,
    in_order,
    inline,
    name_axis,
    shape_of,
    span_of,
    value_axis,
    vertical_rule,
    whisker_chart,
)
from umlip_bench.analysis.report.model_content import HeadlineScale
from umlip_bench.analysis.report.parity_charts import parity_figure
from umlip_bench.analysis.report.plots import ParityPlot, SpreadPlot, SpreadSide
from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.suite_content import ErrorPlot, SuiteSection
from umlip_bench.analysis.report.wording import slug, upper

POINTS_UP_TO = 400
"""Cases that are drawn as points beside their distribution."""
NAMED_UP_TO = 40
"""Cases that are named on an axis."""
VIOLIN, NAMED = 62, 18
"""Pixels of a model's distribution, and of a case in a list."""


def scales_figure(scales: Sequence[HeadlineScale], style: Style) -> Figure | None:
    """Scales of all suites and models; ``None`` if there are none."""
    if not scales:
        return None
    labels = list(dict.fromkeys(scale.label for scale in scales))
    values = [_scale_point(scale) for scale in scales]
    ends = [v for point in values for v in (point["value"], point["low"], point["high"])]
    low, high = span_of([v for v in ends if v is not None], 1.0)
    return Figure(
        "scales",
        "Do the suites agree?",
        "Model over DFT: below 1 is soft. Bars are 95 % intervals; hollow points: too few materials for one.",
        (
            ChartPanel(
                whisker_chart(values, labels, "model over DFT", 1.0, (low, high), style),
                620,
            ),
        ),
    )


def _scale_point(scale: HeadlineScale) -> dict[str, Any]:
    return {
        "name": upper(scale.label),
        "side": scale.side,
        "suite": scale.suite,
        "variant": scale.variant,
        **estimated(scale.row.value, scale.row.ci_low, scale.row.ci_high, scale.row.n_cases),
    }


def spread_figure(plots: Sequence[SpreadPlot], style: Style) -> Figure:
    """Values case by case, a panel for each variant.

    From ten cases on with their distribution; cases are named where there is room.
    """
    first = plots[0]
    low, high = min(plot.low for plot in plots), max(plot.high for plot in plots)
    n = max(plot.n_cases for plot in plots)
    distributed = any(side.quartiles for plot in plots for side in plot.sides)
    outside = sum(plot.outside for plot in plots)
    words = []
    if distributed:
        words.append("Width: density of cases; bar: quartiles and median.")
    if outside:
        words.append(f"{outside} value{'' if outside == 1 else 's'} off the axis, in the table.")
    if not distributed and n > 1:
        words.append("Too few cases for a distribution.")
    panels = []
    for plot in plots:
        if any(side.quartiles for side in plot.sides):
            panels.append(ChartPanel(_violins(plot, low, high, style), 340))
        if plot.n_cases <= NAMED_UP_TO:
            panels.append(ChartPanel(_by_case(plot, low, high, style), 340))
    name = slug(first.name)
    return Figure(
        f"{first.suite}-{name}", f"{upper(first.label)}, by case", " ".join(words), tuple(panels)
    )


def _axis(plot: SpreadPlot) -> str:
    unit = f" ({plot.unit})" if plot.unit else ""
    return f"{plot.label}{unit}"


def _violins(plot: SpreadPlot, low: float, high: float, style: Style) -> Chart:
    sides = in_order(style, (side.side for side in plot.sides))
    y = alt.Y("side:N", sort=sides, axis=name_axis()).scale(domain=sides)
    x = value_axis(_axis(plot), (low, high))
    colour = colour_of(style, sides)
    half = alt.Size("density:Q", legend=None).scale(domain=[0, 1], range=[0.5, 46])
    curves = (
        alt.Chart(
            inline(
                {"side": side.side, "value": brief(value), "density": brief(density)}
                for side in plot.sides
                for value, density in side.curve
            )
        )
        .mark_trail(opacity=0.28, clip=True)
        .encode(x=x, y=y, size=half, color=colour, detail=alt.Detail("side:N"))
    )
    quartiles = [
        {
            "side": side.side,
            "low": q.low,
            "value": q.median,
            "high": q.high,
            "cases": len(side.values),
        }
        for side in plot.sides
        if (q := side.quartiles) is not None
    ]
    tooltip = [
        alt.Tooltip("side:N", title="model"),
        alt.Tooltip("low:Q", title="first quartile", format=".4~g"),
        alt.Tooltip("value:Q", title="median", format=".4~g"),
        alt.Tooltip("high:Q", title="third quartile", format=".4~g"),
        alt.Tooltip("cases:Q"),
    ]
    box = alt.Chart(inline(quartiles))
    bars = box.mark_rule(strokeWidth=4, clip=True).encode(
        x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=y, color=colour, tooltip=tooltip
    )
    medians = box.mark_point(
        filled=True, size=60, opacity=1, stroke=style.palette.ground, strokeWidth=1.5
    ).encode(x=x, y=y, color=colour, shape=shape_of(style, sides), tooltip=tooltip)
    layers = [vertical_rule(plot.target, style), curves]
    if plot.n_cases <= POINTS_UP_TO:
        layers.append(
            alt.Chart(inline(_case_values(plot.sides)))
            .mark_tick(
                thickness=1.2, size=12, opacity=0.55, clip=True, cursor="pointer", yOffset=20
            )
            .encode(x=x, y=y, color=colour, tooltip=_case_tooltip())
        )
    return alt.layer(*layers, bars, medians).properties(
        height=VIOLIN * len(sides), title=alt.TitleParams(plot.variant)
    )


def _by_case(plot: SpreadPlot, low: float, high: float, style: Style) -> Chart:
    """Points, cases below each other, the softest of the first model on top."""
    sides = in_order(style, (side.side for side in plot.sides))
    lowest: dict[str, float] = {}
    for side in plot.sides:
        for case, value in zip(side.cases, side.values, strict=True):
            lowest.setdefault(case, value)
    order = sorted(lowest, key=lambda case: lowest[case])
    y = alt.Y("case:N", sort=order, axis=name_axis()).scale(domain=order)
    points = (
        alt.Chart(inline(_case_values(plot.sides)))
        .mark_point(filled=True, size=60, opacity=0.9, clip=True, cursor="pointer")
        .encode(
            x=value_axis(_axis(plot), (low, high)),
            y=y,
            color=colour_of(style, sides),
            shape=shape_of(style, sides),
            tooltip=_case_tooltip(),
        )
    )
    return (vertical_rule(plot.target, style) + points).properties(
        height=NAMED * len(order), title=alt.TitleParams(plot.variant)
    )


def _case_values(sides: Iterable[SpreadSide]) -> Iterator[dict[str, Any]]:
    for side in sides:
        for case, value in zip(side.cases, side.values, strict=True):
            yield {"case": case, "side": side.side, "value": value}


def _case_tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("case:N"),
        alt.Tooltip("side:N", title="model"),
        alt.Tooltip("value:Q", format=".4~g"),
    ]


def error_figure(plot: ErrorPlot, style: Style) -> Figure:
    """Errors with intervals, as they are and corrected within the sample."""
    values = [
        {
            "name": upper(name),
            "side": side,
            **estimated(row.value, row.ci_low, row.ci_high, row.n_cases),
        }
        for name, side, row in plot.points
    ]
    labels = list(dict.fromkeys(name for name, _, _ in plot.points))
    ends = ends_of(values)
    _, high = span_of(ends, 0.0)
    chart = whisker_chart(values, labels, f"error of forces ({plot.unit})", 0.0, (0.0, high), style)
    return Figure(
        f"{plot.suite}-{plot.variant}-errors",
        "How much of the error is softness?",
        "cMAE: what is left of the error once each material's own softness is taken out.",
        (ChartPanel(chart, 420),),
    )


def spread_figures(plots: Iterable[SpreadPlot], style: Style) -> Iterator[Figure]:
    """A figure for each quantity, all variants beside each other."""
    by_name: dict[str, list[SpreadPlot]] = {}
    for plot in plots:
        by_name.setdefault(plot.name, []).append(plot)
    for each in by_name.values():
        yield spread_figure(each, style)


def section_figures(section: SuiteSection, style: Style) -> Iterator[Figure]:
    """All figures of a suite but those of single cases."""
    yield from spread_figures(section.spreads, style)
    for error in section.errors:
        yield error_figure(error, style)
    by_quantity: dict[str, list[ParityPlot]] = {}
    for parity in section.parities:
        by_quantity.setdefault(parity.quantity.name, []).append(parity)
    for parities in by_quantity.values():
        yield parity_figure(parities, style)
