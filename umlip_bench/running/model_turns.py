"""Models take turns: one at a time is in memory, and none waits for all cases of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf
from time import monotonic
from typing import Protocol, TypeAlias

import numpy as np
import torch

from umlip_bench.analysis.run_files import JOURNAL, CaseRecord
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.journal import keys_in
from umlip_bench.potentials.adapters.calculator_weights import ObjectWeights
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.folder import RunFolder
from umlip_bench.running.helpers import Helpers
from umlip_bench.running.job_worker import CaseWork, PlannedCase, WorkersModel
from umlip_bench.running.joined_work import Joined, JoinedWork, wait_for_others
from umlip_bench.running.measuring import CaseLeft, measured
from umlip_bench.running.model_check import ModelCheck, can_change
from umlip_bench.running.planner import Planner
from umlip_bench.running.shared_work import SharedWork, Until

Arrays: TypeAlias = Mapping[str, np.ndarray] | None

TURN = 300.0
"""Seconds of a model before the next has its turn, if there are several."""
TURN_OVER_LOADING = 20.0
"""A turn is at least so many times as long as loading the model took."""


class ProgressDisplay(Protocol):
    """Shows how far a run is."""

    def start(self, model: str, total: int, finished: int) -> None:
        """A model begins or goes on; `finished` of its `total` cases are done."""
        ...

    def advance(self, n: int = 1) -> None:
        """Some more cases ended."""
        ...


class _Work(Protocol):
    """Cases of one model that this process takes: `SharedWork` or `JoinedWork`."""

    @property
    def over(self) -> bool: ...
    def __iter__(self) -> Iterator[CaseLeft]: ...
    def ended_elsewhere(self) -> int: ...
    def wait(self) -> bool: ...


@dataclass(eq=False)
class ModelLeft:
    """A model with what is left of its cases.

    Parameters
    ----------
    weights
        The model.
    n_cases
        That were asked for.
    planner
        Of those that are not done.
    n_done
        Cases that are done.
    served
        Seconds of its turns so far.
    checked
        Whether it has been found to be the model of the folder.
    """

    weights: Weights
    n_cases: int
    planner: Planner[CaseLeft]
    n_done: int
    served: float = 0.0
    checked: bool = False

    @property
    def name(self) -> str:
        """Of the model."""
        return self.weights.card.name


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What all turns share.

    Parameters
    ----------
    folder
        The run folder.
    device, dtype
        Where and in which number format models are evaluated.
    data
        Name of the reference data.
    loaded
        Models that are there already, by name.
    check
        Says whether a model is that of the folder; with `new_model` it is made so.
    new_model
        As of `umlip_bench.running.runner.run_suites`.
    progress
        Told about every case.
    limit
        When to leave everything, as `time.monotonic` has it.
    """

    folder: RunFolder
    device: torch.device
    dtype: torch.dtype
    data: str
    loaded: Mapping[str, Potential]
    check: ModelCheck
    new_model: bool
    progress: ProgressDisplay
    limit: float = inf


