"""Running suites: models times cases into a run folder, going on where an earlier run stopped."""

from __future__ import annotations

import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import torch

from umlip_bench.analysis.properties import PropertyRow
from umlip_bench.analysis.run_files import (
    DATA_NOTES,
    DONE,
    FAILED,
    GENERATION,
    HAS_REFERENCE,
    VERSIONS,
    CaseRecord,
    RunConfig,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.benchmarks.suite import AnyBenchmark, Case
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.version import RECORDED_PACKAGES, __version__, versions
from umlip_bench.potentials.adapters.calculator_weights import ObjectWeights
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.folder import RunFolder
from umlip_bench.running.jobs import Helpers, Jobs, SharedCases
from umlip_bench.running.measuring import CaseLeft, measured
from umlip_bench.running.model_check import ModelCheck, can_change
from umlip_bench.running.plan import DataIdentity, SuitePlan, case_key


class ProgressDisplay(Protocol):
    """Shows how far a run is."""

    def start(self, model: str, total: int, finished: int) -> None:
        """A model begins; `finished` of its `total` cases were done by an earlier run."""
        ...

    def advance(self, n: int = 1) -> None:
        """Some more cases ended."""
        ...


@dataclass(frozen=True, eq=False)
class SuiteOutcome:
    """What came of one suite, over all models of the run folder.

    Parameters
    ----------
    suite
        The suite.
    cases
        That were asked for.
    rows
        Its part of the summary.
    results
        Results of the cases that succeeded, by model.
    failed
        Cases of the models asked for that ended with an error.
    n_done
        Cases of the models asked for that have a result.
    """

    suite: AnyBenchmark
    cases: Sequence[Case]
    rows: Sequence[Row]
    results: Mapping[str, Sequence[object]]
    failed: Sequence[CaseRecord]
    n_done: int

    def properties(self, data: str) -> list[PropertyRow]:
        """Properties of all cases, the data being called so."""
        return [
            row
            for model, results in self.results.items()
            for result in results
            for row in self.suite.property_rows(model, data, result)
        ]


@dataclass(frozen=True, eq=False)
class RunOutcome:
    """What came of a run.

    Parameters
    ----------
    suites
        One for each plan.
    unusable
        Models that could not be loaded, with the reason.
    levels
        Level of theory of every model in the folder.
    told
        What a user should know of the folder, a sentence each: what was damaged and computed again, which
        catalogued model gives other numbers than before.
    seconds
        By suite and model, about how long a case took that was measured now.
    """

    suites: Sequence[SuiteOutcome]
    unusable: Mapping[str, str]
    levels: Mapping[str, LevelOfTheory]
    told: tuple[str, ...] = ()
    seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)

    @property
    def failed(self) -> list[CaseRecord]:
        """Cases of all suites that ended with an error."""
        return [record for outcome in self.suites for record in outcome.failed]

    @property
    def n_done(self) -> int:
        """Cases of all suites that have a result."""
        return sum(outcome.n_done for outcome in self.suites)


