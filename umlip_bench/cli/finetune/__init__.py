"""The command ``umlip-finetune``.

As for ``umlip-bench``, this module only reads the command line; each command imports what it needs when
it runs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from importlib import import_module

from umlip_bench.cli import run_command
from umlip_bench.ground.version import __version__

PROGRAM = "umlip-finetune"
COMMANDS = ("fit", "ladder", "curve", "evaluate", "suggest", "label", "collect", "speed")

EXAMPLES = """\
examples:
  umlip-finetune fit --model chgnet-0.3.0 --labels one.xyz --out chgnet-mine
  umlip-bench run high-energy --model chgnet-mine --model chgnet-0.3.0 --out runs/mine
  umlip-finetune ladder --model chgnet-0.3.0 --labels one.xyz --data pbe-mini
  umlip-finetune evaluate --model chgnet-0.3.0
  umlip-finetune suggest --structure my.cif --model chgnet-0.3.0 -n 5 --out suggested
  umlip-finetune label --engine gpaw suggested/frames.xyz --out labels.xyz
"""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Correct a universal interatomic potential with few DFT labels.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is being done")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"umlip_bench.cli.finetune.{name}").add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status, as `umlip_bench.cli.main` does."""
    return run_command(
        PROGRAM, build_parser(), arguments, after_interrupt="the same command goes on from here"
    )
