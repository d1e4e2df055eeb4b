"""Charts of softness as a curve: slope and inverse against what may predict them, with bands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import altair as alt

from umlip_bench.analysis.intervals import Estimate
from umlip_bench.analysis.predictors import Predictor, PredictorBin
from umlip_bench.analysis.report.chart_parts import (
    Chart,
    ChartPanel,
    Figure,
    brief,
    colour_of,
    estimated,
    in_order,
    inline,
    shape_of,
    span_of,
)
from umlip_bench.analysis.report.content import ChemistrySection
from umlip_bench.analysis.report.style import Style

BEYOND = 0.3
"""How far bands are drawn beyond all values."""

Bins = Sequence[tuple[str, PredictorBin]]


def predictor_figure(chemistry: ChemistrySection, style: Style) -> Figure | None:
    """Slope and inverse of the forces against what may predict them; ``None`` if there is nothing."""
    if not chemistry.predictors:
        return None
    return Figure(
        "predictors",
        "What goes with softness?",
        "Slope and inverse of the forces in fifths of all atoms, by geometry and energy alone, at the mean "
        "of each fifth; bands are 95 % intervals over materials. Softness lowers the slope and raises the "
        "inverse; noise does but one of them. One bin may hold other materials than the next.",
        tuple(_panels(chemistry.predictors, style)),
    )


def _panels(bins: Bins, style: Style) -> Iterator[ChartPanel]:
    for name, of in (("slope of forces", _slope), ("inverse of forces", _inverse)):
        span = _span([of(each) for _, each in bins])
        for predictor in Predictor:
            own = [(side, each) for side, each in bins if each.predictor is predictor]
            if own:
                points = [(side, each, of(each)) for side, each in own]
                yield ChartPanel(_curve(points, name, span, style), 300)


def _slope(each: PredictorBin) -> Estimate:
    return each.slope


def _inverse(each: PredictorBin) -> Estimate:
    return each.inverse


def _span(estimates: Sequence[Estimate]) -> tuple[float, float]:
    values = [each.value for each in estimates]
    least, most = min(values) - BEYOND, max(values) + BEYOND
    ends = [v for e in estimates for v in (e.value, e.low, e.high) if v is not None]
    return span_of([min(max(v, least), most) for v in ends], 1.0)


def _curve(
    points: Sequence[tuple[str, PredictorBin, Estimate]],
    name: str,
    span: tuple[float, float],
    style: Style,
) -> Chart:
    sides = in_order(style, (side for side, _, _ in points))
    first = points[0][1]
    values: list[dict[str, Any]] = [
        {
            "side": side,
            "at": brief(each.mean),
            "range": f"{each.low:.3g} to {each.high:.3g}",
            "components": each.n_components,
            **estimated(found.value, found.low, found.high, each.n_materials),
        }
        for side, each, found in points
    ]
    title = f"{first.label} ({first.unit})" if first.unit else first.label
    y = alt.Y("value:Q", title=name).scale(domain=list(span), nice=False, zero=False)
    x = alt.X("at:Q", title=title, axis=alt.Axis(tickCount=5)).scale(zero=False)
    colour = colour_of(style, sides)
    base = alt.Chart(inline(values))
    one = (
        alt.Chart(inline([{"at": 1.0}]))
        .mark_rule(color=style.palette.ink, strokeWidth=1, opacity=0.7)
        .encode(y=alt.Y("at:Q"))
    )
    return alt.layer(
        one,
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_area(opacity=0.15, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2="high:Q", color=colour),
        base.mark_line(strokeWidth=1.5).encode(x=x, y=y, color=colour),
        base.mark_point(filled=True, size=45, opacity=1).encode(
            x=x,
            y=y,
            color=colour,
            shape=shape_of(style, sides),
            tooltip=[
                alt.Tooltip("side:N", title="model"),
                alt.Tooltip("range:N", title=title),
                alt.Tooltip("value:Q", title=name, format=".4~g"),
                alt.Tooltip("interval:N", title="95 % interval"),
                alt.Tooltip("cases:Q", title="materials"),
                alt.Tooltip("components:Q", title="force components"),
            ],
        ),
    ).properties(height=220)
