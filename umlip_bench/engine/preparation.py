"""Making graphs: here and now, or ahead of a GPU in worker processes.

A GPU evaluates a small structure in less time than one process takes to list its neighbours. Workers
then make the graphs of the next call while the device computes this one.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

import torch
from ase import Atoms

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.graph import Graph
from umlip_bench.potentials.protocol import Potential

Prepare = Callable[[Atoms], Graph]
Made = Graph | UmlipBenchError
"""A graph, or why there is none."""

_MOST_WORKERS = 8
_CHUNK = 16
"""Structures sent to a worker at once: passing a message costs as much as making a graph."""


class GraphPreparation(AbstractContextManager["GraphPreparation"]):
    """Makes graphs in this process, when they are fetched."""

    chunk = 1
    """Structures to hand over at once."""
    calls_ahead = 1.0
    """How many calls to the model should be ready or in the making."""

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare

    def submit(self, structures: Sequence[Atoms]) -> Callable[[], Sequence[Made]]:
        """Hand structures over; the function returned waits for their graphs."""
        return lambda: _make(self._prepare, structures)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Nothing to end."""


class WorkerPreparation(GraphPreparation):
    """Makes graphs in worker processes, one call ahead of the model.

    The workers are forks, as those of torch's data loader are: they need no start-up, no main module
    that can be imported twice, and never touch the device.

    Parameters
    ----------
    prepare
        Makes one graph.
    workers
        Number of processes.
    """

    chunk = _CHUNK
    calls_ahead = 2.0

    def __init__(self, prepare: Prepare, workers: int) -> None:
        super().__init__(prepare)
        self._pool = ProcessPoolExecutor(
            workers, multiprocessing.get_context("fork"), _adopt, (prepare,)
        )

    def submit(self, structures: Sequence[Atoms]) -> Callable[[], Sequence[Made]]:
        """Send structures to a worker."""
        return self._pool.submit(_make_adopted, structures).result

    def __enter__(self) -> Self:
        self._pool.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers, without waiting for graphs that nobody wants any more."""
        self._pool.shutdown(cancel_futures=True)


def preparation(potential: Potential, workers: int | None = None) -> GraphPreparation:
    """How graphs for a potential are best made.

    Parameters
    ----------
    potential
        Its `prepare` is what is done.
    workers
        Number of processes; 0 for none. By default none for a CPU, whose cores the model needs, and
        for a GPU the cores beyond the first, up to eight.
    """
    if workers is None:
        workers = 0
        if potential.device.type == "cuda" and "fork" in multiprocessing.get_all_start_methods():
            workers = min(_MOST_WORKERS, len(os.sched_getaffinity(0)) - 1)
    if workers == 0:
        return GraphPreparation(potential.prepare)
    return WorkerPreparation(potential.prepare, workers)


def _make(prepare: Prepare, structures: Sequence[Atoms]) -> list[Made]:
    made: list[Made] = []
    for atoms in structures:
        try:
            made.append(prepare(atoms))
        except UmlipBenchError as error:
            made.append(error)
    return made


_adopted: Prepare


def _adopt(prepare: Prepare) -> None:
    """Begin the life of a worker."""
    global _adopted
    _adopted = prepare
    torch.set_num_threads(1)


def _make_adopted(structures: Sequence[Atoms]) -> list[Made]:
    return _make(_adopted, structures)
