"""Charts of where models are soft: by element, by class of compounds, by what may predict it."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from umlip_bench.analysis.force_chemistry import PredictorBin
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
    whisker_chart,
)
from umlip_bench.analysis.report.content import ChemistrySection, ElementMap, ElementValue
from umlip_bench.analysis.report.periodic import place
from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.wording import upper
from umlip_bench.ground.elements import SYMBOLS

BEYOND = 0.3
"""How far a predictor's intervals are drawn beyond all slopes."""
STEPS = (0.7, 0.85, 0.95, 1.05, 1.15, 1.3)
"""Edges between the colours of a scale on the periodic table."""


def element_figure(elements: ElementMap, style: Style) -> Figure:
    """A periodic table for each model."""
    return Figure(
        f"elements-{elements.name}",
        upper(elements.label),
        "Model over DFT, median over materials. Blue is softer, orange stiffer, grey within 5 % of DFT.",
        tuple(
            ChartPanel(_periodic(label, values, style), 540, rigid=True)
            for label, values in elements.sides
        ),
    )


def _periodic(label: str, values: Sequence[ElementValue], style: Style) -> Chart:
    known = {value.symbol: value for value in values}
    cells = []
    for symbol in SYMBOLS:
        row, column = place(symbol)
        cell = {"symbol": symbol, "row": row, "column": column}
        value = known.get(symbol)
        if value is not None:
            cell |= {
                "step": sum(value.value >= edge for edge in STEPS),
                "words": f"{value.value:.2f}",
                **estimated(value.value, value.low, value.high, value.n_systems),
            }
        cells.append(cell)
    x = alt.X("column:Q", axis=None).scale(domain=[0.4, 18.6], nice=False, zero=False)
    y = alt.Y("row:Q", axis=None).scale(domain=[0.4, 10.0], nice=False, zero=False, reverse=True)
    base = alt.Chart(inline(cells)).transform_calculate(
        left="datum.column - 0.47",
        right="datum.column + 0.47",
        top="datum.row - 0.46",
        bottom="datum.row + 0.46",
    )
    edges = {"x": alt.X("left:Q", axis=None), "x2": "right:Q", "y": alt.Y("top:Q", axis=None)}
    empty = base.transform_filter("!isValid(datum.value)")
    filled = base.transform_filter("isValid(datum.value)")
    n = len(style.palette.steps)
    inverted = "datum.step <= 1 || datum.step >= 5"
    letters = alt.condition(inverted, alt.value(style.palette.ground), alt.value(style.palette.ink))
    return (
        alt.layer(
            base.mark_point(opacity=0).encode(x=x, y=y),
            empty.mark_rect(fill=None, stroke=style.palette.rule, strokeWidth=0.7).encode(
                **edges, y2=alt.Y2("bottom:Q")
            ),
            empty.mark_text(fontSize=9, color=style.palette.muted, opacity=0.7).encode(
                x=x, y=y, text=alt.Text("symbol:N")
            ),
            filled.mark_rect(cornerRadius=2).encode(
                **edges,
                y2=alt.Y2("bottom:Q"),
                color=alt.Color("step:O", legend=None).scale(
                    domain=list(range(n)), range=list(style.palette.steps)
                ),
                tooltip=[
                    alt.Tooltip("symbol:N", title="element"),
                    alt.Tooltip("value:Q", title="model over DFT", format=".4~g"),
                    alt.Tooltip("interval:N", title="95 % interval"),
                    alt.Tooltip("cases:Q", title="materials"),
                ],
            ),
            filled.mark_text(fontSize=11, fontWeight=600, dy=-5).encode(
                x=x, y=y, text=alt.Text("symbol:N"), color=letters
            ),
            filled.mark_text(fontSize=9, dy=7).encode(
                x=x, y=y, text=alt.Text("words:N"), color=letters
            ),
        )
        .resolve_scale(color="independent")
        .properties(height=310, title=alt.TitleParams(label))
    )


