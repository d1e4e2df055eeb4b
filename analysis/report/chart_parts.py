"""What all charts are made of."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import altair as alt
from altair.typing import ChartType

from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.wording import upper
from umlip_bench.analysis.summary import finite_or_none
from umlip_bench.analysis.tables import number

Chart: TypeAlias = ChartType
"""Any of Altair's charts."""
DIGITS = 5
"""Significant digits of what is only drawn."""
WHISKER, GAP = 14, 16
"""Pixels of a model in a row, and between rows."""
COUNT_SPACE = 30
"""Pixels for the number of cases at the right of a row."""


@dataclass(frozen=True, eq=False)
class ChartPanel:
    """A chart of its own, beside others.

    Parameters
    ----------
    chart
        Without a width.
    width
        In print; on the page it is the least, and the most of a square one.
    square
        Whether it must not grow.
    rigid
        Whether it must not shrink, on a phone say.
    """

    chart: Chart
    width: int
    square: bool = False
    rigid: bool = False


@dataclass(frozen=True, eq=False)
class Figure:
    """Panels that belong together.

    Parameters
    ----------
    name
        For files and links.
    title
        Above it.
    caption
        What a reader must know; empty if the axes say it.
    panels
        Side by side.
    """

    name: str
    title: str
    caption: str
    panels: tuple[ChartPanel, ...]

    @property
    def width(self) -> int:
        """Of all panels in a row, in pixels."""
        return sum(panel.width for panel in self.panels)


def inline(values: Iterable[Mapping[str, object]]) -> alt.InlineData:
    """Values as part of the specification."""
    # A tuple goes by reference; altair copies a list, value by value, with every step of a chart.
    return alt.InlineData(values=tuple(values))


def estimated(value: float, low: float | None, high: float | None, n: int) -> dict[str, object]:
    """What a mark of a value with an interval needs."""
    return {
        "value": finite_or_none(value),
        "low": finite_or_none(low),
        "high": finite_or_none(high),
        "cases": n,
        "interval": interval_words(low, high),
    }


def interval_words(low: float | None, high: float | None) -> str:
    """The interval for a tooltip."""
    if low is None or high is None:
        return "too few materials"
    ends = (f"{end:.3g}" if math.isfinite(end) else number(end, 0) for end in (low, high))
    return " to ".join(ends)


def ends_of(values: Iterable[Mapping[str, object]]) -> list[float]:
    """Values of marks, and the ends of their intervals, as far as they can be drawn."""
    found = (each[key] for each in values for key in ("value", "low", "high"))
    return [each for each in found if isinstance(each, int | float)]


def whisker_chart(
    values: Sequence[Mapping[str, object]],
    labels: Sequence[str],
    title: str,
    target: float,
    domain: tuple[float, float],
    style: Style,
) -> Chart:
    """Points with intervals, a row for each label and in it a step for each model.

    Parameters
    ----------
    values
        Of each point: ``name``, ``side``, and what `estimated` gives; ``suite`` and ``variant`` if they are
        known.
    labels
        Rows, from above.
    title
        Of the abscissa.
    target
        What would be right.
    domain
        Ends of the abscissa.
    style
        Of the page or of print.
    """
    sides = in_order(style, (str(v["side"]) for v in values))
    order = [upper(label) for label in labels]
    y = alt.Y("name:N", sort=order, axis=name_axis()).scale(domain=order, paddingInner=0.35)
    offset = alt.YOffset("side:N", sort=sides).scale(domain=sides)
    colour = colour_of(style, sides)
    base = alt.Chart(inline(values))
    bars = (
        base.transform_filter("isValid(datum.low) && isValid(datum.high)")
        .mark_rule(strokeWidth=2, clip=True)
        .encode(x=alt.X("low:Q"), x2=alt.X2("high:Q"), y=y, yOffset=offset, color=colour)
    )
    tooltip = [
        alt.Tooltip("side:N", title="model"),
        alt.Tooltip("name:N", title="quantity"),
        alt.Tooltip("value:Q", format=".4~g"),
        alt.Tooltip("interval:N", title="95 % interval"),
        alt.Tooltip("cases:Q"),
    ]
    if any("suite" in value for value in values):
        tooltip[2:2] = [alt.Tooltip("suite:N"), alt.Tooltip("variant:N")]
    points = base.mark_point(size=70, strokeWidth=1.8, opacity=1).encode(
        x=value_axis(title, domain),
        y=y,
        yOffset=offset,
        color=colour,
        shape=shape_of(style, sides),
        fillOpacity=alt.condition("isValid(datum.low)", alt.value(1), alt.value(0)),
        fill=alt.Fill("side:N", scale=colour_scale(style, sides)),
        tooltip=tooltip,
    )
    counts = base.mark_text(
        align="right", dx=COUNT_SPACE - 2, fontSize=10, color=style.palette.muted
    ).encode(x=alt.XValue("width"), y=y, yOffset=offset, text=alt.Text("cases:Q"))
    head = (
        alt.Chart(inline([{"words": "cases"}]))
        .mark_text(align="right", dx=COUNT_SPACE - 2, fontSize=10, color=style.palette.muted)
        .encode(x=alt.XValue("width"), y=alt.YValue(-5), text=alt.Text("words:N"))
    )
    return (vertical_rule(target, style) + bars + points + counts + head).properties(
        height=len(order) * (WHISKER * len(sides) + GAP)
    )


def value_axis(title: str, ends: tuple[float, float]) -> alt.X:
    """The abscissa of the field ``value``."""
    return alt.X("value:Q", title=title, axis=alt.Axis(tickCount=6)).scale(
        domain=list(ends), zero=False, nice=False
    )


def in_order(style: Style, sides: Iterable[str]) -> list[str]:
    """Those of the page's models that there are, in the page's order."""
    found = set(sides)
    return [label for label in style.labels if label in found]


def colour_scale(style: Style, sides: Sequence[str]) -> alt.Scale:
    """The colours of models."""
    return alt.Scale(domain=list(sides), range=[style.colour(side) for side in sides])


def colour_of(style: Style, sides: Sequence[str]) -> alt.Color:
    """Colour by model."""
    return alt.Color("side:N", scale=colour_scale(style, sides))


def shape_of(style: Style, sides: Sequence[str]) -> alt.Shape:
    """Shape by model."""
    return alt.Shape("side:N").scale(
        domain=list(sides), range=[style.shape(side) for side in sides]
    )


def name_axis() -> alt.Axis:
    """An axis of names."""
    return alt.Axis(title=None, domain=False, ticks=False, grid=True, labelPadding=8)


def vertical_rule(at: float, style: Style) -> Chart:
    """A line at what would be right."""
    return (
        alt.Chart(inline([{"at": at}]))
        .mark_rule(color=style.palette.ink, strokeWidth=1, opacity=0.7)
        .encode(x=alt.X("at:Q"))
    )


def zero_line(style: Style) -> Chart:
    """A line at zero of the ordinate."""
    return (
        alt.Chart(inline([{"at": 0.0}]))
        .mark_rule(color=style.palette.rule, strokeWidth=1)
        .encode(y=alt.Y("at:Q"))
    )


def span_of(values: Sequence[float], target: float) -> tuple[float, float]:
    """Ends of an axis that holds values and what would be right."""
    low, high = min((*values, target)), max((*values, target))
    margin = 0.05 * ((high - low) or 1.0)
    return brief(low - margin), brief(high + margin)


def brief(value: float) -> float:
    """The value in as many digits as are drawn."""
    return float(f"{value:.{DIGITS}g}")
