"""``umlip-bench export``: a run folder as tables for spreadsheets and notebooks."""

from __future__ import annotations

import argparse
from pathlib import Path

from umlip_bench.cli.options import Subparsers, add_command, add_force_option, say_incomplete

EXAMPLES = """\
  umlip-bench export runs/first --out tables
      summary.csv, cases-high-energy.csv and so on, and predictions.csv: one row for each force component,
      bulk modulus, surface energy, of DFT and of the model
  umlip-bench export runs/first --out tables --format parquet
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "export",
        help="write a run as CSV or Parquet tables",
        description="Write summary, cases and all values of a run folder as tidy tables.",
        examples=EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="the run folder")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where to")
    parser.add_argument(
        "--format", choices=("csv", "parquet"), default="csv", help="of the files (default: csv)"
    )
    add_force_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.analysis.export import export_run
    from umlip_bench.analysis.runs import read_run

    run = read_run(options.folder)
    say_incomplete(run)
    for written in export_run(run, options.out, options.format, force=options.force):
        print(f"{written.path}: {written.n_rows} row{'' if written.n_rows == 1 else 's'}")
    return 0
