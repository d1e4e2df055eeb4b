"""Running many measurements at once: their requests share calls to the model.

The scheduler keeps a bounded number of measurements in flight, collects the requests they wait for,
and calls the model whenever a call can be filled. It knows nothing of what is measured.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from umlip_bench.engine.packing import Packer
from umlip_bench.engine.requests import Request, Task
from umlip_bench.errors import StructureError, UmlipBenchError
from umlip_bench.potentials.protocol import Graph, Potential, Prediction
from umlip_bench.structures import describe

K = TypeVar("K")
R = TypeVar("R")


@dataclass(frozen=True)
class Done(Generic[K, R]):
    """A measurement that came to its result."""

    key: K
    result: R


@dataclass(frozen=True)
class Failed(Generic[K]):
    """A measurement that ended with an error it did not handle."""

    key: K
    error: UmlipBenchError


@dataclass
class _Round:
    """What one measurement waits for since it last yielded.

    Requests refer to their round, not to their measurement: when one of a list fails, the rest of
    that list must not be taken for answers to what the measurement asks next.
    """

    key: Any
    task: Task[Any]
    wants_list: bool
    answers: list[Prediction | None]
    error: UmlipBenchError | None = None
    handed_back: bool = False

    @property
    def complete(self) -> bool:
        return self.error is not None or all(answer is not None for answer in self.answers)


@dataclass
class _Waiting:
    """One request in the queue; its graph is made when it is about to be evaluated."""

    round: _Round
    slot: int
    request: Request
    graph: Graph | None = None


def run_tasks(
    potential: Potential,
    tasks: Iterable[tuple[K, Task[R]]],
    *,
    in_flight: int = 1024,
) -> Iterator[Done[K, R] | Failed[K]]:
    """Run measurements on one potential and yield each outcome as it comes.

    A request that fails with an `UmlipBenchError` is thrown into its measurement; one that does not
    handle it ends as `Failed`, and the others go on. Any other exception is a bug and propagates.

    Parameters
    ----------
    potential
        Answers the requests.
    tasks
        Keys and measurements, taken one by one as there is room, so that their number does not
        matter to memory.
    in_flight
        Most measurements under way at once.

    Yields
    ------
    Done or Failed
        In the order in which they end.
    """
    if in_flight < 1:
        raise ValueError(f"in_flight is {in_flight}; no measurement would ever start")
    packer = Packer(potential)
    source = iter(tasks)
    waiting: deque[_Waiting] = deque()
    active = 0
    while True:
        while active < in_flight and len(waiting) < in_flight:
            item = next(source, None)
            if item is None:
                break
            outcome = _start(*item, waiting)
            if outcome is None:
                active += 1
            else:
                yield outcome
        if not waiting:
            return
        for finished in _answer(packer, _take_call(packer, waiting)):
            outcome = _resume(finished, waiting)
            if outcome is not None:
                active -= 1
                yield outcome


def _take_call(packer: Packer, waiting: deque[_Waiting]) -> list[_Waiting]:
    """Take the longest-waiting requests that fit one call and want the same properties.

    Requests whose structure cannot be evaluated are taken along, with the error in their round.
    """
    call: list[_Waiting] = []
    filled = 0.0
    stress: bool | None = None
    while waiting:
        head = waiting[0]
        if head.round.error is None and head.graph is None:
            try:
                head.graph = packer.potential.prepare(head.request.atoms)
            except UmlipBenchError as error:
                head.round.error = error
        if head.graph is not None and head.round.error is None:
            weight = packer.weight(head.graph)
            full = filled > 0 and filled + weight > packer.budget
            if full or stress not in (None, head.request.stress):
                break
            filled += weight
            stress = head.request.stress
        call.append(waiting.popleft())
    return call


def _answer(packer: Packer, call: Sequence[_Waiting]) -> list[_Round]:
    """Evaluate a call, hand out the answers and return the rounds that are complete now."""
    live = [w for w in call if w.round.error is None]
    for w, answer in zip(live, _evaluate(packer, live), strict=True):
        if isinstance(answer, UmlipBenchError):
            w.round.error = answer
        else:
            w.round.answers[w.slot] = answer
    rounds = {id(w.round): w.round for w in call}.values()
    return [r for r in rounds if r.complete and not r.handed_back]


def _evaluate(packer: Packer, call: Sequence[_Waiting]) -> list[Prediction | UmlipBenchError]:
    if not call:
        return []
    try:
        predictions = packer.evaluate(
            [w.graph for w in call if w.graph is not None], stress=call[0].request.stress
        )
    except UmlipBenchError as error:
        if len(call) == 1:
            return [error]
        # Find out whose fault it was; the others shall not suffer.
        return [answer for w in call for answer in _evaluate(packer, [w])]
    return [_finite(p, w.request) for p, w in zip(predictions, call, strict=True)]


def _finite(prediction: Prediction, request: Request) -> Prediction | StructureError:
    values = (prediction.energy, prediction.forces, prediction.stress)
    if all(np.isfinite(value).all() for value in values if value is not None):
        return prediction
    return StructureError(
        f"{describe(request.atoms)}: the model returned values that are not finite (energy "
        f"{prediction.energy} eV); the geometry may be far outside what it was trained on"
    )


def _start(key: K, task: Task[R], waiting: deque[_Waiting]) -> Done[K, R] | Failed[K] | None:
    return _advance(key, task, lambda: next(task), waiting)


def _resume(finished: _Round, waiting: deque[_Waiting]) -> Done | Failed | None:
    finished.handed_back = True
    task, error = finished.task, finished.error
    if error is not None:
        return _advance(finished.key, task, lambda: task.throw(error), waiting)
    answer: Any = finished.answers if finished.wants_list else finished.answers[0]
    return _advance(finished.key, task, lambda: task.send(answer), waiting)


def _advance(
    key: K, task: Task[R], step: Callable[[], Any], waiting: deque[_Waiting]
) -> Done[K, R] | Failed[K] | None:
    """Take a measurement to its next request, or to its end."""
    try:
        wanted = step()
        while not isinstance(wanted, Request) and len(wanted) == 0:
            wanted = task.send([])
    except StopIteration as stop:
        return Done(key, stop.value)
    except UmlipBenchError as error:
        return Failed(key, error)
    wants_list = not isinstance(wanted, Request)
    requests = list(wanted) if wants_list else [wanted]
    round_ = _Round(key, task, wants_list, [None] * len(requests))
    waiting.extend(_Waiting(round_, slot, request) for slot, request in enumerate(requests))
    return None
