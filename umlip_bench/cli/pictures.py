"""``umlip-bench pictures``: drawings of what a run folder holds."""

from __future__ import annotations

import argparse
from pathlib import Path

from umlip_bench.cli.options import Subparsers, add_command, add_force_option, say_incomplete

EXAMPLES = """\
  umlip-bench run phonons eos migration --model chgnet-0.3.0 --out runs/first
  umlip-bench pictures runs/first
      bands and densities of states of every material, its equation of state, energy profiles of every path:
      DFT and all models of the folder in each picture; and how the ratios of highest frequencies spread
"""
PIXELS_PER_INCH = 160


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "pictures",
        help="draw phonon bands, equations of state and migration profiles of a run",
        description=(
            "Draw phonon bands with densities of states, equations of state, and energy profiles of\n"
            "migration paths, of DFT and of all models of a run folder as PNG; over all materials, how the\n"
            "highest frequencies spread. These are figures of `umlip-bench report`, without the page."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the run folder")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="where to (default: pictures in the run folder)"
    )
    add_force_option(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.analysis.report import figures
    from umlip_bench.analysis.report.case_figures import case_figures
    from umlip_bench.analysis.report.pictures import drawn_suites
    from umlip_bench.analysis.runs import read_run
    from umlip_bench.ground.errors import UmlipBenchError

    run = read_run(options.folder)
    say_incomplete(run)
    found = list(case_figures(run))
    if not found:
        raise UmlipBenchError(
            f"{options.folder} holds no finished case of the suites {', '.join(drawn_suites())}; run "
            + " or ".join(
                f"`umlip-bench run {suite} --out {options.folder}`" for suite in drawn_suites()
            )
            + " first"
        )
    out = options.out or options.folder / "pictures"
    for path in figures.write(
        found, out, endings=["png"], pixels_per_inch=PIXELS_PER_INCH, force=options.force
    ):
        print(path)
    return 0
