"""``umlip-bench report``: one HTML page of any number of run folders, and its figures for print."""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge, Le

from umlip_bench.cli.declare import (
    SPREAD,
    Argument,
    File,
    Folder,
    Overwriting,
    metavar,
    say_incomplete,
)
from umlip_bench.cli.options import changed
from umlip_bench.cli.settings_file import settings_comment, write_settings


@dataclass(frozen=True, kw_only=True)
class ReportCommand(Overwriting):
    """Write one self-contained HTML page of one or more run folders: verdicts, plots, tables, comparisons.

    It needs no network, neither to be made nor to be read.
    """

    name = "umlip-bench report"
    examples = """\
  umlip-bench report runs/first
      runs/first/report.html, a page that works offline and can be sent to others
  umlip-bench report runs/first runs/second --out comparison.html
      both in one page, with paired differences and what changed between them
  umlip-bench report runs/first --corrected corrected/chgnet
      every suite before and after a scalar correction, without running anything again
  umlip-bench report runs/first --open
      and open it in the browser
  umlip-bench report runs/first --figures figures
      every chart as PNG and PDF too
  umlip-bench report runs/first --figures figures --only scales "phonons-*" --format svg
"""
    runs: Annotated[tuple[Path, ...], Argument("RUN")]
    """run folders"""
    out: File | None = None
    """where to write the page (default: report.html in the first run folder)"""
    open: bool = False
    """open the page in the browser"""
    figures: Folder | None = None
    """write the charts there, as PNG and PDF"""
    only: Annotated[tuple[str, ...], metavar("NAME"), SPREAD] = ()
    """of --figures these alone, named as their files without ending; * stands for anything"""
    format: Annotated[tuple[Literal["png", "pdf", "svg"], ...], SPREAD] = ("png", "pdf")
    """of --figures"""
    dpi: Annotated[int, Ge(10), Le(2400)] = 300
    """of PNGs"""
    corrected: Annotated[tuple[Path, ...], metavar("DIR"), SPREAD] = ()
    """folder of a model with a scalar correction: its results follow from its parent's"""

    def run(self) -> int:
        from umlip_bench.analysis.report.gather import gather
        from umlip_bench.analysis.report.page import render
        from umlip_bench.analysis.runs import read_run
        from umlip_bench.finetune.factor_record import read_factor
        from umlip_bench.ground.outputs import Output, make_folder
        from umlip_bench.running.data_note import data_note

        self._check_figures()
        output = Output(self.out or self.runs[0] / "report.html", self.force)
        runs = [read_run(path) for path in self.runs]
        output.check()
        if self.figures is not None:
            make_folder(self.figures)
        for run in runs:
            say_incomplete(run)
        notes = {run.data: data_note(run) for run in runs}
        report = gather(runs, notes, [read_factor(folder) for folder in self.corrected])
        output.write_text(render(report) + settings_comment(self))
        print(output.path)
        if self.open:
            webbrowser.open(output.path.resolve().as_uri())
        if self.figures is not None:
            from umlip_bench.analysis.report import figures

            for path in figures.write(
                figures.figures(report),
                self.figures,
                self.only or ["*"],
                self.format,
                self.dpi,
                force=self.force,
            ):
                print(path)
            write_settings(self, self.figures)
        return 0

    def _check_figures(self) -> None:
        """Options of figures without figures would do nothing."""
        from umlip_bench.ground.errors import UmlipBenchError

        given = [name for name in changed(self) if name in ("only", "format", "dpi")]
        if given and self.figures is None:
            raise UmlipBenchError(
                f"--{given[0]} is of figures; name a folder for them with --figures"
            )


COMMAND = ReportCommand
