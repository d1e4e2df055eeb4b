"""Options that several commands share, and the look of their help."""

from __future__ import annotations

import argparse
from typing import Any

Subparsers = Any
"""What argparse's ``add_subparsers`` returns; it has no public name."""


def add_command(
    commands: Subparsers, name: str, *, help: str, description: str, examples: str
) -> argparse.ArgumentParser:
    """Add a command whose help ends with examples."""
    return commands.add_parser(
        name,
        help=help,
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_device_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--device`` and ``--dtype``."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="auto (a GPU where there is one; default), cpu, cuda or cuda:N",
    )
    parser.add_argument(
        "--dtype",
        default="float32",
        choices=("float32", "float64"),
        help="number format of the models (default: float32)",
    )


def add_force_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--force``."""
    parser.add_argument(
        "--force",
        action="store_true",
        help="overwrite files that umlip_bench did not write; its own are overwritten anyway",
    )


def positive(text: str) -> int:
    """A whole number of at least 1, for ``type=``."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)
