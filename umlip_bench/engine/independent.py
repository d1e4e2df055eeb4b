"""Requests that do not depend on each other, answered as measurements of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar, overload

from umlip_bench.engine.requests import Procedure, Request, Static, Task
from umlip_bench.engine.scheduler import Done, Failed, run_tasks
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential

R = TypeVar("R")


@overload
def run_requests(
    potential: Potential,
    requests: Iterable[Procedure[R]],
    *,
    in_flight: int = ...,
    workers: int | None = ...,
) -> Iterator[Done[int, R] | Failed[int]]: ...


@overload
def run_requests(
    potential: Potential,
    requests: Iterable[Static],
    *,
    in_flight: int = ...,
    workers: int | None = ...,
) -> Iterator[Done[int, Prediction] | Failed[int]]: ...


@overload
def run_requests(
    potential: Potential,
    requests: Iterable[Request],
    *,
    in_flight: int = ...,
    workers: int | None = ...,
) -> Iterator[Done[int, object] | Failed[int]]: ...


def run_requests(
    potential: Potential,
    requests: Iterable[Request],
    *,
    in_flight: int = 1024,
    workers: int | None = None,
) -> Iterator[Done[int, object] | Failed[int]]:
    """Answer requests that do not depend on each other, keyed by their position.

    Parameters
    ----------
    potential, in_flight, workers
        As for `run_tasks`.
    requests
        Taken as there is room.

    Yields
    ------
    Done or Failed
        In the order in which they end.

    Examples
    --------
    >>> from ase.build import bulk
    >>> import umlip_bench
    >>> from umlip_bench.engine import Relax
    >>> model = umlip_bench.potential("ase:ase.calculators.emt:EMT", dtype="float64")
    >>> structures = [bulk("Cu"), bulk("Al")]
    >>> for outcome in run_requests(model, (Relax(atoms, cell=True) for atoms in structures)):
    ...     if isinstance(outcome, Done):
    ...         print(outcome.key, f"{outcome.result.energy:.3f} eV")
    0 -0.007 eV
    1 -0.005 eV
    """
    tasks = ((k, _ask(request)) for k, request in enumerate(requests))
    return run_tasks(potential, tasks, in_flight=in_flight, workers=workers)


def _ask(request: Request) -> Task[object]:
    answer = yield request
    return answer
