"""The leaderboard as files: a page of all potentials, and one of each."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from umlip_bench.analysis.document import Bullets, CommandLine, Grid, Paragraph
from umlip_bench.analysis.leaderboard.charts import board_figures
from umlip_bench.analysis.leaderboard.content import BoardContent, Cell, Difference
from umlip_bench.analysis.leaderboard.force_ranking import By, Over
from umlip_bench.analysis.leaderboard.statements import CASE_WITHIN, MEDIAN_WITHIN, Standing
from umlip_bench.analysis.rank_correlation import INTERVAL_FROM, RankCorrelation
from umlip_bench.analysis.report import bundles
from umlip_bench.analysis.report.chart_parts import Figure
from umlip_bench.analysis.report.figures import PIXELS_PER_INCH, drawn
from umlip_bench.analysis.report.page import POLICY, as_json, difference, pretty_unit, style_sheet
from umlip_bench.analysis.tables import number
from umlip_bench.ground.outputs import Output, make_folder

INDEX, TABLE, CARDS = "index.html", "board.csv", "potentials"
COLUMNS = ("potential", "data", "over", "suite", "scale", "low", "high", "n")
"""Of the table."""


def write(board: BoardContent, out: Path, *, force: bool = False) -> Path:
    """Write the site; the browser draws nothing and computes nothing.

    Parameters
    ----------
    board
        What is on it.
    out
        Folder, made if it is not there: ``index.html``, a page of each potential in ``potentials``, and all
        scales in ``board.csv``.
    force
        Whether to overwrite files of these names that umlip_bench did not write.

    Returns
    -------
    Path
        Of ``index.html``.

    Raises
    ------
    OutputError
        If a file cannot be written, or is there and not ours; nothing is written then.
    """
    make_folder(out)
    make_folder(out / CARDS)
    outputs = [
        (Output(out / name, force, COLUMNS if name == TABLE else ()), text)
        for name, text in pages(board)
    ]
    for output, _ in outputs:
        output.check()
    for output, text in outputs:
        output.write_text(text)
    return out / INDEX


def pages(board: BoardContent) -> Iterator[tuple[str, str]]:
    """Names and texts of all files."""
    environment = Environment(
        loader=PackageLoader("umlip_bench.analysis.leaderboard", "template"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "json": as_json,
        "scale": scale,
        "order": order,
        "difference": difference,
        "correlation": correlation,
        "p": p_value,
        "unit": pretty_unit,
    }
    script, sheet = bundles.tables()
    shared = {
        "board": board,
        "policy": POLICY,
        "js": Markup(_asset("board.js")),
        "kinds": {Paragraph: "paragraph", Bullets: "bullets", Grid: "grid", CommandLine: "command"},
    }
    yield (
        INDEX,
        environment.get_template("index.html.j2").render(
            tables=script,
            figures=[(figure, _picture(figure)) for figure in board_figures(board)],
            over=Over,
            by=By,
            standing=Standing,
            median_within=f"{100 * MEDIAN_WITHIN:.0f} %",
            case_within=f"{100 * CASE_WITHIN:.0f} %",
            interval_from=INTERVAL_FROM,
            css=_looks(sheet),
            **shared,
        ),
    )
    yield TABLE, table(board)
    for page in board.potentials:
        text = environment.get_template("potential.html.j2").render(
            page=page, css=_looks(""), **shared
        )
        yield f"{CARDS}/{page.page}.html", text


def table(board: BoardContent) -> str:
    """All scales of the board as CSV, numbers with all digits."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for line in board.lines:
        for column, cell in zip(board.columns, line.cells, strict=True):
            if cell is not None:
                numbers = (cell.value, cell.low, cell.high, cell.n)
                rows.writerow((line.label, line.data, line.of, column.suite, *numbers))
    return text.getvalue()


def scale(cell: Cell | None) -> str:
    """A scale and, in brackets, its interval; a dash for none."""
    if cell is None:
        return "-"
    if cell.low is None or cell.high is None:
        return number(cell.value, 3)
    return f"{number(cell.value, 3)} [{number(cell.low, 3)}, {number(cell.high, 3)}]"


def order(cell: Cell | None) -> str:
    """What a scale is sorted by; what was not measured comes last."""
    if cell is None or cell.value == math.inf:
        return "1e9" if cell is None else "1e8"
    return "-1e8" if cell.value == -math.inf else repr(cell.value)


def correlation(found: RankCorrelation) -> str:
    """Spearman's coefficient and, in brackets, its interval."""
    if math.isnan(found.rho):
        return "-"
    if found.low is None or found.high is None:
        return f"{found.rho:.2f}"
    return f"{found.rho:.2f} [{found.low:.2f}, {found.high:.2f}]"


def p_value(each: Difference) -> str:
    """Adjusted for all rows."""
    if each.adjusted_p is None:
        return "-"
    return f"{each.adjusted_p:.3f}" if each.adjusted_p >= 0.001 else "<0.001"


def _picture(figure: Figure) -> Markup:
    """Its SVG, with names in it that no other figure has and that are the same each time."""
    svg = drawn(figure, "svg", PIXELS_PER_INCH).decode()
    names = list(dict.fromkeys(re.findall(r'id="(clip\d+)"', svg)))
    for k, name in enumerate(names):
        svg = re.sub(rf"\b{name}\b", f"{figure.name}-{k}", svg)
    return Markup(svg)


def _looks(library: str) -> Markup:
    return Markup(f"{style_sheet(library)}\n{_asset('board.css')}")


def _asset(name: str) -> str:
    folder = files("umlip_bench.analysis.leaderboard") / "template"
    return (folder / name).read_text(encoding="utf-8")
