"""``umlip-bench report``: one HTML page of any number of run folders, and its figures for print."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.options import Subparsers, add_command, add_force_option, say_incomplete, whole

if TYPE_CHECKING:
    from umlip_bench.analysis.report.content import DataNote
    from umlip_bench.analysis.runs import Run

EXAMPLES = """\
  umlip-bench report runs/first
      runs/first/report.html, a page that works offline and can be sent to others
  umlip-bench report runs/first runs/second --out comparison.html
      both in one page, with paired differences and what changed between them
  umlip-bench report runs/first --corrected corrected/chgnet
      every suite before and after a scalar correction, without running anything again
  umlip-bench report runs/first --figures figures
      every chart as PNG and PDF too
  umlip-bench report runs/first --figures figures --only scales "phonons-*" --format svg
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "report",
        help="write a page with all results of run folders, and figures for print",
        description=(
            "Write one self-contained HTML page of one or more run folders: verdicts, plots, tables,\n"
            "comparisons. It needs no network, neither to be made nor to be read."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="a run folder")
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write the page (default: report.html in the first run folder)",
    )
    parser.add_argument(
        "--figures", type=Path, metavar="DIR", help="write the charts there, as PNG and PDF"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=None,
        metavar="NAME",
        help="of --figures these alone, named as their files without ending; * stands for anything",
    )
    parser.add_argument(
        "--format",
        nargs="+",
        choices=("png", "pdf", "svg"),
        default=None,
        help="of --figures (default: png pdf)",
    )
    parser.add_argument("--dpi", type=whole(10, 2400), metavar="N", help="of PNGs (default: 300)")
    parser.add_argument(
        "--corrected",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folder of a model with a scalar correction: its results follow from its parent's",
    )
    add_force_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.analysis.report import figures
    from umlip_bench.analysis.report.gather import gather
    from umlip_bench.analysis.report.page import render
    from umlip_bench.analysis.runs import read_run
    from umlip_bench.finetune.factor_record import read_factor
    from umlip_bench.ground.outputs import Output

    _check_figures(options)
    output = Output(options.out or options.runs[0] / "report.html", options.force)
    runs = [read_run(path) for path in options.runs]
    output.check()
    for run in runs:
        say_incomplete(run)
    notes = {run.data: _data_note(run) for run in runs}
    report = gather(runs, notes, [read_factor(folder) for folder in options.corrected])
    output.write_text(render(report))
    print(output.path)
    if options.figures is not None:
        for path in figures.write(
            figures.figures(report),
            options.figures,
            options.only or ["*"],
            options.format or ["png", "pdf"],
            options.dpi or figures.PIXELS_PER_INCH,
            force=options.force,
        ):
            print(path)
    return 0


def _check_figures(options: argparse.Namespace) -> None:
    """Options of figures without figures would do nothing."""
    from umlip_bench.ground.errors import UmlipBenchError

    given = [name for name in ("only", "format", "dpi") if getattr(options, name) is not None]
    if given and options.figures is None:
        raise UmlipBenchError(f"--{given[0]} is of figures; name a folder for them with --figures")


def _data_note(run: Run) -> DataNote:
    """What the catalogues know of a data set; a user's own file is known by its name alone."""
    from umlip_bench.analysis.report.content import DataNote
    from umlip_bench.datasets import embedded, published
    from umlip_bench.datasets.catalogue import card

    name = run.data
    if name in embedded.names():
        manifest = embedded.read(name).manifest
    elif name in published.names():
        manifest = card(name).manifest
    else:
        return DataNote(name, run.level)
    return DataNote(
        id=manifest.id,
        title=manifest.title,
        level=run.level,
        settings=manifest.settings,
        licence=manifest.licence,
        citation=manifest.citation,
        caveats=manifest.caveats,
    )
