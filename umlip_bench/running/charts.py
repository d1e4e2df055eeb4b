"""Charts of the report, for a notebook."""

from __future__ import annotations

from typing import TYPE_CHECKING

from umlip_bench.analysis.compared_models import sides
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.charts import scales_figure
from umlip_bench.analysis.report.figures import specification
from umlip_bench.analysis.report.members import member_of
from umlip_bench.analysis.report.parity_charts import parity_figure
from umlip_bench.analysis.report.sections import section_of
from umlip_bench.analysis.report.style import PRINT, Style
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.errors import DataError

if TYPE_CHECKING:
    import altair as alt


def parity_chart(run: Run, suite: str, quantity: str | None) -> alt.TopLevelMixin:
    """As of `umlip_bench.running.measured_run.MeasuredRun.parity`."""
    everyone = sides([run])
    plots = section_of(suite_of(suite), everyone).parities
    names = list(dict.fromkeys(plot.quantity.name for plot in plots))
    wanted = quantity or (names[0] if names else None)
    if wanted not in names:
        there = ", ".join(names) or "none, since there are no reference values"
        raise DataError(
            f"{suite} has no quantity {wanted!r} to compare with DFT; there are {there}"
        )
    chosen = [plot for plot in plots if plot.quantity.name == wanted]
    return _chart(parity_figure(chosen, _style([side.label for side in everyone])))


def scales_chart(run: Run) -> alt.TopLevelMixin:
    """As of `umlip_bench.running.measured_run.MeasuredRun.scales`."""
    figure = scales_of(run)
    if figure is None:
        raise DataError(f"{run.path} has no scale: nothing was compared with DFT")
    return _chart(figure)


def scales_of(run: Run) -> Figure | None:
    """The figure of scales, if there are any."""
    everyone = sides([run])
    members = [member_of(side, k, list(run.suites)) for k, side in enumerate(everyone)]
    scales = [scale for member in members if member.comparable for scale in member.scales]
    return scales_figure(scales, _style([member.label for member in members]))


def _style(labels: list[str]) -> Style:
    return Style(PRINT, tuple(labels))


def _chart(figure: Figure) -> alt.TopLevelMixin:
    import altair as alt

    # `Chart.from_dict` would take panels beside each other for a chart, which altair cannot show.
    return alt.ConcatChart.from_dict(specification(figure), validate=False)
