"""Parity plots: model against DFT, value by value."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from umlip_bench.analysis.report.chart_parts import Chart, ChartPanel, Figure, brief, inline
from umlip_bench.analysis.report.plots import ParityPanel, ParityPlot
from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.wording import slug, upper

SQUARE = 240
GUIDE = "guide"
"""Names of lines begin with it that lie over points and must not catch the pointer."""


def parity_figure(plots: Sequence[ParityPlot], style: Style) -> Figure:
    """Model against DFT of one quantity, a panel for each variant and model, on the same axes."""
    first = plots[0]
    low, high = min(plot.low for plot in plots), max(plot.high for plot in plots)
    panels = [(plot, panel) for plot in plots for panel in plot.panels]
    caption = "Dotted: identity."
    if any(panel.slope is not None for _, panel in panels):
        caption = "Dotted: identity; solid: the slope of the summary that is named above it."
    if any(panel.bins for _, panel in panels):
        caption += " Shading: number of points, on a logarithmic scale."
    return Figure(
        f"{first.suite}-parity-{slug(first.quantity.name)}",
        f"{upper(first.quantity.name)}, model against DFT",
        caption,
        tuple(
            ChartPanel(_parity(plot, panel, (low, high), style), SQUARE, square=True)
            for plot, panel in panels
        ),
    )


def _parity(plot: ParityPlot, panel: ParityPanel, ends: tuple[float, float], style: Style) -> Chart:
    unit = plot.quantity.unit
    scale = alt.Scale(domain=list(ends), nice=False, zero=False)
    x = alt.X("x:Q", title=f"DFT ({unit})", scale=scale).axis(tickCount=5)
    y = alt.Y("y:Q", title=f"model ({unit})", scale=scale).axis(tickCount=5)
    identity = (
        alt.Chart(inline({"x": end, "y": end} for end in ends))
        .mark_line(color=style.palette.muted, strokeDash=[2, 3], strokeWidth=1.2)
        .encode(x=x, y=y)
        .properties(name=f"{GUIDE}_identity")
    )
    layers = [_bins(panel, x, y, style) if panel.bins else _dots(panel, x, y, style), identity]
    subtitle = f"{panel.n} point{'' if panel.n == 1 else 's'}"
    if panel.slope is not None:
        slope = panel.slope.value
        line = [{"x": end, "y": slope * end} for end in ends]
        layers.append(
            alt.Chart(inline(line))
            .mark_line(color=style.palette.ink, strokeWidth=1.4, clip=True)
            .encode(x=x, y=y)
            .properties(name=f"{GUIDE}_slope")
        )
        subtitle = f"{panel.slope_is} {slope:.3f}, {subtitle}"
    subtitle = f"{plot.variant}, {subtitle}"
    return alt.layer(*layers).properties(
        height=SQUARE, title=alt.TitleParams(panel.side, subtitle=subtitle)
    )


def _dots(panel: ParityPanel, x: alt.X, y: alt.Y, style: Style) -> Chart:
    values = (
        {"case": case, "x": brief(a), "y": brief(b)}
        for case, a, b in zip(panel.cases, panel.reference, panel.model, strict=True)
    )
    few = panel.n < 50
    return (
        alt.Chart(inline(values))
        .mark_point(
            filled=True,
            size=60 if few else 18,
            opacity=0.9 if few else 0.45,
            color=style.colour(panel.side),
            shape=style.shape(panel.side),
            cursor="pointer",
        )
        .encode(
            x=x,
            y=y,
            tooltip=[
                alt.Tooltip("case:N"),
                alt.Tooltip("x:Q", title="DFT", format=".4~g"),
                alt.Tooltip("y:Q", title="model", format=".4~g"),
            ],
        )
    )


def _bins(panel: ParityPanel, x: alt.X, y: alt.Y, style: Style) -> Chart:
    values = (
        {
            "case": b.case,
            "words": b.words,
            "count": b.count,
            "x": brief(b.x0),
            "x1": brief(b.x1),
            "y": brief(b.y0),
            "y1": brief(b.y1),
        }
        for b in panel.bins
    )
    most = max(b.count for b in panel.bins)
    return (
        alt.Chart(inline(values))
        .mark_rect(color=style.colour(panel.side), cursor="pointer")
        .encode(
            x=x,
            x2=alt.X2("x1:Q"),
            y=y,
            y2=alt.Y2("y1:Q"),
            opacity=alt.Opacity("count:Q", legend=None).scale(
                type="log", domain=[1, max(most, 2)], range=[0.18, 1]
            ),
            tooltip=[
                alt.Tooltip("count:Q", title="points"),
                alt.Tooltip("words:N", title="cases"),
            ],
        )
    )
