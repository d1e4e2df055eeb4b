"""Running suites: models times cases into a run folder, going on where an earlier run stopped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from time import monotonic
from typing import Any

import torch

from umlip_bench.analysis.properties import PropertyRow
from umlip_bench.analysis.run_files import (
    DONE,
    FAILED,
    CaseRecord,
    generation_of,
    level_of,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.benchmarks.suite import AnyBenchmark, Case
from umlip_bench.ground.claims import Claims
from umlip_bench.ground.identity import identity
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.case_order import across_materials
from umlip_bench.running.folder import CLAIMS, RunFolder
from umlip_bench.running.helpers import Helpers
from umlip_bench.running.jobs import Jobs
from umlip_bench.running.joined_chunks import chunks_of, first_start
from umlip_bench.running.joined_work import Joined
from umlip_bench.running.measuring import CaseLeft
from umlip_bench.running.model_check import ModelCheck
from umlip_bench.running.model_turns import ModelLeft, ProgressDisplay, Surroundings, Turns
from umlip_bench.running.plan import DataIdentity, SuitePlan, case_key
from umlip_bench.running.planner import Planner
from umlip_bench.running.run_config import config_of_command


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
    left
        Cases of the models asked for that have not ended, by model.
    """

    suite: AnyBenchmark
    cases: Sequence[Case]
    rows: Sequence[Row]
    results: Mapping[str, Sequence[object]]
    failed: Sequence[CaseRecord]
    n_done: int
    left: Mapping[str, int] = field(default_factory=dict)

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
    with_others
        Whether something is left that others who joined may be at; then there is nothing of the suites here.
    """

    suites: Sequence[SuiteOutcome]
    unusable: Mapping[str, str]
    levels: Mapping[str, LevelOfTheory]
    told: tuple[str, ...] = ()
    seconds: Mapping[tuple[str, str], float] = field(default_factory=dict)
    with_others: bool = False

    @property
    def failed(self) -> list[CaseRecord]:
        """Cases of all suites that ended with an error."""
        return [record for outcome in self.suites for record in outcome.failed]

    @property
    def n_done(self) -> int:
        """Cases of all suites that have a result."""
        return sum(outcome.n_done for outcome in self.suites)

    @property
    def n_left(self) -> int:
        """Cases of all suites that have not ended: a time limit came before, or others are at them."""
        return sum(n for outcome in self.suites for n in outcome.left.values())


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
    join: bool = False,
    time_limit: float | None = None,
    only_plan: bool = False,
) -> RunOutcome:
    """Run suites with several models and write the run folder.

    Cases of a model, of whichever suite, are under way together; suites have equal shares of its time, and
    several models take turns.

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
    join
        Measure what is left by other processes that were given the same command, and go on at the same time.
    time_limit
        Seconds after which to stop, with whatever has ended by then.
    only_plan
        With `join`: write down what all who join begin with, and measure nothing.

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
    limit = -inf if only_plan else inf if time_limit is None else monotonic() + time_limit
    settings = {"dtype": str(dtype).removeprefix("torch.")}
    config = config_of_command(plans, models, data, settings, device)
    asked = {weights.card.name for weights in models}
    told: list[str] = []
    with RunFolder(out, config, asked if new_model else (), join=join) as folder:
        keys = _plan(folder, plans, settings, data, asked)
        around = Surroundings(
            folder,
            device,
            dtype,
            data.id,
            loaded or {},
            ModelCheck(out, plans, told),
            new_model,
            progress,
            limit,
        )
        cases = _cases(plans, [weights.card.name for weights in models], keys)
        turns = _joined if join else _shared
        found, complete = turns(around, models, cases, jobs, time_limit, told)
        if not complete:
            return RunOutcome((), found.unusable, {}, tuple(told), with_others=True)
        # The summary is the folder's: models of earlier commands stay in it.
        outcomes = [_collect(folder, plan, keys[plan.suite.name], data, asked) for plan in plans]
        folder.write_summary(
            {outcome.suite.name: outcome.rows for outcome in outcomes},
            {} if data.has_reference else {o.suite.name: o.properties(data.id) for o in outcomes},
        )
        levels = {name: level_of(card) for name, card in folder.config.models.items()}
        told += [f"{what}; computed again" for what in folder.damaged]
    seconds = {
        (str(suite), name): mean
        for name, model in found.models.items()
        for suite, mean in model.planner.seconds_each.items()
    }
    return RunOutcome(outcomes, found.unusable, levels, tuple(told), seconds)


def _cases(
    plans: Sequence[SuitePlan],
    models: Sequence[str],
    keys: Mapping[str, Mapping[str, Mapping[str, str]]],
) -> dict[str, list[CaseLeft]]:
    """Cases of each model, of each suite in the order in which they are measured."""
    ordered = [(plan.suite, across_materials(plan.cases)) for plan in plans]
    return {
        name: [
            CaseLeft(suite, case, keys[suite.name][name][case.name])
            for suite, of_suite in ordered
            for case in of_suite
        ]
        for name in models
    }


def _shared(
    around: Surroundings,
    models: Sequence[Weights],
    cases: Mapping[str, Sequence[CaseLeft]],
    jobs: Jobs | None,
    time_limit: float | None,
    told: list[str],
) -> tuple[Turns, bool]:
    """Measure what the folder does not have, with other processes if there are any."""
    folder = around.folder
    folder.end_claims()
    with Helpers(jobs, told) as helpers:
        found = {}
        for weights in models:
            name = weights.card.name
            left = [one for one in cases[name] if folder.record(one.key) is None]
            n = len(cases[name])
            found[name] = ModelLeft(weights, n, Planner(left), n - len(left))
        turns = Turns(around, found)
        turns.share(helpers)
        if helpers.n_starts:
            folder.read_again()
    return turns, True


def _joined(
    around: Surroundings,
    models: Sequence[Weights],
    cases: Mapping[str, Sequence[CaseLeft]],
    jobs: Jobs | None,
    time_limit: float | None,
    told: list[str],
) -> tuple[Turns, bool]:
    """Measure what others who joined have not claimed."""
    folder = around.folder
    with Claims(folder.path / CLAIMS) as claims:
        start = first_start(claims, folder, cases, time_limit)
        chunks = [chunk for name, of in cases.items() for chunk in chunks_of(name, of, start)]
        joined = Joined(claims, chunks)
        found = {w.card.name: ModelLeft(w, len(cases[w.card.name]), Planner(()), 0) for w in models}
        turns = Turns(around, found)
        turns.join(joined)
        complete = joined.complete()
    folder.read_again()
    return turns, complete


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
            model = (str(card["sha256"]), generation_of(card))
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
    left = {
        name: sum(folder.record(key) is None for key in of_model.values())
        for name, of_model in keys.items()
        if name in asked
    }
    return SuiteOutcome(suite, plan.cases, rows, results, failed, n_done, left)
