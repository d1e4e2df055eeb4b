"""``umlip-bench report``: one HTML page of any number of run folders, and its figures for print."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.cli.options import Subparsers, add_command

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
        "--figures", type=Path, metavar="DIR", help="write every chart there, as PNG and PDF"
    )
    parser.add_argument(
        "--corrected",
        type=Path,
        nargs="+",
        default=[],
        metavar="DIR",
        help="folder of a model with a scalar correction: its results follow from its parent's",
    )
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.analysis.report import figures
    from umlip_bench.analysis.report.gather import gather
    from umlip_bench.analysis.report.page import render
    from umlip_bench.analysis.runs import read_run
    from umlip_bench.errors import UmlipBenchError
    from umlip_bench.files import write_atomically

    runs = [read_run(path) for path in options.runs]
    notes = {run.data: _data_note(run) for run in runs}
    report = gather(runs, notes, options.corrected)
    out: Path = options.out or options.runs[0] / "report.html"
    try:
        write_atomically(out, lambda file: file.write(render(report).encode()))
        print(out)
        if options.figures is not None:
            for path in figures.write(report, options.figures):
                print(path)
    except OSError as error:
        raise UmlipBenchError(
            f"{error.filename or out} cannot be written ({error.strerror}); choose another place"
        ) from error
    return 0


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
