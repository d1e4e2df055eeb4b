"""The charts for print: PNG, PDF and SVG."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from io import BytesIO
from pathlib import Path

import altair as alt

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
from umlip_bench.analysis.report.content import ReportContent
from umlip_bench.analysis.report.picture_charts import picture_figure
from umlip_bench.analysis.report.predictor_charts import predictor_figure
from umlip_bench.analysis.report.style import PRINT, Style, config
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.outputs import COMMENT, PDF_COMMENT, PNG_METADATA, Output, make_folder

ENDINGS = ("png", "pdf", "svg")
PIXELS_PER_INCH = 300
PER_ROW = 3
"""Panels beside each other."""


def write(
    charts: Iterable[Figure],
    folder: Path,
    only: Sequence[str] = ("*",),
    endings: Sequence[str] = ("png", "pdf"),
    pixels_per_inch: int = PIXELS_PER_INCH,
    *,
    force: bool = False,
) -> Iterator[Path]:
    """Write figures as files.

    Parameters
    ----------
    charts
        As `figures` gives them, or `case_figures.case_figures`.
    folder
        Made if it is not there; figures of an earlier call are replaced.
    only
        Names of charts, without ending; ``*`` stands for anything.
    endings
        Formats, of `ENDINGS`.
    pixels_per_inch
        Of PNG, positive.
    force
        Whether to overwrite files of the same names that are not figures of ours.

    Yields
    ------
    Path
        Each file, once it is written.

    Raises
    ------
    DataError
        If no chart has one of the names.
    OutputError
        If a file cannot be written, or is there and not ours; no figure is written then.
    """
    named = _named(charts)
    missing = [each for each in only if not any(fnmatchcase(name, each) for name in named)]
    if missing:
        raise DataError(
            f"no figure is named {', '.join(missing)}; there are {', '.join(named) or 'none'}"
        )
    make_folder(folder)
    outputs = [
        (figure, ending, Output(folder / f"{name}.{ending}", force))
        for name, figure in named.items()
        if any(fnmatchcase(name, each) for each in only)
        for ending in endings
    ]
    for _, _, output in outputs:
        output.check()
    for figure, ending, output in outputs:
        output.write_bytes(drawn(figure, ending, pixels_per_inch))
        yield output.path


def _named(charts: Iterable[Figure]) -> dict[str, Figure]:
    """Figures by a name that no other has, on any file system."""
    named: dict[str, Figure] = {}
    taken: set[str] = set()
    for figure in charts:
        name = figure.name
        # Names of cases that differ in signs alone.
        while name.lower() in taken:
            name += "-"
        taken.add(name.lower())
        named[name] = figure
    return named


def drawn(figure: Figure, ending: str, pixels_per_inch: int) -> bytes:
    """A figure in one of `ENDINGS`, in the colours of print."""
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    spec = specification(figure)
    content: bytes
    if ending == "png":
        content = _compressed(
            vl_convert.vegalite_to_png(spec, vl_version=version, scale=1, ppi=pixels_per_inch),
            pixels_per_inch,
        )
    elif ending == "pdf":
        content = (
            vl_convert.vegalite_to_pdf(spec, vl_version=version).rstrip() + b"\n" + PDF_COMMENT
        )
    else:
        svg = vl_convert.vegalite_to_svg(spec, vl_version=version)
        content = f"{svg.rstrip()}\n{COMMENT}".encode()
    return content


def _compressed(png: bytes, pixels_per_inch: int) -> bytes:
    """The same pixels in a third of the bytes: on an opaque ground transparency is of no use."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    smaller = BytesIO()
    metadata = PngInfo()
    for key, value in PNG_METADATA.items():
        metadata.add_text(key, value)
    image = Image.open(BytesIO(png)).convert("RGB")
    image.save(
        smaller, "PNG", optimize=True, dpi=(pixels_per_inch, pixels_per_inch), pnginfo=metadata
    )
    return smaller.getvalue()


def figures(report: ReportContent) -> Iterator[Figure]:
    """All figures of the page, in its order, in the colours of print."""
    style = Style(PRINT, tuple(member.label for member in report.members))
    scales = scales_figure(report.scales, style)
    if scales is not None:
        yield scales
    compared = [
        *(correction_figure(note, style) for note in report.corrections),
        *(pair_figure(pair, style) for pair in report.pairs),
        relaxation_figure(report.relaxation, style) if report.relaxation else None,
    ]
    yield from (figure for figure in compared if figure is not None)
    for draw in (class_figure, predictor_figure):
        found = draw(report.chemistry, style)
        if found is not None:
            yield found
    for elements in report.chemistry.elements:
        yield element_figure(elements, style)
    for section in report.sections:
        yield from section_figures(section, style)
        for picture in section.pictures.pictures if section.pictures else ():
            yield picture_figure(section.suite, picture, style)


def specification(figure: Figure) -> dict[str, object]:
    """A figure's panels in one Vega-Lite specification."""
    charts = [panel.chart.properties(width=panel.width) for panel in figure.panels]
    title = alt.TitleParams(figure.title, fontSize=14, offset=16)
    whole = alt.concat(*charts, columns=PER_ROW, title=title, spacing=28)
    spec: dict[str, object] = whole.to_dict(validate=False)
    return {**spec, "config": config(PRINT, legend=True)}
