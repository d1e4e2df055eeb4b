"""One way to run suites: what is measured, with which models, and what comes of it.

`source_of` says on what, `measured` is `prepare` and `PreparedRun.carry_out` in one; the command line calls
all three, `umlip_bench.run` (`umlip_bench.finetune.run`) the first two.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeAlias

import torch
from ase import Atoms
from ase.calculators.calculator import Calculator

from umlip_bench.benchmarks.suite import Mode
from umlip_bench.datasets.given import Labels, as_dataset
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading
from umlip_bench.potentials.adapters.calculator_weights import calculator_object
from umlip_bench.potentials.corrections.wrapped import WrappedPotential
from umlip_bench.potentials.devices import resolve_device, resolve_dtype
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights, WeightsStore
from umlip_bench.running.jobs import Jobs, jobs_on
from umlip_bench.running.measured_run import MeasuredRun
from umlip_bench.running.runner import ProgressDisplay, run_suites
from umlip_bench.running.source import (
    Source,
    from_dataset,
    from_structure,
    known_suites,
    locate_models,
)

DATA = "pbe-mini"
"""Run on where nothing is named."""
MAX_INDEX = 1
"""Highest Miller index of the surfaces of a structure, where none is asked for."""

Model: TypeAlias = str | Path | Calculator | Potential
"""What can be given as a model: as `umlip_bench.potential` takes it, or what that gives."""


@dataclass(frozen=True, eq=False)
class PreparedRun:
    """What is to be measured, with models that are located.

    Parameters
    ----------
    source
        What is run on.
    models
        Located weights.
    loaded
        Models that are there already, by name.
    missing
        Models that are left out, with the reason.
    device, dtype
        Where and in which number format models are evaluated.
    """

    source: Source
    models: Sequence[Weights]
    loaded: Mapping[str, Potential]
    missing: Mapping[str, str]
    device: torch.device
    dtype: torch.dtype

    def carry_out(
        self,
        out: Path | None,
        progress: ProgressDisplay | None = None,
        *,
        new_model: bool = False,
        jobs: int | Jobs | None = 1,
        join: bool = False,
        time_limit: float | None = None,
        only_plan: bool = False,
    ) -> MeasuredRun:
        """Measure, or go on where an earlier run of the same was interrupted.

        Parameters
        ----------
        out
            The run folder; ``None`` for one that goes with the result.
        progress
            Told about every case.
        new_model, jobs, join, time_limit
            As of `umlip_bench.run`.
        only_plan
            As of `umlip_bench.running.runner.run_suites`.

        Raises
        ------
        RunFolderError
            As `umlip_bench.running.runner.run_suites`.
        """
        kept = TemporaryDirectory(prefix="umlip_bench-") if out is None else None
        folder = out if kept is None else Path(kept.name) / "run"
        assert folder is not None
        outcome = run_suites(
            self.source.plans,
            self.models,
            self.source.data,
            folder,
            device=self.device,
            dtype=self.dtype,
            progress=progress or _Silent(),
            new_model=new_model,
            loaded=self.loaded,
            jobs=jobs_on(jobs, self.device),
            join=join,
            time_limit=time_limit,
            only_plan=only_plan,
        )
        return MeasuredRun(folder, outcome, self.source, dict(self.missing), kept)


class _Silent:
    def start(self, model: str, total: int, finished: int) -> None:
        """Say nothing."""

    def advance(self, n: int = 1) -> None:
        """Say nothing."""


def measured(
    source: Source,
    models: Sequence[Model] | Mapping[str, Model],
    out: str | Path | None = None,
    progress: ProgressDisplay | None = None,
    *,
    device: str = "auto",
    dtype: str = "float32",
    new_model: bool = False,
    jobs: int | Jobs | None = 1,
    join: bool = False,
    time_limit: float | None = None,
) -> MeasuredRun:
    """Measure models; parameters but `source` as of `umlip_bench.run`.

    Raises
    ------
    UmlipBenchError
        If a model is not usable, or none could be run; the message names the remedy.
    """
    prepared = prepare(source, models, device=device, dtype=dtype)
    found = prepared.carry_out(
        None if out is None else Path(out),
        progress,
        new_model=new_model,
        jobs=jobs,
        join=join,
        time_limit=time_limit,
    )
    left_out = {**found.missing, **found.outcome.unusable}
    outcome = found.outcome
    if not outcome.n_done and not outcome.failed and not outcome.n_left and not outcome.with_others:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise UmlipBenchError(f"no model could be run: {reasons}")
    return found


def source_of(
    suites: Sequence[str],
    data: Labels | None,
    structure: str | Path | Atoms | None,
    mode: str,
    *,
    max_index: int = MAX_INDEX,
    ion: str | None = None,
    trust_order: bool = False,
    reading: LabelReading = AS_FOUND,
) -> Source:
    """What is run on; as of `umlip_bench.run`, and `reading` as of `umlip_bench.datasets.load`.

    Raises
    ------
    UmlipBenchError
        If there is no such suite, mode or data, or both data and a structure are given.
    """
    if mode not in list(Mode):
        raise UmlipBenchError(f"mode {mode!r} is not known; there are {', '.join(Mode)}")
    if structure is not None:
        if data is not None:
            raise UmlipBenchError(
                "data and structure do not go together: a structure is measured without reference values"
            )
        given = structure if isinstance(structure, Atoms) else Path(structure)
        return from_structure(suites, given, Mode(mode), max_index, ion)
    known_suites(suites)
    given_labels = DATA if data is None else data
    dataset = as_dataset(given_labels, trust_order=trust_order, reading=reading)
    return from_dataset(suites, dataset, Mode(mode))


def prepare(
    source: Source,
    models: Sequence[Model] | Mapping[str, Model],
    *,
    device: str,
    dtype: str,
) -> PreparedRun:
    """Locate models; parameters as of `umlip_bench.run`.

    Raises
    ------
    UmlipBenchError
        If a name stands for no model, two different ones go by one name, or a model that is there has
        another number format than is asked for.
    """
    torch_device, torch_dtype = resolve_device(device), resolve_dtype(dtype)
    named = models.items() if isinstance(models, Mapping) else [(None, each) for each in models]
    store = WeightsStore()
    wanted: list[str | Weights] = []
    loaded: dict[str, Potential] = {}
    for name, model in named:
        model = getattr(model, "potential", model)  # behind a calculator of ours
        if isinstance(model, Potential):
            there = _checked(model, torch_dtype, name)
            loaded[there.card.name] = there
            wanted.append(there.weights)
        elif isinstance(model, str | Path):
            wanted.append(_renamed(locate(str(model), store), name) if name else str(model))
        else:
            wanted.append(calculator_object(model, name))
    found, missing = locate_models(wanted, source.data.level_of_theory, store)
    return PreparedRun(source, found, loaded, missing, torch_device, torch_dtype)


def _renamed(weights: Weights, name: str | None) -> Weights:
    return weights if name is None else replace(weights, card=replace(weights.card, name=name))


def _checked(potential: Potential, dtype: torch.dtype, name: str | None) -> Potential:
    """A model that is there, perhaps by another name; one that its weights do not tell is refused."""
    card = potential.card
    if isinstance(potential, WrappedPotential) and potential.weights is potential.parent.weights:
        raise UmlipBenchError(
            f"{card.name} is corrected, and its weights are said to be those of the uncorrected model; use "
            "what umlip_bench.correct gives, or save it and load it"
        )
    innermost = potential
    while isinstance(innermost, WrappedPotential):
        innermost = innermost.parent
    # The number format of other people's calculators is theirs.
    if innermost.card.family != "ase" and potential.dtype != dtype:
        mine, asked = (str(each).removeprefix("torch.") for each in (potential.dtype, dtype))
        raise UmlipBenchError(
            f"{card.name} was loaded in {mine}, and the run is in {asked}; give dtype={mine!r}, or the model "
            "by its name"
        )
    if name is None and potential.weights.card.name == card.name:
        return potential
    own = copy.copy(potential)
    own.card = replace(card, name=name or card.name)
    own.weights = _renamed(potential.weights, own.card.name)
    return own
