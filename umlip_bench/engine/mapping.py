"""Unmodified ASE code for many structures at once: their calculators' calls share calls to the model.

Each structure's function runs in a thread of its own, and exactly one thread runs at any time: while a
function waits for its calculator, the engine goes on with others, and calls the model when a call is filled.
Threads are used as coroutines that can be left from anywhere, also from the middle of an optimiser.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import ClassVar, Generic, TypeAlias, TypeVar, cast

from ase import Atoms
from ase.calculators.calculator import Calculator

from umlip_bench.engine.calculator import CommitteeCalculator, PotentialCalculator
from umlip_bench.engine.requests import Request, Static
from umlip_bench.engine.scheduler import Failed, run_tasks
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.structures import describe
from umlip_bench.potentials.corrections.committee import Committee
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.loading import potential as load_potential
from umlip_bench.potentials.protocol import Potential

R = TypeVar("R")
S = TypeVar("S", bound="Atoms | Sequence[Atoms]")
Structure: TypeAlias = Atoms | Sequence[Atoms]
"""What a function is given: a structure, or several that belong together, such as the images of a band."""


@dataclass(frozen=True, eq=False)
class Mapped(Generic[R]):
    """What became of one structure.

    Parameters
    ----------
    index
        Its place, from 0.
    structure
        As it was given.
    error
        What its function raised; ``None`` if it returned.
    """

    index: int
    structure: Structure
    error: Exception | None
    _value: R | None = field(default=None, repr=False)

    @property
    def value(self) -> R:
        """What the function returned.

        Raises
        ------
        Exception
            The function's own, with a note that names the structure.
        """
        if self.error is not None:
            raise self.error
        return self._value  # type: ignore[return-value]


def map(
    function: Callable[[S], R],
    structures: Iterable[S],
    *,
    model: str | Path | Calculator | Potential,
    in_flight: int = 64,
    device: str = "auto",
    dtype: str = "float32",
) -> Iterator[Mapped[R]]:
    """Call a function for every structure, many of them under way at once.

    Parameters
    ----------
    function
        Any code on ASE: it is given a copy of a structure with a calculator, ``atoms.calc``, which it may
        give to other structures too. What it returns comes back; so does what it raises. It must not wait
        for another structure's function. What it does between the calculator's calls is done for one
        structure at a time.
    structures
        Structures, or lists of such as belong together, each of which then has a calculator of its own.
        Taken as there is room.
    model
        As `umlip_bench.potential` takes it, or what that gives.
    in_flight
        Most functions under way at once.
    device, dtype
        As of `umlip_bench.potential`, of a model by name.

    Yields
    ------
    Mapped
        In the order of `structures`.

    Raises
    ------
    UmlipBenchError
        If the model cannot be had, or `in_flight` is not positive.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from ase.filters import FrechetCellFilter
    >>> from ase.optimize import BFGS
    >>> def relax(atoms):
    ...     BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.01)
    ...     return atoms.get_potential_energy()
    >>> crystals = [bulk("Cu"), bulk("Al")]
    >>> for done in map(relax, crystals, model="ase:ase.calculators.emt:EMT"):
    ...     print(done.index, f"{done.value:.3f} eV")
    0 -0.007 eV
    1 -0.005 eV
    """
    if in_flight < 1:
        raise UmlipBenchError(f"in_flight is {in_flight}; at least one function has to run")
    there = getattr(model, "potential", model)
    potential = (
        there if isinstance(there, Potential) else load_potential(there, device=device, dtype=dtype)
    )
    return _in_order(function, structures, potential, in_flight)


def _in_order(
    function: Callable[[S], R],
    structures: Iterable[S],
    potential: Potential,
    in_flight: int,
) -> Iterator[Mapped[R]]:
    under_way: set[_Thread[R]] = set()

    def started(index: int, structure: S) -> Generator[Request, Prediction, Mapped[R]]:
        thread = _Thread(function, structure, potential)
        under_way.add(thread)
        outcome = yield from _task(index, structure, thread)
        under_way.discard(thread)
        return outcome

    tasks = ((k, started(k, structure)) for k, structure in enumerate(structures))
    ended: dict[int, Mapped[R]] = {}
    due = 0
    try:
        for outcome in run_tasks(potential, tasks, in_flight=in_flight):
            # A function's errors are part of its result: the engine never sees one.
            assert not isinstance(outcome, Failed)
            ended[outcome.key] = outcome.result
            while due in ended:
                yield ended.pop(due)
                due += 1
    finally:
        for thread in under_way:
            thread.abandon()


def _task(
    index: int, structure: Structure, thread: _Thread[R]
) -> Generator[Request, Prediction, Mapped[R]]:
    """A function as a measurement: its calculator's calls are its requests."""
    said = thread.start()
    while isinstance(said, _Call):
        try:
            answer: Prediction | UmlipBenchError = yield Static(said.atoms, stress=said.stress)
        except UmlipBenchError as error:
            answer = error
        said = thread.answer(said, answer)
    if said.error is None:
        return Mapped(index, structure, None, said.value)
    if not isinstance(said.error, Exception):
        raise said.error  # an interrupt, or the end of the program
    first = structure if isinstance(structure, Atoms) else next(iter(structure), Atoms())
    said.error.add_note(f"structure {index} of umlip_bench.map: {describe(first)}")
    return Mapped(index, structure, said.error)