@dataclass(eq=False)
class Turns:
    """The turns of a run.

    Parameters
    ----------
    around
        What all turns share.
    models
        By name.

    Attributes
    ----------
    unusable
        Models that could not be loaded, with the reason.
    """

    around: Surroundings
    models: Mapping[str, ModelLeft]
    unusable: dict[str, str] = field(default_factory=dict)

    def share(self, helpers: Helpers) -> None:
        """Measure all cases, together with other processes that this one gives work to."""
        if waiting := self._waiting():
            first = min(waiting, key=lambda each: each.served)
            if not self._is_here_alone(first):
                helpers.load_ahead(self._elsewhere(first, helpers))
        for name, model in self.models.items():
            if not model.planner.n_left:
                self._show(model)
                if can_change(model.weights):
                    self._potential(name)
        while waiting := self._waiting():
            model = min(waiting, key=lambda each: each.served)
            begun = monotonic()
            work = self._shared(model, helpers)
            if not can_change(model.weights):
                # Others who have loaded it already need not wait until this process has, and checked it.
                work.give()
            potential = self._potential(model.name)
            if potential is None:
                work.leave()
                continue
            work.ready(self._until(begun, len(waiting)))

            def keep(record: CaseRecord, arrays: Arrays, work: SharedWork[CaseLeft] = work) -> None:
                self.around.folder.add(record, arrays)
                work.ended_here(record.key)

            self._turn(model, potential, work, keep)
            model.served += monotonic() - begun

    def join(self, joined: Joined) -> None:
        """Measure what others do not."""
        names = list(self.models)
        while monotonic() < self.around.limit:
            usable = [name for name in names if name not in self.unusable]
            name = joined.next_model(usable)
            if name is None:
                until = Until(limit=self.around.limit)
                if not wait_for_others(joined, usable, until):
                    return
                continue
            begun = monotonic()
            potential = self._potential(name)
            if potential is not None:
                until = self._until(begun, len(usable))
                folder = self.around.folder.path
                work = JoinedWork(joined, name, folder, until)
                self._turn(self.models[name], potential, work, work.keep)

    def _waiting(self) -> list[ModelLeft]:
        if monotonic() >= self.around.limit:
            return []
        return [m for m in self.models.values() if m.planner.n_left and m.name not in self.unusable]

    def _until(self, begun: float, n_waiting: int) -> Until:
        if n_waiting == 1:
            return Until(limit=self.around.limit)
        now = monotonic()
        return Until(now + max(TURN, TURN_OVER_LOADING * (now - begun)), self.around.limit)

    def _potential(self, name: str) -> Potential | None:
        """The model, loaded and found to be that of the folder; ``None`` if it cannot be had."""
        model, around = self.models[name], self.around
        try:
            potential = around.loaded.get(name) or family(model.weights.card.family)(
                model.weights, device=around.device, dtype=around.dtype
            )
        except UmlipBenchError as error:
            self.unusable[name] = str(error)
            return None
        if not model.checked:
            around.check.check(potential, new=around.new_model)
            model.checked = True
        return potential

    def _turn(
        self,
        model: ModelLeft,
        potential: Potential,
        work: _Work,
        keep: Callable[[CaseRecord, Arrays], None],
    ) -> None:
        """Measure until the turn or the cases are over."""
        self._show(model)
        while work.wait():
            # Closed at once where it is left, so that nothing of it goes on.
            for record, arrays in measured(
                potential, work, self.around.data, stop=lambda: work.over
            ):
                keep(record, arrays)
                self._ended(model, 1 + work.ended_elsewhere())
            self._ended(model, work.ended_elsewhere())

    def _show(self, model: ModelLeft) -> None:
        self.around.progress.start(model.name, model.n_cases, model.n_done)

    def _ended(self, model: ModelLeft, n: int) -> None:
        if n:
            model.n_done += n
            self.around.progress.advance(n)

    def _shared(self, model: ModelLeft, helpers: Helpers) -> SharedWork[CaseLeft]:
        around = self.around
        folder = around.folder.path.absolute()
        there = self._elsewhere(model, helpers)

        def work_of(cases: Sequence[CaseLeft], name: str) -> CaseWork:
            planned = tuple(PlannedCase(one.suite.name, one.case, one.key) for one in cases)
            return CaseWork(name, folder, there, around.data, planned)

        return SharedWork(
            Helpers(None, []) if self._is_here_alone(model) else helpers,
            model.planner,
            work_of,
            lambda name: keys_in(folder / JOURNAL, name),
            Until(limit=self.around.limit),
        )

    def _is_here_alone(self, model: ModelLeft) -> bool:
        """Whether it lives in this process's memory, and cannot be loaded by another."""
        return model.name in self.around.loaded or isinstance(model.weights, ObjectWeights)

    def _elsewhere(self, model: ModelLeft, helpers: Helpers) -> WorkersModel:
        """As other processes load it."""
        device = (helpers.jobs.device if helpers.jobs else None) or str(self.around.device)
        return WorkersModel.of(model.weights, device, self.around.dtype)
