"""What a program finds around it: streams that are closed or know no Å, a full disk, a signal to end."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

OF_PLACES = frozenset(
    (
        errno.EACCES,
        errno.EDQUOT,
        errno.EFBIG,
        errno.EIO,
        errno.ELOOP,
        errno.EMFILE,
        errno.ENAMETOOLONG,
        errno.ENFILE,
        errno.ENOSPC,
        errno.EPERM,
        errno.EROFS,
    )
)
"""Errors of the system that say something of a place or the machine, and nothing of the program."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does."""


def mend_streams() -> None:
    """Have something to print to: nowhere where a stream is closed, and ``?`` for what it cannot show."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper) and "utf" not in stream.encoding.lower():
            stream.reconfigure(errors="replace")


def let_threads_sleep() -> None:
    """Have OpenMP's threads sleep while they wait, unless the user has said what they are to do.

    It is read when torch is imported. Threads that spin take processor time for nothing, and keep those that
    they wait for from a core that others use too.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def drop_output() -> None:
    """Send what is still to be flushed nowhere: its reader has left, or its disk is full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def said_of(error: OSError) -> str:
    """An error of a place in words."""
    return f"{error.filename or 'the output'} cannot be used ({error.strerror})"


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """Raise `Terminated` on SIGTERM, so that files are closed and it is said how to go on."""
    usual = signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    if threading.current_thread() is not threading.main_thread() or not usual:
        yield
        return
    process = os.getpid()

    def end(number: int, frame: FrameType | None) -> None:
        if os.getpid() == process:
            raise Terminated
        # A fork of it has nothing to say.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
