"""Charts of where models are soft: by element and by class of compounds."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt

from umlip_bench.analysis.report.chart_parts import (
    Chart,
    ChartPanel,
    Figure,
    ends_of,
    estimated,
    inline,
    span_of,
    whisker_chart,
)
from umlip_bench.analysis.report.content import ChemistrySection, ElementMap, ElementValue
from umlip_bench.analysis.report.periodic import place
from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.wording import upper
from umlip_bench.ground.elements import SYMBOLS

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
    ends = ends_of(values)
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
