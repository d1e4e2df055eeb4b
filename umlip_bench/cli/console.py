"""Consoles: as wide as the terminal, and wide enough for tables where there is none."""

from __future__ import annotations

import shutil
import sys
from typing import Any

from rich.console import Console

from umlip_bench.cli.surroundings import drop_output

WIDTH_WITHOUT_TERMINAL = 120
"""Columns in a pipe or a log file; rich would take 80 and cut names short."""
EXAMPLES = "examples:\n"
"""What help has command lines after."""


class _Output(Console):
    """A console of a program.

    Where the reader of a pipe has left, what is printed goes nowhere and the command goes on: what it has
    still to write is not lost. (rich would end it with status 1.) And examples in help are not broken into
    lines, however narrow the terminal: they are to be copied.
    """

    def on_broken_pipe(self) -> None:
        drop_output()

    def print(self, *objects: Any, **options: Any) -> None:
        """As of rich."""
        help_text = str(getattr(objects[0], "primary_renderable", "")) if objects else ""
        if help_text.startswith(EXAMPLES):
            options["soft_wrap"] = True
        super().print(*objects, **options)


def output() -> Console:
    """Console on stdout."""
    return _Output(width=None if sys.stdout.isatty() else _width())


def errors() -> Console:
    """Console on stderr."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _width())


def _width() -> int:
    # COLUMNS, where a user sets it, is respected.
    return shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 50)).columns
