"""Running many measurements at once: their requests share calls to the model.

The scheduler keeps a bounded number of measurements in flight, collects the requests they wait for,
and calls the model whenever a call can be filled. Measurements that started earlier go first, so
that they end early and no more are under way than a call needs. It knows nothing of what is measured.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from umlip_bench.engine.free_atoms import check_held, suspects
from umlip_bench.engine.packing import Packer
from umlip_bench.engine.preparation import GraphPreparation, Made, preparation
from umlip_bench.engine.requests import About, Procedure, Request, Rounding, Static, Task
from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.potentials.protocol import Potential

K = TypeVar("K")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True)
class Done(Generic[K, R_co]):
    """A measurement that came to its result."""

    key: K
    result: R_co


@dataclass(frozen=True)
class Failed(Generic[K]):
    """A measurement that ended with an error it did not handle."""

    key: K
    error: UmlipBenchError


def run_tasks(
    potential: Potential,
    tasks: Iterable[tuple[K, Task[R]]],
    *,
    in_flight: int = 1024,
    workers: int | None = None,
    stop: Callable[[], bool] | None = None,
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
        Most measurements under way at once; fewer are if they fill a call.
    workers
        Processes that make graphs ahead of the model (0: none); by default none for a CPU, whose cores
        the model needs, and for a GPU the cores beyond the first, up to eight.
    stop
        Asked before each call to the model; what is under way is left when it says so.

    Yields
    ------
    Done or Failed
        In the order in which they end.
    """
    if in_flight < 1:
        raise ValueError(f"in_flight is {in_flight}; no measurement would ever start")
    source = iter(tasks)
    started = 0
    exhausted = False
    with preparation(potential, workers) as making:
        engine = _Engine(Packer(potential), making)
        while engine.active or not exhausted:
            engine.submit()
            if exhausted or not engine.has_room or engine.active == in_flight:
                if stop is not None and stop():
                    return
                engine.call()
                yield from engine.outcomes()
                continue
            yield from engine.outcomes()
            item = next(source, None)
            exhausted = item is None
            if item is not None:
                engine.start(*item, order=started)
                started += 1


@dataclass(eq=False)
class _Running:
    """A measurement or procedure under way.

    `asked_in` is the round that waits for its result at place `slot`; ``None`` for a measurement, which
    has a key instead.
    """

    task: Generator[Any, Any, Any]
    order: int
    key: Any = None
    asked_in: _Round | None = None
    slot: int = 0


@dataclass(eq=False)
class _Round:
    """What a running task waits for since it last yielded.

    Requests refer to their round, not to their task: when one of a list fails, the rest of that
    list must not be taken for answers to what the task asks next.
    """

    owner: _Running
    wants_list: bool
    answers: list[Any]
    missing: int
    over: bool = False

    @property
    def abandoned(self) -> bool:
        """Whether nobody waits for it any more: it failed, or one that its owner is part of did."""
        asked_in = self.owner.asked_in
        return self.over or (asked_in is not None and asked_in.abandoned)


@dataclass(order=True)
class _Waiting:
    """One evaluation in the queue; its graph is made when it is about to be evaluated."""

    priority: tuple[int, int]
    round: _Round = field(compare=False)
    slot: int = field(compare=False)
    request: Static = field(compare=False)


