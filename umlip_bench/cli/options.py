"""Options that several commands share, the numbers that options take, and the look of their help."""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umlip_bench.analysis.runs import Run

Subparsers = Any
"""What argparse's ``add_subparsers`` returns; it has no public name."""

LARGEST = 2**63 - 1
"""Whole numbers beyond this fit into no array and no generator of random numbers."""


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


def say_incomplete(run: Run) -> None:
    """Say on stderr what of a run is missing, where what a command writes has no place for it."""
    for missing in run.incomplete:
        print(f"umlip-bench: {run.path} is not complete: {missing}", file=sys.stderr)


# ---- numbers, for ``type=``: argparse says which option it was


def whole(least: int, most: int = LARGEST) -> Callable[[str], int]:
    """Whole numbers from `least` to `most`."""
    limits = f"of at least {least}" if most == LARGEST else f"from {least} to {most}"

    def parse(text: str) -> int:
        number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number {limits}")
        return number

    return parse


positive = whole(1)
"""A whole number of at least 1."""


def real(
    *,
    above: float = -math.inf,
    least: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> Callable[[str], float]:
    """Finite numbers within limits: above and below leave the limit out, least and most do not."""
    limits = [
        f"{words} {limit:g}"
        for words, limit in (
            ("above", above),
            ("of at least", least),
            ("below", below),
            ("of at most", most),
        )
        if math.isfinite(limit)
    ]
    wanted = " ".join(["a finite number", " and ".join(limits)]).strip()

    def parse(text: str) -> float:
        try:
            # Python's own 1_000 is no number elsewhere.
            number = math.nan if "_" in text else float(text)
        except ValueError:
            number = math.nan
        if not (math.isfinite(number) and above < number < below and least <= number <= most):
            raise argparse.ArgumentTypeError(f"{text!r} is not {wanted}")
        return number

    return parse


finite = real()
"""Any number but nan and the infinite ones."""
positive_float = real(above=0.0)
"""A finite number above 0."""
not_negative = real(least=0.0)
"""A finite number of at least 0."""
share = real(least=0.0, below=1.0)
"""A share of which something is left: from 0 to below 1."""
