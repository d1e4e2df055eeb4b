"""The command ``umlip-bench``.

This module only reads the command line, so that help answers at once: each command imports what it
needs when it runs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.version import __version__

COMMANDS = (
    "run",
    "relax",
    "models",
    "data",
    "report",
    "pictures",
    "compare",
    "export",
    "card",
    "speed",
    "calibrate",
    "convert",
)

EXAMPLES = """\
examples:
  umlip-bench run high-energy --model chgnet-0.3.0 --out runs/first
  umlip-bench relax structures.xyz --model chgnet-0.3.0 --cell --out relaxed.xyz
  umlip-bench compare runs/before runs/after
  umlip-bench models
  umlip-bench data list
  umlip-bench speed --model chgnet-0.3.0
"""

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it."""


def build_parser() -> argparse.ArgumentParser:
    """The whole command line."""
    parser = argparse.ArgumentParser(
        prog="umlip-bench",
        description="Measure how soft universal interatomic potentials are against DFT.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"umlip-bench {__version__}")
    parser.add_argument("-v", "--verbose", action="store_true", help="log what is being done")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"umlip_bench.cli.{name}").add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    0 if something was achieved, 1 if nothing was, 2 for input that a user can mend.
    """
    return run_command(
        "umlip-bench",
        build_parser(),
        arguments,
        after_interrupt="the same command goes on from here",
    )


def run_command(
    program: str,
    parser: argparse.ArgumentParser,
    arguments: Sequence[str] | None,
    *,
    after_interrupt: str,
) -> int:
    """Parse and run any command of the package; exit status and errors as in `main`."""
    options = parser.parse_args(arguments)
    _log_to_stderr(options.verbose)
    try:
        return options.run(options)
    except UmlipBenchError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{program}: interrupted; {after_interrupt}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe, `head` say, has seen enough.
        sys.stderr.close()
        return 0


def _log_to_stderr(verbose: bool) -> None:
    import logging

    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(name)s: %(message)s"
    )
    if not verbose:
        # What the models' libraries tell about themselves is no news to the user of a benchmark.
        for library in ("matgl", "mace", "root", "torch.distributed"):
            logging.getLogger(library).setLevel(logging.ERROR)
