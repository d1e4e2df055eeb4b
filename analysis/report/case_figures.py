"""Figures of a run folder's single cases, without the page."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.charts import spread_figures
from umlip_bench.analysis.report.picture_charts import picture_figure
from umlip_bench.analysis.report.pictures import drawn_suites, picture_set
from umlip_bench.analysis.report.sections import further_spreads
from umlip_bench.analysis.report.style import PRINT, Style
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.level_of_theory import differs


def case_figures(run: Run) -> Iterator[Figure]:
    """All that is drawn of single cases, and how it spreads over them.

    Functionals are named: the reference's in the titles, and in the legend those of models that were trained
    on another.
    """
    level = run.level
    labels = {
        model: f"{model} ({own.functional})"
        if differs(own := run.card(model).level_of_theory, level)
        else model
        for model in run.models
    }
    style = Style(PRINT, tuple(labels.values()))
    for figure in _figures(run, [Side(run, *names) for names in labels.items()], style):
        known = level.functional != "unknown"
        yield replace(figure, title=f"{figure.title} (DFT: {level})") if known else figure


def _figures(run: Run, everyone: list[Side], style: Style) -> Iterator[Figure]:
    for suite in drawn_suites():
        present = [side for side in everyone if run.of(suite, side.model)]
        found = picture_set(suite, present, up_to=math.inf)
        for picture in found.pictures if found else ():
            yield picture_figure(suite, picture, style)
        yield from spread_figures(further_spreads(suite_of(suite), present), style)
