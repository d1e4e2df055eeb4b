"""What another process does for a command: it keeps one model in memory, and measures chunks with it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from time import monotonic

import torch

from umlip_bench.analysis.run_files import CaseRecord, journal_writer
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.suite import Case
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.journal import JournalWriter
from umlip_bench.potentials.compile_mode import wanted
from umlip_bench.potentials.devices import resolve_device, resolve_dtype
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.measuring import CaseLeft, measured
from umlip_bench.running.model_fingerprint import take_fingerprint
from umlip_bench.running.work import Worked


@dataclass(frozen=True, eq=False)
class WorkersModel:
    """A model as other processes load it; it can be pickled.

    Parameters
    ----------
    weights
        Located; what they name must be there for the other process as well.
    device, dtype
        Where, and in which number format; a process that has a device of its own takes that.
    """

    weights: Weights
    device: str
    dtype: str

    @classmethod
    def of(cls, weights: Weights, device: torch.device | str, dtype: torch.dtype) -> WorkersModel:
        """As this process would have it."""
        return cls(weights, str(device), str(dtype).removeprefix("torch."))


class _Worker:
    """What a process keeps from one chunk to the next."""

    def __init__(self) -> None:
        self.device: str | None = None
        self.lock = threading.Lock()
        self._name: tuple[str, ...] = ()
        self._potential: Potential | None = None

    def potential(self, model: WorkersModel) -> Potential:
        """The model of a chunk; one at a time is in memory."""
        weights, device = model.weights, self.device or model.device
        name = (weights.card.name, weights.sha256, device, model.dtype)
        if self._potential is None or name != self._name:
            self._potential = None
            wanted()  # what is wrong with this process is no fault of its cases
            load = family(weights.card.family)
            self._potential = load(
                weights, device=resolve_device(device), dtype=resolve_dtype(model.dtype)
            )
            self._name = name
        return self._potential


_WORKER = _Worker()


def use_device(device: str | None) -> None:
    """Have all models of this process on a device of its own."""
    _WORKER.device = device


def begin(alive: Connection, devices: SimpleQueue[str | None], threads: int) -> None:
    """Prepare a process of this machine.

    Parameters
    ----------
    alive
        Closed at its other end when this process is to stop, or when the one that started it is gone.
    devices
        The first in it is of this process alone; ``None`` for that of the run.
    threads
        Of torch.
    """
    # Ctrl-C is for the process that the user sees, which ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    use_device(devices.get())

    def watch() -> None:
        try:
            alive.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def loaded(model: WorkersModel) -> Iterator[Potential]:
    """The model, for one chunk: a process that was given several at once does one after the other."""
    with _WORKER.lock:
        yield _WORKER.potential(model)


def load_ahead(model: WorkersModel) -> None:
    """Have a model in memory before there is a chunk for it, which tells if it cannot be had."""
    with suppress(UmlipBenchError), loaded(model) as potential:
        # Of all calls the first takes longest: it compiles, and measures what a call takes.
        take_fingerprint(potential, ())


@dataclass(frozen=True, eq=False)
class PlannedCase:
    """A case, with the name of its suite and the key of its entry in the journal."""

    suite: str
    case: Case
    key: str


@dataclass(frozen=True, eq=False)
class CaseWork:
    """Cases of one model for another process.

    Parameters
    ----------
    name
        That no other chunk of the folder has.
    folder
        The run folder, as an absolute path that the other process sees as well.
    model
        The model.
    data
        Name of the reference data.
    cases
        At least one.
    """

    name: str
    folder: Path
    model: WorkersModel
    data: str
    cases: tuple[PlannedCase, ...]

    def work(self) -> Worked:
        """Measure the cases; see `umlip_bench.running.work.Work`."""
        with loaded(self.model) as potential:
            start = monotonic()
            journal: JournalWriter[CaseRecord] = journal_writer(self.folder, self.name)
            # Another may have begun this chunk, and died.
            done = journal.ended()
            left = [
                CaseLeft(load_suite(one.suite), one.case, one.key)
                for one in self.cases
                if one.key not in done
            ]
            try:
                for record, arrays in measured(potential, left, self.data):
                    journal.append(record.key, record, arrays)
            finally:
                journal.close()
            return Worked(monotonic() - start)
