"""Charts of single cases: bands, profiles, curves."""

from __future__ import annotations

import json
from typing import Literal

import altair as alt

from umlip_bench.analysis.drawing import DFT, Drawing
from umlip_bench.analysis.report.chart_parts import (
    Chart,
    ChartPanel,
    Figure,
    brief,
    colour_of,
    inline,
    zero_line,
)
from umlip_bench.analysis.report.pictures import Picture
from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.wording import slug

HEIGHT = 260
DRAWING, NARROW = 310, 160
IS_DFT = f"datum.side == '{DFT}'"
DOTS = [2, 3]
"""Of a DFT that the models are not to be compared with."""


def picture_figure(suite: str, picture: Picture, style: Style) -> Figure:
    """All drawings of one case."""
    return Figure(
        slug(f"{suite}-{picture.case}"),
        picture.case,
        "",
        tuple(
            ChartPanel(_drawing(drawing, style), NARROW if drawing.narrow else DRAWING)
            for drawing in picture.drawings
        ),
    )


def _drawing(drawing: Drawing, style: Style) -> Chart:
    sides = [DFT, *style.labels]
    present = [side for side in sides if any(line.side == side for line in drawing.lines)]
    values = [
        {
            "side": line.side,
            "line": k,
            "x": [brief(v) for v in line.x],
            "y": [brief(v) for v in line.y],
        }
        for k, line in enumerate(drawing.lines)
    ]
    x_values = [brief(v) for line in drawing.lines for v in line.x]
    x = alt.X("x:Q", title=drawing.x_label or None, axis=_axis(drawing)).scale(
        domain=[min(x_values), max(x_values)], nice=False, zero=False
    )
    y = alt.Y("y:Q", title=drawing.y_label or None).scale(zero=False)
    if drawing.y_range is not None:
        y = y.scale(domain=list(drawing.y_range), nice=False)
    base = alt.Chart(inline(values)).transform_flatten(["x", "y"])
    dash = alt.StrokeDash("side:N").scale(
        domain=present, range=[style.dash(side) for side in present]
    )
    encoding = {
        "x": x,
        "y": y,
        "color": colour_of(style, present),
        # Not by the scale, which panels beside each other share.
        "strokeDash": dash if drawing.comparable else alt.condition(IS_DFT, alt.value(DOTS), dash),
        "strokeWidth": alt.condition(IS_DFT, alt.value(1.8), alt.value(1.3)),
        "detail": alt.Detail("line:N"),
    }
    orient: Literal["horizontal", "vertical"] = "horizontal" if drawing.narrow else "vertical"
    lines = base.mark_line(clip=True, opacity=0.9, orient=orient).encode(
        **encoding, tooltip=alt.Tooltip("side:N", title="model")
    )
    layers = [zero_line(style), lines]
    if any(line.points for line in drawing.lines):
        layers.append(_points(base, x, y, drawing, present, style))
    return alt.layer(*layers).properties(
        height=HEIGHT, title=alt.TitleParams("" if drawing.narrow else drawing.title)
    )


def _axis(drawing: Drawing) -> alt.Axis:
    """The abscissa's, named where the drawing names its places."""
    if not drawing.ticks:
        return alt.Axis(tickCount=5, grid=False)
    places = [brief(place) for place, _ in drawing.ticks]
    names = [name for _, name in drawing.ticks]
    return alt.Axis(
        values=places,
        grid=True,
        # JSON's strings are string literals of the expression language too.
        labelExpr=f"{json.dumps(names)}[indexof({json.dumps(places)}, datum.value)]",
        labelOverlap=False,
    )


def _points(
    base: alt.Chart, x: alt.X, y: alt.Y, drawing: Drawing, present: list[str], style: Style
) -> Chart:
    """What was calculated, where lines only join it."""
    return base.mark_point(filled=True, size=34, opacity=1).encode(
        x=x,
        y=y,
        color=colour_of(style, present),
        shape=alt.Shape("side:N").scale(
            domain=present,
            range=["circle" if side == DFT else style.shape(side) for side in present],
        ),
        tooltip=[
            alt.Tooltip("side:N", title="model"),
            alt.Tooltip("x:Q", title=drawing.x_label, format=".4~g"),
            alt.Tooltip("y:Q", title=drawing.y_label, format=".4~g"),
        ],
    )
