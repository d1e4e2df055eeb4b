"""Figures of the leaderboard, as Vega-Lite specifications through Altair."""

from __future__ import annotations

import math
from collections.abc import Sequence

import altair as alt

from umlip_bench.analysis.leaderboard.content import BoardContent
from umlip_bench.analysis.leaderboard.force_ranking import By, Over, Ranking
from umlip_bench.analysis.report.chart_parts import (
    Chart,
    ChartPanel,
    Figure,
    colour_of,
    in_order,
    inline,
    shape_of,
    span_of,
)
from umlip_bench.analysis.report.charts import scales_figure
from umlip_bench.analysis.report.style import PRINT, Style
from umlip_bench.analysis.report.wording import upper

SIDE = 250
"""Pixels of a panel."""


def board_figures(board: BoardContent) -> list[Figure]:
    """What there is to be drawn: scales with their intervals, and forces against each other suite."""
    style = Style(PRINT, tuple(page.label for page in board.potentials))
    found = [scales_figure(board.scales, style), _rankings(board.rankings, style)]
    return [figure for figure in found if figure is not None]


def _rankings(rankings: Sequence[Ranking], style: Style) -> Figure | None:
    """A panel for each suite: a point for each potential and material."""
    of_materials = [r for r in rankings if r.over is Over.MATERIALS and r.by is By.SCALE]
    suites = dict.fromkeys((ranking.suite, ranking.label) for ranking in of_materials)
    panels = tuple(
        ChartPanel(_panel([r for r in of_materials if r.suite == suite], label, style), SIDE)
        for suite, label in suites
    )
    if not panels:
        return None
    return Figure(
        "forces-against-others",
        "Do forces tell the rest?",
        "A point is a material under a potential: the scale of its forces against that of another suite, "
        "model over DFT. Were forces enough, points would lie along the line.",
        panels,
    )


def _panel(rankings: Sequence[Ranking], label: str, style: Style) -> Chart:
    values = [
        {"side": ranking.of, "case": each.name, "forces": each.cheap, "value": each.expensive}
        for ranking in rankings
        for each in ranking.ranked
        if math.isfinite(each.expensive)
    ]
    sides = in_order(style, (ranking.of for ranking in rankings))
    numbers = [
        number
        for ranking in rankings
        for each in ranking.ranked
        for number in (each.cheap, each.expensive)
        if math.isfinite(number)
    ]
    ends = span_of(numbers, 1.0)
    points = (
        alt.Chart(inline(values))
        .mark_point(filled=True, size=45, opacity=0.8)
        .encode(
            x=alt.X("forces:Q", title="forces").scale(zero=False),
            y=alt.Y("value:Q", title=upper(label)).scale(zero=False),
            color=colour_of(style, sides),
            shape=shape_of(style, sides),
        )
    )
    line = (
        alt.Chart(inline([{"at": end} for end in ends]))
        .mark_line(color=style.palette.rule, strokeWidth=1)
        .encode(x=alt.X("at:Q"), y=alt.Y("at:Q"))
    )
    return (line + points).properties(height=SIDE)
