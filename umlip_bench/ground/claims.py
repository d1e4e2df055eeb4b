"""Who does what, among processes that share nothing but a folder: no locks, no clock but the file system's.

A claim is a file that is made exclusively, with its claimer's name and time. Its claimer touches it while it
lives; one that has not been touched for `STALE` seconds may be taken over. What has been done is a file of
another name. All of it holds on network file systems, where making a file exclusively and renaming are atomic
and locks may not work. Two may come to do the same after all (a claimer that was taken for dead), so doing
something twice must be harmless.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

HELD, DONE = ".held", ".done-"
"""Endings of the files of a claim; after the second stand the seconds that it took."""
BEAT = 20.0
"""Seconds between two touches of a claim by its claimer."""
STALE = 180.0
"""Seconds without a touch after which a claim may be taken over."""


@dataclass(frozen=True, eq=False)
class Claimed:
    """What is claimed and done, at one moment.

    Parameters
    ----------
    held
        Names that somebody is at, or was when he died.
    done
        Seconds that were spent, by name.
    """

    held: frozenset[str]
    done: Mapping[str, float]


class Claims:
    """The claims of a folder, and those that this process holds; use it as a context.

    Parameters
    ----------
    folder
        Made if it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())[:40]
        self.who = f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
        self._mine: set[str] = set()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._touch_all, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()
        for name in tuple(self._mine):
            self.release(name)
        (self.folder / self.who).unlink(missing_ok=True)

    def read(self) -> Claimed:
        """What is claimed and done now."""
        held: set[str] = set()
        done: dict[str, float] = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                name, mark, seconds = entry.name.partition(DONE)
                if mark:
                    with contextlib.suppress(ValueError):
                        done[name] = float(seconds)
                elif entry.name.endswith(HELD):
                    held.add(entry.name.removesuffix(HELD))
        return Claimed(frozenset(held.difference(done)), done)

    def claim(self, name: str) -> bool:
        """Claim something; whether nobody else has it."""
        content = {"who": self.who, "at": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            with self._held(name).open("x", encoding="utf-8") as file:
                json.dump(content, file)
        except FileExistsError:
            return False
        self._mine.add(name)
        return True

    def take_over(self, name: str) -> bool:
        """Claim something whose claimer is dead, as far as can be seen; whether it is ours now."""
        if not self.is_stale(name):
            return False
        away = self.folder / f"{name}.left-{self.who}"
        try:
            # Of several that try, one moves it.
            self._held(name).rename(away)
        except FileNotFoundError:
            return False
        away.unlink(missing_ok=True)
        return self.claim(name)

    def is_stale(self, name: str) -> bool:
        """Whether a claim has not been touched for long, by the clock of the file system."""
        mine = self.folder / self.who
        try:
            mine.touch()
            return mine.stat().st_mtime - self._held(name).stat().st_mtime > STALE
        except FileNotFoundError:
            return False

    def release(self, name: str) -> None:
        """Leave something to others."""
        self._mine.discard(name)
        self._held(name).unlink(missing_ok=True)

    def done(self, name: str, seconds: float) -> None:
        """Say that something is done."""
        self._mine.discard(name)
        there = self.folder / f"{name}{DONE}{max(seconds, 0.0):.3f}"
        try:
            self._held(name).rename(there)
        except FileNotFoundError:  # taken over meanwhile
            there.touch()

    def write_once(self, name: str, content: str) -> str:
        """Write a file unless somebody has; what it says then, whoever wrote it."""
        path, mine = self.folder / name, self.folder / f"{name}.{self.who}"
        if not path.exists():
            mine.write_text(content, encoding="utf-8")
            with contextlib.suppress(FileExistsError):
                os.link(mine, path)
            mine.unlink()
        return path.read_text(encoding="utf-8")

    def _held(self, name: str) -> Path:
        return self.folder / f"{name}{HELD}"

    def _touch_all(self) -> None:
        while not self._end.wait(BEAT):
            for name in tuple(self._mine):
                with contextlib.suppress(OSError):
                    os.utime(self._held(name))
