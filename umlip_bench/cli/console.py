"""Consoles: as wide as the terminal, and wide enough for tables where there is none."""

from __future__ import annotations

import shutil
import sys

from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 120
"""Columns in a pipe or a log file; rich would take 80 and cut names short."""


class _Piped(Console):
    """A console whose broken pipe is for the program to handle; rich would end it with status 1."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def output() -> Console:
    """Console on stdout."""
    return _Piped(width=None if sys.stdout.isatty() else _width())


def errors() -> Console:
    """Console on stderr."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else _width())


def _width() -> int:
    # COLUMNS, where a user sets it, is respected.
    return shutil.get_terminal_size((WIDTH_WITHOUT_TERMINAL, 50)).columns
