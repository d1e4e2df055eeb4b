"""Running a suite: models times cases into a run folder, going on where an earlier run stopped."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import torch

from umlip_bench import __version__
from umlip_bench.engine.requests import Task
from umlip_bench.engine.scheduler import Done, run_tasks
from umlip_bench.errors import UmlipBenchError
from umlip_bench.potentials.card import LevelOfTheory
from umlip_bench.potentials.families import family
from umlip_bench.potentials.store import Weights
from umlip_bench.runs import CaseKey, CaseRecord, RunConfig, RunFolder
from umlip_bench.suite import Suite

RECORDED_PACKAGES = ("ase", "chgnet", "e3nn", "mace-torch", "matgl", "numpy", "pymatgen", "torch")


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


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Parameters
    ----------
    rows
        The summary, over all models of the folder.
    failed
        Cases of the models asked for that ended with an error.
    unusable
        Models that could not be loaded, with the reason.
    levels
        Level of theory of every model in the folder.
    n_done
        Cases of the models asked for that have a result.
    """

    rows: Sequence[Any]
    failed: Sequence[CaseRecord]
    unusable: Mapping[str, str]
    levels: Mapping[str, LevelOfTheory]
    n_done: int


def run_suite(
    suite: Suite,
    models: Sequence[Weights],
    dataset: Any,
    data: DataIdentity,
    out: Path,
    *,
    device: torch.device,
    dtype: torch.dtype,
    progress: ProgressDisplay,
) -> Outcome:
    """Run one suite with several models and write the run folder.

    Parameters
    ----------
    suite
        What to measure.
    models
        Located weights; each model is loaded only if it has cases left to do.
    dataset, data
        The reference data and its identity.
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
    UmlipBenchError
        If the data set has no case for the suite.
    """
    cases = suite.cases(dataset)
    if not cases:
        raise UmlipBenchError(f"data set {data.id} has no case for the suite {suite.name}")
    settings = {"dtype": str(dtype).removeprefix("torch.")}
    identity = {
        "suite": suite.name,
        "data": {"id": data.id, "sha256": data.sha256},
        "settings": settings,
    }
    config = RunConfig(identity, _provenance(device), {w.card.name: _card(w) for w in models})
    with RunFolder(out, config) as folder:

        def keys_of(sha256: str) -> dict[str, CaseKey]:
            return {
                case.name: CaseKey(
                    suite=suite.name,
                    suite_version=suite.version,
                    settings=settings,
                    case=case.name,
                    structures=case.fingerprint,
                    model=sha256,
                    data=data.sha256,
                )
                for case in cases
            }

        unusable = {}
        for weights in models:
            keys = keys_of(weights.sha256)
            left = [case for case in cases if folder.record(keys[case.name]) is None]
            progress.start(weights.card.name, len(cases), len(cases) - len(left))
            if not left:
                continue
            try:
                potential = family(weights.card.family)(weights, device=device, dtype=dtype)
            except UmlipBenchError as error:
                unusable[weights.card.name] = str(error)
                continue
            tasks = ((case.name, suite.measure(case)) for case in left)
            for record, arrays in _measure(suite, potential, tasks, keys, data.id):
                folder.add(record, arrays)
                progress.advance()

        # The summary is the folder's: models of earlier commands stay in it.
        rows: list[Any] = []
        records: list[CaseRecord] = []
        for name, card in folder.config.models.items():
            found = (folder.record(key) for key in keys_of(card["sha256"]).values())
            finished = [record for record in found if record is not None]
            done = [record for record in finished if record.status == "done"]
            if finished:
                results = [suite.from_arrays(r.case, folder.arrays(r)) for r in done]
                rows += suite.rows(name, data.id, results, len(finished) - len(done))
                records += finished
        folder.write_summary(rows)
        levels = {
            name: LevelOfTheory(**card["level_of_theory"])
            for name, card in folder.config.models.items()
        }
    asked = {weights.card.name for weights in models}
    mine = [record for record in records if record.model in asked]
    failed = [record for record in mine if record.status == "failed"]
    return Outcome(rows, failed, unusable, levels, n_done=len(mine) - len(failed))


def _measure(
    suite: Suite,
    potential: Any,
    tasks: Iterator[tuple[str, Task]],
    keys: dict[str, CaseKey],
    data: str,
) -> Iterator[tuple[CaseRecord, Any]]:
    """Records and arrays of cases as they end."""
    for outcome in run_tasks(potential, tasks):
        error: UmlipBenchError | None = None
        metrics: Any = {}
        arrays = None
        if isinstance(outcome, Done):
            try:
                metrics, arrays = suite.metrics(outcome.result), suite.to_arrays(outcome.result)
            except UmlipBenchError as caught:
                error = caught
        else:
            error = outcome.error
        yield (
            CaseRecord(
                key=keys[outcome.key].digest,
                model=potential.card.name,
                data=data,
                suite=suite.name,
                case=outcome.key,
                status="done" if error is None else "failed",
                reason=None if error is None else str(error),
                metrics=metrics if error is None else {},
            ),
            arrays if error is None else None,
        )


def differs(model: LevelOfTheory, data: LevelOfTheory) -> bool:
    """Whether both functionals are known and not the same."""
    return "unknown" not in (model.functional, data.functional) and (
        model.functional != data.functional
    )


def level_warning(model: LevelOfTheory, data: LevelOfTheory) -> str | None:
    """Why results of a model against data should be read with care, or ``None``.

    Energy corrections and +U do not touch forces; the functional does.
    """
    if "unknown" in (model.functional, data.functional):
        side = "model" if model.functional == "unknown" else "data"
        return f"the {side}'s functional is not known"
    if differs(model, data):
        return f"the model was trained on {model.functional}, the data is {data.functional}"
    return None


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
