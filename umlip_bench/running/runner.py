"""Running suites: models times cases into a run folder, going on where an earlier run stopped."""

from __future__ import annotations

import platform
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch

from umlip_bench.analysis.run_files import CaseKey, CaseRecord, RunConfig
from umlip_bench.benchmarks.suite import Case, Suite
from umlip_bench.engine.scheduler import Done, run_tasks
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.version import __version__
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.folder import RunFolder

RECORDED_PACKAGES = (
    "ase",
    "chgnet",
    "e3nn",
    "mace-torch",
    "matgl",
    "numpy",
    "phonopy",
    "pymatgen",
    "seekpath",
    "spglib",
    "torch",
)


@dataclass(frozen=True)
class DataIdentity:
    """What a run needs to know of its reference data.

    Parameters
    ----------
    id
        Name.
    sha256
        Digest of the labels.
    level_of_theory
        Of the labels.
    """

    id: str
    sha256: str
    level_of_theory: LevelOfTheory


class ProgressDisplay(Protocol):
    """Shows how far a run is."""

    def start(self, model: str, total: int, finished: int) -> None:
        """A model begins; `finished` of its `total` cases were done by an earlier run."""
        ...

    def advance(self) -> None:
        """One more case ended."""
        ...


@dataclass(frozen=True, eq=False)
class SuitePlan:
    """A suite and the cases of it that are to be run; at least one."""

    suite: Suite
    cases: Sequence[Case]


@dataclass(frozen=True, eq=False)
class SuiteOutcome:
    """What came of one suite, over all models of the run folder.

    Parameters
    ----------
    suite
        The suite.
    rows
        Its part of the summary.
    results
        Results of the cases that succeeded, by model.
    failed
        Cases of the models asked for that ended with an error.
    n_done
        Cases of the models asked for that have a result.
    """

    suite: Suite
    rows: Sequence[Any]
    results: Mapping[str, Sequence[Any]]
    failed: Sequence[CaseRecord]
    n_done: int


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
    """

    suites: Sequence[SuiteOutcome]
    unusable: Mapping[str, str]
    levels: Mapping[str, LevelOfTheory]

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
) -> RunOutcome:
    """Run suites with several models and write the run folder.

    All cases of a model, of whichever suite, are under way together.

    Parameters
    ----------
    plans
        What to measure.
    models
        Located weights; each model is loaded only if it has cases left to do.
    data
        Identity of the reference data that the cases are from.
    out
        Run folder, new or interrupted.
    device, dtype
        Where and in which number format models are evaluated.
    progress
        Told about every case.

    Returns
    -------
    Outcome
        Also written to ``summary.json``.

    Raises
    ------
    RunFolderError
        If the folder holds another run or is in use.
    """
    settings = {"dtype": str(dtype).removeprefix("torch.")}
    labels = {
        "id": data.id,
        "sha256": data.sha256,
        "level_of_theory": asdict(data.level_of_theory),
    }
    identity = {"data": labels, "settings": settings}
    config = RunConfig(
        identity,
        _provenance(device),
        {w.card.name: _card(w) for w in models},
        [plan.suite.name for plan in plans],
    )
    asked = {weights.card.name for weights in models}
    with RunFolder(out, config) as folder:
        unusable = {}
        for weights in models:
            left = []
            total = 0
            for plan in plans:
                keys = _keys(plan, weights.sha256, settings, data)
                total += len(keys)
                left += [
                    _Left(plan.suite, case, keys[case.name])
                    for case in plan.cases
                    if folder.record(keys[case.name]) is None
                ]
            progress.start(weights.card.name, total, total - len(left))
            if not left:
                continue
            try:
                potential = family(weights.card.family)(weights, device=device, dtype=dtype)
            except UmlipBenchError as error:
                unusable[weights.card.name] = str(error)
                continue
            for record, arrays in _measure(potential, left, data.id):
                folder.add(record, arrays)
                progress.advance()

        # The summary is the folder's: models of earlier commands stay in it.
        outcomes = [_collect(folder, plan, settings, data, asked) for plan in plans]
        folder.write_summary(
            {outcome.suite.name: outcome.rows for outcome in outcomes},
            {plan.suite.name: [case.name for case in plan.cases] for plan in plans},
        )
        levels = {
            name: LevelOfTheory(**card["level_of_theory"])
            for name, card in folder.config.models.items()
        }
    return RunOutcome(outcomes, unusable, levels)


@dataclass(frozen=True, eq=False)
class _Left:
    """A case that is still to be measured."""

    suite: Suite
    case: Case
    key: CaseKey


def _keys(
    plan: SuitePlan, weights: str, settings: Mapping[str, str], data: DataIdentity
) -> dict[str, CaseKey]:
    """Keys of a plan's cases for one model, by name of the case."""
    return {
        case.name: CaseKey(
            suite=plan.suite.name,
            suite_version=plan.suite.version,
            settings=settings,
            case=case.name,
            structures=case.fingerprint,
            model=weights,
            data=data.sha256,
        )
        for case in plan.cases
    }


def _measure(
    potential: Potential, left: Sequence[_Left], data: str
) -> Iterator[tuple[CaseRecord, Any]]:
    """Records and arrays of cases as they end."""
    tasks = ((one, one.suite.measure(one.case)) for one in left)
    for outcome in run_tasks(potential, tasks):
        one = outcome.key
        error: UmlipBenchError | None = None
        metrics: Any = {}
        arrays = None
        if isinstance(outcome, Done):
            try:
                metrics = one.suite.metrics(outcome.result)
                arrays = one.suite.to_arrays(outcome.result)
            except UmlipBenchError as caught:
                error = caught
        else:
            error = outcome.error
        yield (
            CaseRecord(
                key=one.key.digest,
                model=potential.card.name,
                data=data,
                suite=one.suite.name,
                case=one.case.name,
                elements=one.case.elements,
                status="done" if error is None else "failed",
                reason=None if error is None else str(error),
                metrics=metrics if error is None else {},
            ),
            arrays if error is None else None,
        )


def _collect(
    folder: RunFolder,
    plan: SuitePlan,
    settings: Mapping[str, str],
    data: DataIdentity,
    asked: Collection[str],
) -> SuiteOutcome:
    """What the folder holds of a plan's cases, for all its models."""
    suite = plan.suite
    rows: list[Any] = []
    results: dict[str, Sequence[Any]] = {}
    failed: list[CaseRecord] = []
    n_done = 0
    for name, card in folder.config.models.items():
        keys = _keys(plan, card["sha256"], settings, data)
        finished = [r for r in map(folder.record, keys.values()) if r is not None]
        if not finished:
            continue
        done = [record for record in finished if record.status == "done"]
        results[name] = [suite.from_arrays(r.case, folder.arrays(r)) for r in done]
        rows += suite.rows(name, data.id, results[name], len(finished) - len(done))
        if name in asked:
            failed += [record for record in finished if record.status == "failed"]
            n_done += len(done)
    return SuiteOutcome(suite, rows, results, failed, n_done)


def _card(weights: Weights) -> dict[str, Any]:
    card = asdict(weights.card)
    card["elements"] = " ".join(weights.card.elements)
    return {**card, "origin": str(weights.origin), "sha256": weights.sha256}


def _provenance(device: torch.device) -> dict[str, Any]:
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor()
    return {
        "umlip_bench": __version__,
        "python": platform.python_version(),
        "packages": {package: version(package) for package in RECORDED_PACKAGES},
        "platform": platform.platform(),
        "device": f"{device} {name}".strip(),
        "torch_threads": torch.get_num_threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }
