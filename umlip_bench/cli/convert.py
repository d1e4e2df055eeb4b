"""``umlip-bench convert``: run folders of older versions in today's form."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from umlip_bench.cli.options import Subparsers, add_command

EXAMPLES = """\
  umlip-bench convert runs/old --out runs/new
"""


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        commands,
        "convert",
        help="bring a run folder of an older version into today's form",
        description=(
            "Write the results of a run folder that an older version made into a new folder, which\n"
            "report, compare, card, export and pictures read. The old folder stays as it is."
        ),
        examples=EXAMPLES,
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="the old run folder")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="the new one")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from umlip_bench.running.convert import convert

    done = convert(options.folder, options.out)
    for reason in done.left_out:
        print(f"left out: {reason}", file=sys.stderr)
    print(f"{done.n_cases} cases in {options.out}; {len(done.left_out)} left out", file=sys.stderr)
    return 0 if done.n_cases else 1
