"""``umlip-bench export``: a run folder as tables for spreadsheets and notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from umlip_bench.cli.declare import Argument, Folder, Overwriting, say_incomplete
from umlip_bench.cli.settings_file import write_settings


@dataclass(frozen=True, kw_only=True)
class ExportCommand(Overwriting):
    """Write summary, cases and all values of a run folder as tidy tables."""

    name = "umlip-bench export"
    examples = """\
  umlip-bench export runs/first --out tables
      summary.csv, cases-high-energy.csv and so on, and predictions.csv: one row for each force
      component, bulk modulus, surface energy, of DFT and of the model
  umlip-bench export runs/first --out tables --format parquet
"""
    folder: Annotated[Path, Argument("RUN")]
    """the run folder"""
    out: Folder
    """where to"""
    format: Literal["csv", "parquet"] = "csv"
    """of the files"""

    def run(self) -> int:
        from umlip_bench.analysis.export import export_run
        from umlip_bench.analysis.runs import read_run

        run = read_run(self.folder)
        say_incomplete(run)
        for written in export_run(run, self.out, self.format, force=self.force):
            print(f"{written.path}: {written.n_rows} row{'' if written.n_rows == 1 else 's'}")
        write_settings(self, self.out)
        return 0


COMMAND = ExportCommand
