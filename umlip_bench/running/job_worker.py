"""What another process of a run does: it measures chunks of cases, and writes them into the run folder."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing.connection import Connection
from multiprocessing.queues import SimpleQueue
from pathlib import Path
from time import monotonic

import torch

from umlip_bench.analysis.run_files import CaseRecord, open_journal
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.suite import Case
from umlip_bench.ground.journal import Journal
from umlip_bench.potentials.devices import resolve_device, resolve_dtype
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.measuring import CaseLeft, measured


@dataclass(frozen=True, eq=False)
class PlannedCase:
    """A case, with the name of its suite and the key of its entry in the journal."""

    suite: str
    case: Case
    key: str


@dataclass(frozen=True, eq=False)
class Chunk:
    """Cases of one model, for one call of `measure_chunk`; it can be pickled.

    Parameters
    ----------
    folder
        The run folder, as an absolute path that the other process sees as well.
    weights
        The model.
    device, dtype
        Where, and in which number format; a process that has a device of its own takes that.
    data
        Name of the reference data.
    cases
        At least one.
    """

    folder: Path
    weights: Weights
    device: str
    dtype: str
    data: str
    cases: tuple[PlannedCase, ...]


class _Worker:
    """What a process keeps from one chunk to the next."""

    def __init__(self) -> None:
        self.device: str | None = None
        self._name: tuple[str, ...] = ()
        self._potential: Potential | None = None

    def potential(self, chunk: Chunk) -> Potential:
        """The model of a chunk; one at a time is in memory."""
        weights, device = chunk.weights, self.device or chunk.device
        name = (weights.card.name, weights.sha256, device, chunk.dtype)
        if self._potential is None or name != self._name:
            self._potential = None
            load = family(weights.card.family)
            self._potential = load(
                weights, device=resolve_device(device), dtype=resolve_dtype(chunk.dtype)
            )
            self._name = name
        return self._potential


_WORKER = _Worker()


@lru_cache(maxsize=1)
def _journal(folder: Path) -> Journal[CaseRecord]:
    """The run folder's, in which this process has a file of its own."""
    return open_journal(folder)


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
    _WORKER.device = devices.get()

    def watch() -> None:
        try:
            alive.recv_bytes()
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def measure_chunk(chunk: Chunk) -> float:
    """Measure the cases of a chunk; each is in the run folder's journal as soon as it has ended.

    Returns
    -------
    float
        Seconds that it took.

    Raises
    ------
    UmlipBenchError
        If the model cannot be loaded here, or the folder cannot be written.
    """
    start = monotonic()
    journal = _journal(chunk.folder)
    left = [CaseLeft(load_suite(one.suite), one.case, one.key) for one in chunk.cases]
    for record, arrays in measured(_WORKER.potential(chunk), left, chunk.data):
        journal.append(record.key, record, arrays)
    return monotonic() - start
