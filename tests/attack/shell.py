"""Commands in forks of this process, with everything that a shell and a system decide about them."""

from __future__ import annotations

import ctypes
import fcntl
import io
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from umlip_bench.cli import main as bench
from umlip_bench.cli.finetune import main as finetune

Prepare = Callable[[], object]


@dataclass(frozen=True)
class Ended:
    """How a command ended: exit status, or minus the signal; what it printed; seconds of the processor."""

    status: int
    out: str
    err: str
    seconds: float

    @property
    def failed_badly(self) -> bool:
        """Whether it ended otherwise than commands may: by a traceback, or an exception that was ignored."""
        return "Traceback (most" in self.err or "Exception ignored" in self.err


@dataclass(frozen=True)
class Begun:
    """A command that is under way: its process, and what reads from its two streams."""

    process: int
    receivers: tuple[int, ...]

    def end(self) -> Ended:
        """Wait for its end."""
        _, status, used = os.wait4(self.process, 0)
        said = []
        for receiver in self.receivers:
            with open(receiver, encoding="utf-8", errors="replace") as file:
                said.append(file.read())
        return Ended(
            os.waitstatus_to_exitcode(status), said[0], said[1], used.ru_utime + used.ru_stime
        )


@dataclass(frozen=True)
class Shell:
    """Where commands are given.

    Parameters
    ----------
    folder
        They are given in.
    environment
        Variables that differ from this process's; ``None`` for one that is not set.
    encoding
        Of the terminal.
    """

    folder: Path
    environment: Mapping[str, str | None] = field(default_factory=dict)
    encoding: str = "utf-8"

    def run(self, *arguments: object, prepare: Prepare = lambda: None) -> Ended:
        """Run ``umlip-bench``, or ``umlip-finetune`` if that is the first word, to its end."""
        return self.begin(*arguments, prepare=prepare).end()

    def begin(self, *arguments: object, prepare: Prepare = lambda: None) -> Begun:
        """Begin what `run` runs."""
        receivers, senders = zip(*(_pipe() for _ in range(2)), strict=True)
        process = os.fork()
        if process == 0:
            self._in_process([str(each) for each in arguments], prepare, senders)
        for sender in senders:
            os.close(sender)
        return Begun(process, receivers)

    def _in_process(
        self, arguments: Sequence[str], prepare: Prepare, senders: Sequence[int]
    ) -> NoReturn:
        status = 99
        try:
            os.chdir(self.folder)
            for sender, descriptor in zip(senders, (1, 2), strict=True):
                os.dup2(sender, descriptor)
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            sys.stdin = io.TextIOWrapper(io.FileIO(0, "r"))
            sys.stdout = io.TextIOWrapper(
                io.BufferedWriter(io.FileIO(1, "w")), encoding=self.encoding
            )
            sys.stderr = io.TextIOWrapper(
                io.FileIO(2, "w"),
                encoding=self.encoding,
                errors="backslashreplace",
                write_through=True,
            )
            for name, value in self.environment.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
            signal.signal(signal.SIGINT, signal.default_int_handler)
            prepare()
            program, words = bench, list(arguments)
            if words[0] == "umlip-finetune":
                program, words = finetune, words[1:]
            status = program(words)
            if sys.stdout is not None:
                sys.stdout.flush()
        except SystemExit as exit:
            status = exit.code if isinstance(exit.code, int) else 1
        except BaseException:
            os.write(2, traceback.format_exc().encode())
        finally:
            os._exit(status)


def _pipe() -> tuple[int, int]:
    """A pipe that takes all that a command prints, even where no file can be written."""
    receiver, sender = os.pipe()
    fcntl.fcntl(sender, fcntl.F_SETPIPE_SZ, 2**20)
    return receiver, sender


def full_disk() -> None:
    """No file can be written to; what is printed can."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def closed_stdout() -> None:
    """As ``>&-``."""
    os.close(1)
    sys.stdout = None


def reader_that_left() -> None:
    """As ``| true``."""
    receiver, sender = os.pipe()
    os.close(receiver)
    os.dup2(sender, 1)


def read_only_folder() -> None:
    """The folder of the command cannot be written, not by a superuser either; it can be read."""
    Path().chmod(0o555)
    # _LINUX_CAPABILITY_VERSION_3, this process; then effective, permitted and inheritable, twice 32 bits.
    header, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
    if ctypes.CDLL(None, use_errno=True).capset(header, none):
        raise OSError(ctypes.get_errno(), "capset")
