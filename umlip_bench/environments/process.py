"""A worker in another Python, as seen from here: started, asked, timed, ended, started again."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

from umlip_bench.environments import worker
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.worker.frames import PROTOCOL, FrameError, encode, read_frame
from umlip_bench.ground.errors import UmlipBenchError

_START = Path(worker.__file__).with_name("__main__.py")
START_SECONDS = 1800.0
"""A first start may fetch weights, and compile."""
_SHOWN = 4096
"""Last bytes of a worker's standard error in messages."""
_KEPT = 2**24
"""Bytes of standard error after which what is older goes; some packages write at every call."""
_GRACE = 2.0
"""Seconds that a worker has to end by itself."""


class WorkerError(UmlipBenchError):
    """A worker that could not be started, or failed a request as a whole."""


class WorkerDied(WorkerError):
    """A worker whose process ended while it was asked something."""


class WorkerOutOfMemory(WorkerError, MemoryError):
    """A request that did not fit into the memory of the worker's device."""


@dataclass(frozen=True, eq=False)
class Answer:
    """What a worker answered: plain content and arrays, neither to be trusted yet."""

    header: Mapping[str, object]
    arrays: Mapping[str, np.ndarray]


class WorkerProcess:
    """A worker that is started when it is first asked, and again after it died or had to be ended.

    It ends with this object, at the latest with this process, however that ends.

    Parameters
    ----------
    environment
        Whose Python and file.
    checkpoint
        One that the file names, or a file of weights.
    name
        For messages; by default that of environment and checkpoint.
    device, dtype
        Passed on to the file's ``setup`` where it takes them.
    start_seconds
        Limit for loading the model.
    """

    def __init__(
        self,
        environment: Environment,
        checkpoint: str,
        *,
        name: str | None = None,
        device: str = "cpu",
        dtype: str = "float32",
        start_seconds: float = START_SECONDS,
    ) -> None:
        self.environment = environment
        self.name = name or f"{environment.name}:{checkpoint}"
        self._arguments = [str(environment.file), checkpoint, device, dtype]
        self._start_seconds = start_seconds
        self._running: _Running | None = None
        self._weights: object = None

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        return None if self._running is None else self._running.process.pid

    def hello(self) -> Mapping[str, object]:
        """What the worker says of itself; it is started if need be.

        Raises
        ------
        WorkerError
            If it cannot be started, or the model cannot be loaded there.
        """
        return self._started().about

    def ask(
        self,
        request: str,
        header: Mapping[str, object],
        arrays: Mapping[str, np.ndarray],
        seconds: float,
    ) -> Answer:
        """Send a request and wait for its answer.

        Parameters
        ----------
        request, header, arrays
            As `umlip_bench.environments.worker` has them.
        seconds
            A worker that takes longer is ended.

        Raises
        ------
        WorkerDied
            If the process ended before it answered.
        WorkerOutOfMemory
            If the worker ran out of memory, and said so.
        WorkerError
            For a time-out, an answer that is none, or one that says that the request failed.
        """
        running = self._started()
        return self._exchange(running, request, header, arrays, seconds)

    def close(self) -> None:
        """End the process, if there is one."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _started(self) -> _Running:
        # A fork of this process must not talk on the same pipe.
        if self._running is not None and self._running.owner == os.getpid():
            return self._running
        running = _Running(self.environment, self._arguments)
        answer = self._exchange(running, "hello", {}, {}, self._start_seconds)
        if answer.header.get("protocol") != PROTOCOL:
            running.kill()
            raise WorkerError(
                f"{self.name}: the worker speaks protocol {answer.header.get('protocol')!r}, not {PROTOCOL}"
            )
        if self._weights is not None and self._weights != answer.header.get("weights"):
            running.kill()
            raise WorkerError(f"{self.name}: its weights changed while it was in use")
        self._weights = answer.header.get("weights")
        running.about = answer.header
        self._running = running
        return running

    def _exchange(
        self,
        running: _Running,
        request: str,
        header: Mapping[str, object],
        arrays: Mapping[str, np.ndarray],
        seconds: float,
    ) -> Answer:
        frame = encode({**header, "request": request, "protocol": PROTOCOL}, arrays)
        deadline = time.monotonic() + seconds
        answer = None
        try:
            running.write(frame, deadline)
            answer = Answer(*read_frame(lambda n: running.read(n, deadline)))
        except TimeoutError:
            raise WorkerError(
                f"{self.name}: no answer within {seconds:g} s, so its process was ended{running.said()}"
            ) from None
        except FrameError as error:
            raise WorkerError(
                f"{self.name}: its process answered with {error}, and was ended{running.said()}"
            ) from None
        except (EOFError, BrokenPipeError):
            running.kill()
            raise WorkerDied(
                f"{self.name}: its process {running.how_it_ended()}{running.said()}"
            ) from None
        finally:
            # Also after an interrupt: an answer that comes late would be taken for the next one.
            if answer is None:
                self._running = None
                running.kill()
        if "error" in answer.header:
            if request == "hello":
                self._running = None
                running.end()
            raise self._failure(answer.header["error"], running)
        return answer

    def _failure(self, reason: object, running: _Running) -> WorkerError:
        found = reason if isinstance(reason, dict) else {}
        kind, text = str(found.get("type", "an error"))[:200], str(found.get("text", ""))[:2000]
        error = WorkerOutOfMemory if is_out_of_memory(kind) else WorkerError
        return error(f"{self.name}: {kind}: {text}{running.said()}")


def is_out_of_memory(kind: str) -> bool:
    """Whether an error's type, as a worker names it, says that memory ran out."""
    return kind == "MemoryError" or "OutOfMemory" in kind


