"""The page: content and charts into one HTML file that needs nothing else."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from altair.utils.schemapi import debug_mode
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.document import Bullets, CommandLine, Grid, Paragraph
from umlip_bench.analysis.report import bundles
from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.charts import scales_figure, section_figures
from umlip_bench.analysis.report.chemistry_charts import (
    class_figure,
    element_figure,
)
from umlip_bench.analysis.report.comparison_charts import (
    correction_figure,
    pair_figure,
    relaxation_figure,
)
from umlip_bench.analysis.report.comparison_content import CorrectionRow
from umlip_bench.analysis.report.content import ReportContent
from umlip_bench.analysis.report.model_content import Member
from umlip_bench.analysis.report.picture_charts import picture_figure
from umlip_bench.analysis.report.predictor_charts import predictor_figure
from umlip_bench.analysis.report.style import SCREEN, Style, config
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import number

SYMBOLS = {
    "circle": "M6 0A6 6 0 1 1-6 0A6 6 0 1 1 6 0Z",
    "square": "M-5.3-5.3H5.3V5.3H-5.3Z",
    "triangle-up": "M0-6.4L6 4.6H-6Z",
    "diamond": "M0-7L5.4 0L0 7L-5.4 0Z",
    "cross": "M-2-6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z",
    "triangle-down": "M0 6.4L6-4.6H-6Z",
}
"""Outlines of the shapes of `style.SHAPES`, for the legend."""

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'unsafe-inline'; img-src data: blob:"
)
"""Keeps the browser from asking the network for anything."""


HALF_WIDTH = 500
"""Pixels of charts that fit into half of the page beside their axes."""


@dataclass(frozen=True)
class LegendEntry:
    """A model in the legend of the page.

    Parameters
    ----------
    member
        The model.
    colour, symbol, dash
        As in the charts: a CSS colour, an outline, an SVG dash pattern.
    """

    member: Member
    colour: str
    symbol: str
    dash: str


@dataclass(frozen=True, eq=False)
class DrawnSection:
    """Figures of a suite.

    Parameters
    ----------
    figures
        Over all cases.
    pictures
        Of single cases; their titles are the cases.
    """

    figures: tuple[Figure, ...]
    pictures: tuple[Figure, ...]


def render(report: ReportContent) -> str:
    """Return the page as HTML."""
    # altair would hold every part of every chart against its schema, as tests do: a fifth of the time.
    with debug_mode(False):
        return _rendered(report)


def _rendered(report: ReportContent) -> str:
    style = Style(SCREEN, tuple(member.label for member in report.members))
    environment = Environment(
        loader=PackageLoader("umlip_bench.analysis.report", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "json": as_json,
        "cell": cell,
        "difference": difference,
        "change": change,
        "unit": pretty_unit,
        "panels": _panels,
    }
    tables, tables_css = bundles.tables()
    return environment.get_template("page.html.j2").render(
        report=report,
        policy=POLICY,
        css=Markup(style_sheet(tables_css)),
        js=Markup(_asset("page.js")),
        plots=bundles.plots(),
        tables=tables,
        half=HALF_WIDTH,
        config=config(SCREEN, legend=False),
        legend=_legend(report, style),
        scales=scales_figure(report.scales, style),
        chemistry=[
            figure
            for draw in (class_figure, predictor_figure)
            if (figure := draw(report.chemistry, style)) is not None
        ],
        elements=[element_figure(elements, style) for elements in report.chemistry.elements],
        kinds={Paragraph: "paragraph", Bullets: "bullets", Grid: "grid", CommandLine: "command"},
        corrections=[correction_figure(note, style) for note in report.corrections],
        differences=[figure for pair in report.pairs if (figure := pair_figure(pair, style))],
        relaxation=relaxation_figure(report.relaxation, style) if report.relaxation else None,
        drawn=[
            DrawnSection(
                tuple(section_figures(section, style)),
                tuple(
                    picture_figure(section.suite, picture, style)
                    for picture in section.pictures.pictures
                )
                if section.pictures
                else (),
            )
            for section in report.sections
        ],
    )


def _legend(report: ReportContent, style: Style) -> list[LegendEntry]:
    return [
        LegendEntry(
            member,
            style.colour(member.label),
            SYMBOLS[style.shape(member.label)],
            " ".join(map(str, style.dash(member.label))),
        )
        for member in report.members
    ]


def _panels(figure: Figure) -> list[dict[str, Any]]:
    """Specifications as page.js takes them; the configuration is the page's."""
    found = []
    for panel in figure.panels:
        # The schema is the tests' matter; checking it takes longer than all else.
        spec = panel.chart.to_dict(validate=False)
        spec.pop("config", None)
        spec |= {
            "width": "container",
            "autosize": {"type": "fit-x", "contains": "padding"},
            "description": " ".join(filter(None, (f"{figure.title}.", figure.caption))),
        }
        found.append(
            {
                "spec": spec,
                "width": panel.width,
                "square": panel.square,
                "rigid": panel.rigid,
            }
        )
    return found


def cell(row: Row | None) -> str:
    """A value of the summary and, in brackets, its interval; a dash for none."""
    if row is None or math.isnan(row.value):
        return "-"
    return _with_ends(row.value, row.ci_low, row.ci_high, _decimals(row.value, row.unit), "")


def difference(row: PairedRow) -> str:
    """A paired difference with its sign and, in brackets, its interval; as precise as the values."""
    decimals = _decimals(max(row.first, row.second, key=abs), row.unit)
    return _with_ends(row.difference, row.ci_low, row.ci_high, decimals, "+")


def change(row: CorrectionRow) -> str:
    """After minus before of the two numbers themselves, as precise as they are shown."""
    decimals = _decimals(max(row.before.value, row.after.value, key=abs), row.before.unit)
    return _with_ends(row.after_minus_before, None, None, decimals, "+")


def _decimals(value: float, unit: str) -> int:
    """For three digits of what has a unit; three of what has none."""
    if not unit or not value or not math.isfinite(value):
        return 3
    return min(max(2 - math.floor(math.log10(abs(value))), 0), 6)


def _with_ends(
    value: float, low: float | None, high: float | None, decimals: int, sign: str
) -> str:
    # Adding zero takes the sign off what is rounded to it.
    parts = [
        number(round(v, decimals) + 0.0, decimals, sign)
        for v in (value, low, high)
        if v is not None
    ]
    return parts[0] if len(parts) < 3 else f"{parts[0]} [{parts[1]}, {parts[2]}]"


def pretty_unit(text: str) -> str:
    """With raised digits: ``eV/Å^2`` as the files have it."""
    return text.replace("^2", "²").replace("^3", "³")


def as_json(value: object) -> Markup:
    """JSON that may stand in a script element: nothing in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c"))


def _asset(name: str) -> str:
    return (files("umlip_bench.analysis.report") / "template" / name).read_text(encoding="utf-8")


def style_sheet(before: str) -> str:
    """The page's looks, after those of a library, in one style element."""
    # The only sequence that could end a style element.
    return f"{before}\n{_asset('page.css')}".replace("</", "<\\/")