def class_figure(chemistry: ChemistrySection, style: Style) -> Figure | None:
    """Scales by class of compounds; ``None`` if there are none."""
    if not chemistry.classes:
        return None
    values = [
        {
            "name": upper(scale.chemistry),
            "side": side,
            **estimated(scale.median, scale.ci_low, scale.ci_high, scale.n_systems),
        }
        for side, scale in chemistry.classes
    ]
    order = list(type(chemistry.classes[0][1].chemistry))
    present = {scale.chemistry for _, scale in chemistry.classes}
    labels = [str(kind) for kind in order if kind in present]
    ends = [v for p in values for v in (p["value"], p["low"], p["high"]) if v is not None]
    return Figure(
        "chemistry",
        "By class of compounds",
        "Forces, model over DFT, median over materials. Hollow points: too few materials for an interval.",
        (
            ChartPanel(
                whisker_chart(
                    values, labels, "forces, model over DFT", 1.0, span_of(ends, 1.0), style
                ),
                420,
            ),
        ),
    )


def predictor_figure(chemistry: ChemistrySection, style: Style) -> Figure | None:
    """Slope of the forces against what may predict it; ``None`` if there is nothing."""
    if not chemistry.predictors:
        return None
    by_name: dict[str, list[tuple[str, PredictorBin]]] = {}
    for side, each in chemistry.predictors:
        by_name.setdefault(str(each.predictor), []).append((side, each))
    slopes = [each.slope for _, each in chemistry.predictors]
    least, most = min(slopes) - BEYOND, max(slopes) + BEYOND
    ends = [
        min(max(v, least), most)
        for _, each in chemistry.predictors
        for v in (each.slope, each.ci_low, each.ci_high)
        if v is not None
    ]
    span = span_of(ends, 1.0)
    return Figure(
        "predictors",
        "What goes with softness?",
        "Slope of the forces in fifths of all atoms; horizontal bars are the bins. One bin may hold other "
        "materials than the next.",
        tuple(ChartPanel(_predictor(bins, span, style), 300) for bins in by_name.values()),
    )


def _predictor(
    bins: Sequence[tuple[str, PredictorBin]], span: tuple[float, float], style: Style
) -> Chart:
    sides = in_order(style, (side for side, _ in bins))
    first = bins[0][1]
    # Models beside each other in a bin, so that intervals do not hide each other.
    width = max(each.high for _, each in bins) - min(each.low for _, each in bins)
    values = [
        {
            "side": side,
            "left": each.low,
            "right": each.high,
            "at": brief(
                0.5 * (each.low + each.high)
                + 0.012 * width * (sides.index(side) - 0.5 * (len(sides) - 1))
            ),
            "range": f"{each.low:.3g} to {each.high:.3g}",
            **estimated(each.slope, each.ci_low, each.ci_high, each.n_materials),
        }
        for side, each in bins
    ]
    title = f"{first.label} ({first.unit})" if first.unit else first.label
    y = alt.Y("value:Q", title="slope of forces").scale(domain=list(span), nice=False, zero=False)
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
        base.mark_rule(strokeWidth=1.2, opacity=0.5).encode(
            x=alt.X("left:Q"), x2=alt.X2("right:Q"), y=y, color=colour
        ),
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2, clip=True)
        .encode(x=x, y=alt.Y("low:Q"), y2=alt.Y2("high:Q"), color=colour),
        base.mark_point(filled=True, size=55, opacity=1).encode(
            x=x,
            y=y,
            color=colour,
            shape=shape_of(style, sides),
            tooltip=[
                alt.Tooltip("side:N", title="model"),
                alt.Tooltip("range:N", title=title),
                alt.Tooltip("value:Q", title="slope", format=".4~g"),
                alt.Tooltip("interval:N", title="95 % interval"),
                alt.Tooltip("cases:Q", title="materials"),
            ],
        ),
    ).properties(height=220)