class _Running:
    """One process, its pipes, and what it wrote to standard error."""

    def __init__(self, environment: Environment, arguments: list[str]) -> None:
        self.owner = os.getpid()
        self.about: Mapping[str, object] = {}
        # A file, not a pipe: nobody has to empty it, and the end of it can be read afterwards.
        self._stderr = tempfile.TemporaryFile("a+b", buffering=0)  # noqa: SIM115 - as long as this
        # Isolated: neither PYTHONPATH nor the folder of this package is any business of that Python.
        command = [str(environment.python), "-I", "-u", str(_START), *arguments]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._stderr,
                bufsize=0,
                env=environment.variables,
                # A group of its own, to be ended with all that it starts.
                start_new_session=True,
            )
        except OSError as error:
            raise WorkerError(
                f"{environment.python} cannot be started ({error.strerror}); build it anew"
            ) from error
        self._in, self._out = _descriptor(self.process.stdin), _descriptor(self.process.stdout)
        os.set_blocking(self._in, False)
        os.set_blocking(self._out, False)
        self._finalizer = weakref.finalize(self, _end, self.process, self.owner)

    def write(self, frame: bytes, deadline: float) -> None:
        """Send bytes before a time of the monotonic clock."""
        if os.fstat(self._stderr.fileno()).st_size > _KEPT:
            os.ftruncate(self._stderr.fileno(), 0)
        rest = memoryview(frame)
        while rest:
            _wait(self._in, select.POLLOUT, deadline)
            rest = rest[os.write(self._in, rest) :]

    def read(self, n: int, deadline: float) -> bytes:
        """Exactly `n` bytes, before a time of the monotonic clock."""
        found = bytearray()
        while len(found) < n:
            _wait(self._out, select.POLLIN, deadline)
            part = os.read(self._out, min(n - len(found), 2**20))
            if not part:
                raise EOFError
            found += part
        return bytes(found)

    def kill(self) -> None:
        """End the process at once."""
        _kill(self.process)
        self.end()

    def end(self) -> None:
        """End the process, and let go of its pipes."""
        self._finalizer()

    def how_it_ended(self) -> str:
        """For a message."""
        code = self.process.returncode
        if code is not None and code < 0:
            return f"was ended by {signal.Signals(-code).name} while it was asked"
        return f"ended with exit status {code} while it was asked"

    def said(self) -> str:
        """The end of what it wrote to standard error, for a message."""
        file = self._stderr.fileno()
        size = os.fstat(file).st_size
        text = os.pread(file, _SHOWN, max(0, size - _SHOWN)).decode(errors="replace").strip()
        return f"; the end of what it wrote:\n{text}" if text else ""


def _descriptor(pipe: IO[bytes] | None) -> int:
    assert pipe is not None
    return pipe.fileno()


def _wait(descriptor: int, event: int, deadline: float) -> None:
    """Until a pipe is ready, or closed at the other end."""
    poll = select.poll()
    poll.register(descriptor, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(1000 * left):
        raise TimeoutError


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process, unless that is known already, and all of its group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """Close the pipes, at the end of which a worker ends; kill one that does not."""
    if os.getpid() != owner:
        return  # a fork that lets go of its copy
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(_GRACE)
    except subprocess.TimeoutExpired:
        _kill(process)