class _Abandoned(BaseException):
    """Raised in a function whose result nobody waits for any more."""


@dataclass(frozen=True, eq=False)
class _Call:
    """A calculator's call, and where its answer is waited for."""

    atoms: Atoms
    stress: bool
    reply: SimpleQueue[Prediction | BaseException] = field(default_factory=SimpleQueue)


@dataclass(frozen=True, eq=False)
class _End(Generic[R]):
    """The end of a function."""

    value: R | None
    error: BaseException | None


class _Thread(Generic[R]):
    """A function in a thread, which runs only while the engine waits for what it says next."""

    def __init__(self, function: Callable[[S], R], structure: S, potential: Potential) -> None:
        self._said: SimpleQueue[_Call | _End[R]] = SimpleQueue()
        # What is copied is of the kind that the function takes.
        self._call = partial(function, cast(S, self._copied(structure, potential)))
        self._open: set[_Call] = set()
        self._ended = self._abandoned = False

    def start(self) -> _Call | _End[R]:
        """Run it up to its first call."""
        threading.Thread(target=self._run, daemon=True).start()
        return self._heard()

    def answer(self, call: _Call, answer: Prediction | BaseException) -> _Call | _End[R]:
        """Answer a call, and run on to the next."""
        self._open.discard(call)
        call.reply.put(answer)
        return self._heard()

    def abandon(self) -> None:
        """End it at the call that it waits in, or at its next."""
        self._abandoned = True
        for call in tuple(self._open):
            call.reply.put(_Abandoned())

    def _heard(self) -> _Call | _End[R]:
        said = self._said.get()
        # Calculators that live on compute by themselves.
        self._ended = isinstance(said, _End)
        return said

    def predicted(self, atoms: Atoms, stress: bool) -> Prediction | None:
        """What the model says, once it is this call's turn; ``None`` when nobody answers any more.

        Raises
        ------
        UmlipBenchError
            What the model refused the structure with.
        """
        if self._abandoned:
            raise _Abandoned
        if self._ended:
            return None
        call = _Call(atoms, stress)
        self._open.add(call)
        self._said.put(call)
        answer = call.reply.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self) -> None:
        try:
            self._said.put(_End(self._call(), None))
        except BaseException as error:  # whatever it is, it belongs to whoever called map
            self._said.put(_End(None, error))

    def _copied(self, structure: Structure, potential: Potential) -> Structure:
        if not isinstance(structure, Atoms):
            return [self._with_calculator(atoms, potential) for atoms in structure]
        return self._with_calculator(structure, potential)

    def _with_calculator(self, atoms: Atoms, potential: Potential) -> Atoms:
        own = atoms.copy()
        own.calc = MappedCalculator(potential, self)
        return own


class MappedCalculator(PotentialCalculator):
    """A calculator of a structure under `map`; when its function has ended it is one like any other.

    Parameters
    ----------
    potential
        The model.
    thread
        The function that it belongs to.
    """

    implemented_properties: ClassVar[list[str]] = CommitteeCalculator.implemented_properties

    def __init__(self, potential: Potential, thread: _Thread) -> None:
        super().__init__(potential)
        self._thread = thread
        self._stress = False

    def predicted(self, properties: Sequence[str]) -> Prediction:
        """The engine's answer. Stress is asked for from the first time on that it is wanted."""
        self._stress |= "stress" in properties
        prediction = self._thread.predicted(self.atoms, self._stress)
        return super().predicted(properties) if prediction is None else prediction

    def results_of(self, prediction: Prediction) -> dict[str, object]:
        """As of the model's own calculator."""
        if isinstance(self.potential, Committee):
            return CommitteeCalculator(self.potential).results_of(prediction)
        return super().results_of(prediction)
