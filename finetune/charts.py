"""Charts of fine-tuning, drawn as those of the report: a training against epochs, errors against labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import altair as alt

from umlip_bench.analysis.report.chart_parts import (
    Chart,
    ChartPanel,
    brief,
    colour_of,
    inline,
    shape_of,
)
from umlip_bench.analysis.report.style import PRINT, Style

WIDTH, HEIGHT = 260, 200
PIXELS_PER_INCH = 120
EPOCH_LINES = ("training", "validation")
"""Whose errors are drawn against epochs, each in the same colour in every panel."""


@dataclass(frozen=True)
class Reached:
    """What a method reached with a number of labels.

    Parameters
    ----------
    method
        Its name.
    n_labels
        Positive.
    value, low, high
        In the unit of the axis; the value itself for ends that are not known.
    """

    method: str
    n_labels: int
    value: float
    low: float
    high: float


def epochs_panel(label: str, lines: Mapping[str, Sequence[float]], kept: int) -> ChartPanel:
    """One error against epochs, a line each, the kept epoch marked; what is not finite is left out.

    Parameters
    ----------
    label
        Of the ordinate, which is logarithmic.
    lines
        Values of all epochs from the first, by name of `EPOCH_LINES`.
    kept
        Number of the kept epoch, from 1.
    """
    style = Style(PRINT, EPOCH_LINES)
    points = [
        {"side": name, "epoch": number, "value": brief(value)}
        for name, values in lines.items()
        for number, value in enumerate(values, start=1)
        if math.isfinite(value) and value > 0.0
    ]
    drawn = (
        alt.Chart(inline(points))
        .mark_line(point=len(points) <= len(lines))
        .encode(
            x=alt.X("epoch:Q", title="epoch").scale(zero=False, nice=False),
            y=alt.Y("value:Q", title=label).scale(type="log", nice=False),
            color=colour_of(style, EPOCH_LINES),
        )
    )
    mark = (
        alt.Chart(inline([{"epoch": kept}]))
        .mark_rule(color=style.palette.muted, strokeDash=[2, 2])
        .encode(x="epoch:Q")
    )
    return ChartPanel((mark + drawn).properties(height=HEIGHT), WIDTH)


def labels_panel(
    label: str, reached: Sequence[Reached], uncorrected: float | None, *, logarithmic: bool
) -> ChartPanel:
    """One error against the number of labels, a line for each method, with intervals.

    Parameters
    ----------
    label
        Of the ordinate.
    reached
        Of all methods and numbers of labels.
    uncorrected
        Drawn as a dashed line; ``None`` if it is not known.
    logarithmic
        Whether the ordinate is; the abscissa is.
    """
    methods = list(dict.fromkeys(each.method for each in reached))
    style = Style(PRINT, tuple(methods))
    points = [
        {
            "side": each.method,
            "labels": each.n_labels,
            "value": brief(each.value),
            "low": brief(each.low),
            "high": brief(each.high),
        }
        for each in reached
    ]
    base = alt.Chart(inline(points))
    x = alt.X("labels:Q", title="labels").scale(type="log", nice=False, padding=8)
    scale = alt.Scale(type="log" if logarithmic else "linear", zero=False, nice=False)
    y = alt.Y("value:Q", title=label, scale=scale)
    colour, shape = colour_of(style, methods), shape_of(style, methods)
    chart: Chart = (
        base.mark_rule().encode(
            x=x, y=alt.Y("low:Q", title=label, scale=scale), y2="high:Q", color=colour
        )
        + base.mark_line().encode(x=x, y=y, color=colour)
        + base.mark_point(size=50, filled=True, opacity=1).encode(
            x=x, y=y, color=colour, shape=shape
        )
    )
    if uncorrected is not None:
        level = alt.Chart(inline([{"value": brief(uncorrected), "words": "uncorrected"}]))
        muted = style.palette.muted
        chart += level.mark_rule(color=muted, strokeDash=[4, 3]).encode(y=y)
        chart += level.mark_text(
            align="right", baseline="bottom", dy=-2, fontSize=10, color=muted
        ).encode(x=alt.value("width"), y=y, text="words:N")
    return ChartPanel(chart.properties(height=HEIGHT), WIDTH)
