"""Commands in processes of their own that begin with the slow libraries imported.

A fork server of multiprocessing imports them once; each command is a fork of it, with its own exit
status, output and environment, and can be sent signals. Importing alone would take seconds of each.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from multiprocessing.context import ForkServerContext
from pathlib import Path
from types import TracebackType
from typing import Self

IMPORTED = [
    "ase.io",
    "scipy.stats",
    "umlip_bench.cli.relax",
    "umlip_bench.cli.run",
    "umlip_bench.potentials.adapters.chgnet",
    "umlip_bench.running.run_report",
    "umlip_bench.running.runner",
    "umlip_bench.running.source",
]


@cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


class Running:
    """``umlip-bench`` with these arguments, begun; ends with the ``with`` block at the latest.

    Parameters
    ----------
    arguments
        Its command line.
    environment
        All of its environment; this process's if not given.
    """

    def __init__(self, *arguments: object, environment: Mapping[str, str] | None = None) -> None:
        self.arguments = [str(argument) for argument in arguments]
        self._folder = tempfile.TemporaryDirectory()
        self._out, self._err = (Path(self._folder.name) / name for name in ("out", "err"))
        variables = dict(os.environ if environment is None else environment)
        self._process = _server().Process(
            target=_main, args=(self.arguments, variables, Path.cwd(), self._out, self._err)
        )
        self._process.start()

    def ended(self) -> bool:
        """Whether it has ended by itself."""
        return self._process.exitcode is not None

    def send(self, kind: signal.Signals) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, kind)

    def wait(self, seconds: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Wait for its end."""
        self._process.join(seconds)
        status = self._process.exitcode
        if status is None:
            raise subprocess.TimeoutExpired(self.arguments, seconds)
        said = (p.read_text(encoding="utf-8") if p.exists() else "" for p in (self._out, self._err))
        return subprocess.CompletedProcess(self.arguments, status, *said)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.join()
        self._folder.cleanup()


def run(
    *arguments: object, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``umlip-bench`` to its end."""
    with Running(*arguments, environment=environment) as running:
        return running.wait()


def _main(
    arguments: Sequence[str], environment: Mapping[str, str], folder: Path, out: Path, err: Path
) -> None:
    """In the process: what a shell would have prepared, and the command."""
    # Whoever starts tests in the background of a shell has them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each]
    for path, descriptor in ((out, 1), (err, 2)):
        file = os.open(path, os.O_WRONLY | os.O_CREAT)
        os.dup2(file, descriptor)
    from umlip_bench.cli import main

    sys.exit(main(arguments))