class _Engine:
    """The state of `run_tasks`.

    An evaluation goes from the queue, in the order of its measurement, to those whose graphs are being
    made, to those that are ready, and into a call.
    """

    def __init__(self, packer: Packer, making: GraphPreparation) -> None:
        self.packer = packer
        self.active = 0
        self._preparation = making
        self._queue: list[_Waiting] = []
        self._n_queued = 0
        self._making: deque[tuple[list[_Waiting], Callable[[], Sequence[Made]]]] = deque()
        self._n_making = 0
        self._ready: deque[tuple[_Waiting, Graph]] = deque()
        self._filled = 0.0
        # Of all graphs so far; a guess that soon does not matter. No graph weighs less than 1.
        self._weighed, self._n_weighed = max(packer.budget / 64, 1.0), 1
        self._outcomes: deque[Done | Failed] = deque()

    @property
    def has_room(self) -> bool:
        """Whether more could be taken up ahead of the next calls."""
        return self._ahead(self._n_making + len(self._queue)) < self._preparation.calls_ahead

    def _ahead(self, n_unweighed: int) -> float:
        """Calls that are ready, with so many others of average weight; 0 for nothing at all."""
        mean = self._weighed / self._n_weighed
        return (self._filled + n_unweighed * mean) / max(self.packer.budget, 1.0)

    def outcomes(self) -> Iterator[Done | Failed]:
        """What ended since it was last asked."""
        while self._outcomes:
            yield self._outcomes.popleft()

    def start(self, key: Any, task: Task[Any], *, order: int) -> None:
        """Take up a measurement."""
        self.active += 1
        running = _Running(task, order, key)
        self._advance(running, lambda: next(task))

    def submit(self) -> None:
        """Have graphs made of the first in the queue, in whole chunks, as far ahead as pays."""
        size = self._preparation.chunk
        while len(self._queue) >= size and (
            self._ahead(self._n_making) < self._preparation.calls_ahead
        ):
            self._submit(size)

    def _submit(self, size: int) -> None:
        chunk: list[_Waiting] = []
        while self._queue and len(chunk) < size:
            waiting = heapq.heappop(self._queue)
            if not waiting.round.abandoned:
                chunk.append(waiting)
        if chunk:
            made = self._preparation.submit([waiting.request.atoms for waiting in chunk])
            self._making.append((chunk, made))
            self._n_making += len(chunk)

    def call(self) -> None:
        """Make one call to the model and hand out its answers."""
        while not self._ready or self._filled < self.packer.budget:
            if not self._making:
                self._submit(self._preparation.chunk)  # what does not make a whole chunk
            if not self._making:
                break
            self._fetch()
        call = self._take_call()
        for (waiting, _), answer in zip(call, self._evaluate(call), strict=True):
            if isinstance(answer, UmlipBenchError):
                self._fail(waiting.round, answer)
            elif waiting.request.held and len(suspects(waiting.request.atoms, answer)):
                task = check_held(waiting.request.atoms, answer)
                self._take_up(waiting.round, waiting.slot, task)
            else:
                self._answer(waiting.round, waiting.slot, answer)

    def _take_up(self, round_: _Round, slot: int, task: Task[Any]) -> None:
        """Begin what one of a round's requests is made of."""
        part = _Running(task, round_.owner.order, asked_in=round_, slot=slot)
        self._advance(part, lambda: next(task))

    def _fetch(self) -> None:
        """Take over the graphs that have been in the making for longest."""
        chunk, made = self._making.popleft()
        self._n_making -= len(chunk)
        if all(waiting.round.abandoned for waiting in chunk):
            return
        for waiting, graph in zip(chunk, made(), strict=True):
            if isinstance(graph, UmlipBenchError):
                self._fail(waiting.round, graph)
            else:
                weight = self.packer.weight(graph)
                self._ready.append((waiting, graph))
                self._filled += weight
                self._weighed += weight
                self._n_weighed += 1

    def _take_call(self) -> list[tuple[_Waiting, Graph]]:
        """The first that are ready, as many as fit one call."""
        call: list[tuple[_Waiting, Graph]] = []
        filled = 0.0
        while self._ready:
            waiting, graph = self._ready[0]
            weight = self.packer.weight(graph)
            wanted = not waiting.round.abandoned
            if wanted and call and filled + weight > self.packer.budget:
                break
            self._ready.popleft()
            self._filled -= weight
            if wanted:
                call.append((waiting, graph))
                filled += weight
        if not self._ready:
            self._filled = 0.0  # free of what subtraction left behind
        return call

    def _evaluate(
        self, call: Sequence[tuple[_Waiting, Graph]]
    ) -> list[Prediction | UmlipBenchError]:
        if not call:
            return []
        # The strain derivative costs little beside the forces, so one call serves both kinds.
        stress = any(waiting.request.stress for waiting, _ in call)
        try:
            predictions = self.packer.evaluate([graph for _, graph in call], stress=stress)
        except UmlipBenchError as error:
            if len(call) == 1:
                return [error]
            # Find out whose fault it was; the others shall not suffer.
            return [answer for one in call for answer in self._evaluate([one])]
        return [
            _checked(prediction, waiting.request)
            for prediction, (waiting, _) in zip(predictions, call, strict=True)
        ]

    def _advance(self, running: _Running, step: Callable[[], Any]) -> None:
        """Take a task to its next request, or to its end."""
        try:
            wanted = step()
            while isinstance(wanted, Sequence) and not wanted:
                wanted = running.task.send([])
        except StopIteration as stop:
            self._end(running, Done(running.key, stop.value))
        except UmlipBenchError as error:
            self._end(running, Failed(running.key, error))
        else:
            wants_list = isinstance(wanted, Sequence)
            requests = list(wanted) if wants_list else [wanted]
            n = len(requests)
            round_ = _Round(running, wants_list, [None] * n, n)
            for slot, request in enumerate(requests):
                self._ask(round_, slot, request)

    def _ask(self, round_: _Round, slot: int, request: Request) -> None:
        if round_.abandoned:  # an earlier one of the list has failed already
            return
        order = round_.owner.order
        if isinstance(request, Procedure):
            self._take_up(round_, slot, request.task())
        elif isinstance(request, About):
            self._answer(round_, slot, self.packer.potential.card)
        elif isinstance(request, Rounding):
            self._answer(round_, slot, torch.finfo(self.packer.potential.dtype).eps)
        else:
            self._n_queued += 1
            heapq.heappush(self._queue, _Waiting((order, self._n_queued), round_, slot, request))

    def _end(self, running: _Running, outcome: Done | Failed) -> None:
        if running.asked_in is None:
            self.active -= 1
            self._outcomes.append(outcome)
        elif isinstance(outcome, Failed):
            self._fail(running.asked_in, outcome.error)
        else:
            self._answer(running.asked_in, running.slot, outcome.result)

    def _answer(self, round_: _Round, slot: int, answer: Any) -> None:
        if round_.abandoned:
            return
        round_.answers[slot] = answer
        round_.missing -= 1
        if round_.missing == 0:
            round_.over = True
            answers: Any = round_.answers if round_.wants_list else round_.answers[0]
            self._advance(round_.owner, lambda: round_.owner.task.send(answers))

    def _fail(self, round_: _Round, error: UmlipBenchError) -> None:
        if not round_.abandoned:
            round_.over = True
            self._advance(round_.owner, lambda: round_.owner.task.throw(error))


def _checked(prediction: Prediction, request: Static) -> Prediction | StructureError:
    """What was asked for, if it is finite."""
    values = (prediction.energy, prediction.forces, prediction.stress)
    if not all(np.isfinite(value).all() for value in values if value is not None):
        return StructureError(
            f"{describe(request.atoms)}: the model returned values that are not finite (energy "
            f"{prediction.energy} eV); the geometry may be far outside what it was trained on"
        )
    if request.stress or prediction.stress is None:
        return prediction
    return replace(prediction, stress=None)