def run_suites(
    plans: Sequence[SuitePlan],
    models: Sequence[Weights],
    data: DataIdentity,
    out: Path,
    *,
    device: torch.device,
    dtype: torch.dtype,
    progress: ProgressDisplay,
    new_model: bool = False,
    loaded: Mapping[str, Potential] | None = None,
    jobs: Jobs | None = None,
) -> RunOutcome:
    """Run suites with several models and write the run folder.

    All cases of a model, of whichever suite, are under way together.

    Parameters
    ----------
    plans
        What to measure.
    models
        Located weights; each model is loaded only if it has cases left to do, or can change behind its
        name.
    data
        Identity of the reference data that the cases are from.
    out
        Run folder, new or interrupted.
    device, dtype
        Where and in which number format models are evaluated.
    progress
        Told about every case.
    new_model
        Measure these models anew, also where the folder has results of other ones of their names.
    loaded
        Models that are there already, by name; they are on a device of their own.
    jobs
        Other processes that may help; ``None`` for this one alone.

    Returns
    -------
    RunOutcome
        Also written to ``summary.json``.

    Raises
    ------
    RunFolderError
        If the folder holds another run or is in use, or a model that is no catalogued one is not what
        it was when the folder's results were computed.
    """
    settings = {"dtype": str(dtype).removeprefix("torch.")}
    labels = {
        "id": data.id,
        "sha256": data.sha256,
        "level_of_theory": asdict(data.level_of_theory),
    }
    config = RunConfig(
        {"data": labels, "settings": settings},
        {
            **_provenance(device),
            DATA_NOTES: list(data.notes),
            HAS_REFERENCE: data.has_reference,
        },
        {w.card.name: _card(w) for w in models},
        [plan.suite.name for plan in plans],
    )
    asked = {weights.card.name for weights in models}
    told: list[str] = []
    with (
        RunFolder(out, config, asked if new_model else ()) as folder,
        Helpers(jobs, out, told) as helpers,
    ):
        keys = _plan(folder, plans, settings, data, asked)
        known = ModelCheck(out, plans, told)
        unusable = {}
        took: dict[tuple[str, str], list[float]] = {}
        for weights in models:
            name = weights.card.name
            cases = [
                CaseLeft(plan.suite, case, keys[plan.suite.name][name][case.name])
                for plan in plans
                for case in plan.cases
            ]
            left = [one for one in cases if folder.record(one.key) is None]
            progress.start(name, len(cases), len(cases) - len(left))
            if not left and not can_change(weights):
                continue
            try:
                there = (loaded or {}).get(name)
                potential = there or family(weights.card.family)(
                    weights, device=device, dtype=dtype
                )
            except UmlipBenchError as error:
                unusable[name] = str(error)
                continue
            known.check(potential, new=new_model)
            # Many cases are under way at once, the earlier ones first: a case's time is about that since the
            # one before it ended.
            before = monotonic()
            # What lives in this process's memory cannot be loaded by another.
            own = there is not None or isinstance(weights, ObjectWeights)
            helping = Helpers(None, out, told) if own else helpers
            shared = SharedCases(helping, left, weights, device, dtype, data.id)
            while shared.wait():
                for record, arrays in measured(potential, shared, data.id):
                    folder.add(record, arrays)
                    before, last = monotonic(), before
                    took.setdefault((record.suite, name), []).append(before - last)
                    shared.ended_here()
                    progress.advance(1 + shared.ended_elsewhere())
                progress.advance(shared.ended_elsewhere())
        if helpers.n_starts:
            folder.read_again()
        # The summary is the folder's: models of earlier commands stay in it.
        outcomes = [_collect(folder, plan, keys[plan.suite.name], data, asked) for plan in plans]
        folder.write_summary(
            {outcome.suite.name: outcome.rows for outcome in outcomes},
            {} if data.has_reference else {o.suite.name: o.properties(data.id) for o in outcomes},
        )
        levels = {
            name: LevelOfTheory(**card["level_of_theory"])
            for name, card in folder.config.models.items()
        }
        told += [f"{what}; computed again" for what in folder.damaged]
    seconds = {of: sum(each) / len(each) for of, each in took.items()}
    return RunOutcome(outcomes, unusable, levels, tuple(told), seconds)


def _plan(
    folder: RunFolder,
    plans: Sequence[SuitePlan],
    settings: Mapping[str, str],
    data: DataIdentity,
    asked: Collection[str],
) -> dict[str, dict[str, dict[str, str]]]:
    """Keys by suite, model and name of the case, also written into the folder.

    Models of earlier commands are planned for as far as they have, or should have, these cases.
    """
    planned: dict[str, dict[str, dict[str, str]]] = {}
    for plan in plans:
        suite = plan.suite.name
        planned[suite] = {}
        content = {case.name: identity(case) for case in plan.cases}
        for name, card in folder.config.models.items():
            model = (card["sha256"], card.get(GENERATION, 0))
            keys = {
                case: case_key(plan.suite, settings, case, digest, model, data.level_of_theory)
                for case, digest in content.items()
            }
            if name not in asked:
                before = folder.plan.get(name, {}).get(suite, {})
                keys = {
                    case: key
                    for case, key in keys.items()
                    if case in before or folder.record(key) is not None
                }
            if keys:
                planned[suite][name] = keys
        folder.set_plan(suite, planned[suite])
    return planned


def _collect(
    folder: RunFolder,
    plan: SuitePlan,
    keys: Mapping[str, Mapping[str, str]],
    data: DataIdentity,
    asked: Collection[str],
) -> SuiteOutcome:
    """What the folder holds of a plan's cases, for all its models."""
    suite = plan.suite
    rows: list[Any] = []
    results: dict[str, Sequence[Any]] = {}
    failed: list[CaseRecord] = []
    n_done = 0
    for name, of_model in keys.items():
        found = [r for r in map(folder.record, of_model.values()) if r is not None]
        finished = [replace(record, model=name) for record in found]
        if not finished:
            continue
        done = [record for record in finished if record.status == DONE]
        results[name] = [suite.from_arrays(folder.arrays(r)) for r in done]
        rows += suite.rows(name, data.id, results[name], len(finished) - len(done))
        if name in asked:
            failed += [record for record in finished if record.status == FAILED]
            n_done += len(done)
    return SuiteOutcome(suite, plan.cases, rows, results, failed, n_done)


def _card(weights: Weights) -> dict[str, Any]:
    card = asdict(weights.card)
    card["elements"] = " ".join(weights.card.elements)
    entry = {**card, "origin": str(weights.origin), "sha256": weights.sha256}
    return {**entry, VERSIONS: dict(weights.versions)} if weights.versions else entry


def _provenance(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "umlip_bench": __version__,
        "python": platform.python_version(),
        "packages": versions(RECORDED_PACKAGES),
        "platform": platform.platform(),
        "device": f"{device} {name}".strip(),
        "torch_threads": torch.get_num_threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
