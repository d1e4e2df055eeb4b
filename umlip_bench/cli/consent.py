"""What is asked before anything large is done, on a terminal; ``--yes`` says yes beforehand."""

from __future__ import annotations

import sys
from contextvars import ContextVar

YES = "--yes"
"""An option of every command, anywhere in its line."""
GIVEN: ContextVar[bool] = ContextVar("yes", default=False)
"""Whether it was given on this command line."""


def can_ask() -> bool:
    """Whether somebody is there to be asked."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def agree(text: str) -> bool:
    """Whether the user wants what `text` says; without a terminal only `YES` is a yes."""
    if GIVEN.get():
        print(text, file=sys.stderr)
        return True
    if not can_ask():
        print(f"{text}; give {YES} to have it done", file=sys.stderr)
        return False
    print(f"{text}. Go on? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def say(text: str) -> None:
    """A step of what was agreed to; results alone go to standard output."""
    print(text, file=sys.stderr)
