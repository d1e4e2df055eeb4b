"""``umlip-bench compare``: paired differences between two models, or between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from umlip_bench.cli.declare import Argument, File, Overwriting, metavar


@dataclass(frozen=True, kw_only=True)
class CompareCommand(Overwriting):
    """Compare two models, or two runs of the same models, over the cases that both have.

    Paired differences B - A, A being the first, with 95 % intervals. A corrected model is always B, its
    parent A, in whatever order they are named.
    """

    name = "umlip-bench compare"
    examples = """\
  umlip-bench compare runs/first --models chgnet-0.3.0 m3gnet-mp-2021.2.8
      model against model, over the cases that both have
  umlip-bench compare runs/before runs/after
      each model against itself, and what changed: versions, settings, data, weights, cases
  umlip-bench compare runs/first:chgnet-0.3.0 runs/corrected:chgnet-si --out differences.csv
"""
    runs: Annotated[tuple[str, ...], Argument("RUN[:MODEL]")]
    """one or two run folders; :MODEL for one of several models in it"""
    models: Annotated[tuple[str, str] | None, metavar("FIRST SECOND")] = None
    """the models to compare, of one run folder or one of each"""
    out: File | None = None
    """write the differences too; .csv or .parquet"""

    def run(self) -> int:
        from umlip_bench.analysis.compared_pairs import pairs_of
        from umlip_bench.analysis.comparison import COLUMNS, compare, overlaps, to_frame
        from umlip_bench.analysis.comparison_table import print_changes, print_comparison
        from umlip_bench.analysis.export import check_table_path, table_output, write_table
        from umlip_bench.analysis.run_differences import changes
        from umlip_bench.cli.console import output
        from umlip_bench.ground.errors import DataError

        if self.out is not None:
            check_table_path(self.out)
            table_output(self.out, COLUMNS, force=self.force).check()
        pairs = pairs_of(self.runs, self.models)
        console = output()
        frames = []
        for first, second in pairs:
            rows = compare(first, second)
            print_comparison(first, second, rows, overlaps(first, second), console)
            frames.append(to_frame(first, second, rows))
        if not any(len(frame) for frame in frames):
            first, second = pairs[0]
            raise DataError(
                f"{first.label} and {second.label} have no case with a value in common: {first.run.path} has "
                f"{', '.join(first.run.suites)} on {first.run.data}, {second.run.path} has "
                f"{', '.join(second.run.suites)} on {second.run.data}; run the same suites on the same data"
            )
        first, second = pairs[0]
        if first.run is not second.run:
            print_changes(
                changes(first.run, second.run), str(first.run.path), str(second.run.path), console
            )
        if self.out is not None:
            import pandas as pd

            write_table(pd.concat(frames, ignore_index=True), self.out, force=self.force)
            console.print(f"Table: {self.out}")
        return 0


COMMAND = CompareCommand
