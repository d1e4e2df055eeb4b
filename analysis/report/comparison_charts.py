"""Charts of comparisons: model against model, relaxed against fixed, before and after a correction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.report.chart_parts import (
    ChartPanel,
    Figure,
    ends_of,
    estimated,
    span_of,
    whisker_chart,
)
from umlip_bench.analysis.report.comparison_content import CorrectionNote, Pair, RelaxationEffect
from umlip_bench.analysis.report.style import Style
from umlip_bench.analysis.report.verdicts import scale_label
from umlip_bench.analysis.report.wording import slug, upper
from umlip_bench.analysis.summary import Row

SMALL = 0.05
"""A difference of scales that an axis is never magnified beyond."""
RESOLVED = "An interval without 0 is a difference that is resolved; hollow points: too few materials for one."


def pair_figure(pair: Pair, style: Style) -> Figure | None:
    """Paired differences of the suites' scales; ``None`` if there are none."""
    return _difference_figure(
        slug(f"difference-{pair.second}-minus-{pair.first}"),
        f"{pair.second} minus {pair.first}",
        f"Scales, paired over the cases that both have. {RESOLVED}",
        [(pair.second, row) for row in pair.rows],
        style,
    )


def relaxation_figure(relaxation: RelaxationEffect, style: Style) -> Figure | None:
    """Paired differences of the suites' scales, relaxed minus fixed; ``None`` if there are none."""
    return _difference_figure(
        "relaxed-minus-fixed-geometry",
        "Relaxed minus fixed geometry",
        f"Scales, paired over the cases that can be compared in both. {RESOLVED}",
        [(side, row) for side, rows in relaxation.sides for row in rows],
        style,
    )


def correction_figure(note: CorrectionNote, style: Style) -> Figure | None:
    """Scales of all suites before and after a correction; ``None`` if there are none."""
    rows = [row for row in note.rows if row.scale]
    points = [
        (upper(row.scale), side, value)
        for row in rows
        for side, value in ((note.before, row.before), (note.after, row.after))
        if math.isfinite(value.value)
    ]
    if not points:
        return None
    return Figure(
        slug(f"correction-{note.after}"),
        "Does one factor mend every suite?",
        "Model over DFT, before and after. Bars are 95 % intervals.",
        (_whiskers(points, "model over DFT", 1.0, (1.0,), style, 620),),
    )


def _difference_figure(
    name: str, title: str, caption: str, rows: Sequence[tuple[str, PairedRow]], style: Style
) -> Figure | None:
    """Of the rows, each with the model that has its colour, those of headlines."""
    suites = list(dict.fromkeys(row.suite for _, row in rows))
    points = [
        (upper(label), side, row)
        for side, row in rows
        if math.isfinite(row.difference) and (label := _headline(row, suites)) is not None
    ]
    if not points:
        return None
    panel = _whiskers(points, "difference of scales", 0.0, (-SMALL, SMALL), style, 420)
    return Figure(name, title, caption, (panel,))


def _headline(row: PairedRow, suites: Sequence[str]) -> str | None:
    """What the row is a scale of."""
    analysis = suite_of(row.suite)
    for headline in analysis.headlines:
        if headline.metric == row.metric:
            return scale_label(analysis, headline.label, row.variant, suites)
    return None


def _whiskers(
    points: Sequence[tuple[str, str, Row | PairedRow]],
    title: str,
    target: float,
    within: Iterable[float],
    style: Style,
    width: int,
) -> ChartPanel:
    """Name, model and number of each point; the axis holds all of them and what is `within`."""
    values = [
        {
            "name": name,
            "side": side,
            **estimated(
                row.difference if isinstance(row, PairedRow) else row.value,
                row.ci_low,
                row.ci_high,
                row.n_cases,
            ),
        }
        for name, side, row in points
    ]
    names = list(dict.fromkeys(name for name, _, _ in points))
    ends = ends_of(values)
    span = span_of([*ends, *within], target)
    return ChartPanel(whisker_chart(values, names, title, target, span, style), width)
