"""One process at a time: the right to write into a folder."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import FileLock, Timeout

from umlip_bench.ground.errors import UmlipBenchError

HOLDER = ".holder"
"""Ending of the file that says which process has the lock."""


class Lock:
    """The right to write, from when it is made; the system takes it back from a process that was killed.

    Parameters
    ----------
    path
        Of the file that is locked; its folder is made if it is not there.
    what
        What is written, for messages.
    remedy
        What else can be done than to wait.
    error
        Of which kind the errors are.

    Raises
    ------
    UmlipBenchError
        If another process has it, or the folder cannot be written.
    """

    def __init__(
        self,
        path: Path,
        what: Path,
        remedy: str,
        error: Callable[[str], UmlipBenchError] = UmlipBenchError,
    ) -> None:
        holder = path.with_name(path.name + HOLDER)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path)
            self._lock.acquire(timeout=0)
            holder.write_text(f"{os.getpid()}\n", encoding="utf-8")
        except Timeout as caught:
            raise error(
                f"{what} is in use by another process{_process(holder)}; wait for it or {remedy}"
            ) from caught
        except OSError as caught:
            if hasattr(self, "_lock"):
                self._lock.release()
            raise error(
                f"{path.parent} cannot be written ({caught.strerror}); {remedy}"
            ) from caught

    def release(self) -> None:
        """Let others write."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _process(holder: Path) -> str:
    """Process that holds the lock, in words, as far as it said so."""
    try:
        number = holder.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
    return f" (process {number})" if number.isdecimal() else ""
