"""The files of a run folder: what was run, what was planned, and the line of a case.

| file | what it is |
|---|---|
| ``run.yaml`` | settings, versions, model cards, data |
| ``plan.json`` | every case that was asked for, with its key |
| ``journal/`` | finished cases (`umlip_bench.ground.journal`): the record |
| ``predictions/`` | the arrays of each |
| ``models/`` | what each model gave for a few structures, to know it again |
| ``cases.jsonl``, ``summary.json`` | written at the end from the others, for people and scripts |
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from umlip_bench.ground.codec import read_yaml
from umlip_bench.ground.content import as_float, as_list, as_mapping
from umlip_bench.ground.errors import ContentError, JournalError, RunFolderError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import Journal, JournalWriter
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.plain import load_json

T = TypeVar("T")

SUMMARY_SCHEMA, CONFIG_SCHEMA, PLAN_SCHEMA = 4, 6, 1
CONFIG, PLAN, JOURNAL, PREDICTIONS, MODELS = (
    "run.yaml",
    "plan.json",
    "journal",
    "predictions",
    "models",
)
CASES, SUMMARY = "cases.jsonl", "summary.json"

VERSIONS = "versions"
"""Of a model's entry in run.yaml: distributions of its environment, which its identity is bound to."""

DONE, FAILED = "done", "failed"
DATA_NOTES = "data_notes"
"""Entry of the provenance: what a reader of the numbers must know of the data."""
HAS_REFERENCE = "has_reference"
"""Entry of the provenance: whether there are reference values; those of a structure alone are none."""
GENERATION = "generation"
"""Entry of a model in run.yaml: how often it was measured anew under its name."""

Plan = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Keys of the cases that were asked for, by model, suite and name of the case."""


@dataclass(frozen=True)
class CaseRecord:
    """A finished case.

    Parameters
    ----------
    key
        Digest of all that the result depends on.
    model, data, suite, case
        Names.
    elements
        Chemical symbols of the case, sorted.
    status
        ``"done"`` or ``"failed"``.
    reason
        Why it failed; ``None`` for one that is done.
    metrics
        The suite's numbers for the case; empty for one that failed.
    """

    key: str
    model: str
    data: str
    suite: str
    case: str
    elements: tuple[str, ...]
    status: str
    reason: str | None
    metrics: Mapping[str, int | float]

    def to_json(self) -> str:
        """Line of cases.jsonl, without the line break; not-a-number is ``null`` there."""
        metrics = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.metrics.items()
        }
        return json.dumps({**asdict(self), "metrics": metrics}, ensure_ascii=False)


@dataclass(frozen=True)
class CaseEnding:
    """How a case ended: what of a `CaseRecord` telling the status of a run needs.

    Parameters
    ----------
    status
        ``"done"`` or ``"failed"``.
    """

    status: str


@dataclass(frozen=True)
class RunConfig:
    """What ``run.yaml`` says.

    Parameters
    ----------
    identity
        What must be the same for a run to be continued in the same folder (data, settings).
    provenance
        What is only recorded: versions, host, device.
    models
        Model cards by name, each with origin and identity of the weights and, for a model in a Python of its
        own, the versions there (`VERSIONS`); a folder gathers those of all commands.
    suites
        Names of the suites, gathered likewise.
    """

    identity: Mapping[str, object]
    provenance: Mapping[str, object]
    models: Mapping[str, Mapping[str, object]]
    suites: Sequence[str]


@dataclass(frozen=True, eq=False)
class Recorded:
    """The planned cases of a folder, as far as they are finished.

    Parameters
    ----------
    records
        By suite and model, in the order of the plan.
    missing
        Names of the planned cases that are not finished, by model and suite; only where there are any.
    n_planned
        How many were planned, by model and suite.
    damaged
        What of the folder could not be read, a sentence each.
    """

    records: tuple[CaseRecord, ...]
    missing: Mapping[tuple[str, str], tuple[str, ...]]
    n_planned: Mapping[tuple[str, str], int]
    damaged: tuple[str, ...] = field(default=())

    @property
    def incomplete(self) -> tuple[str, ...]:
        """What is not there, a sentence for each model and suite."""
        return tuple(
            f"{model}, {suite}: {self.n_planned[model, suite] - len(names)} of "
            f"{self.n_planned[model, suite]} planned cases are there, missing: {_few(names)}"
            for (model, suite), names in self.missing.items()
        )


def generation_of(entry: Mapping[str, object]) -> int:
    """How often the model of an entry was measured anew under its name."""
    return int(as_float(entry.get(GENERATION, 0)))


def level_of(entry: Mapping[str, object]) -> LevelOfTheory:
    """Level of theory of a model or data set, from its entry.

    Raises
    ------
    KeyError, TypeError
        If it has none.
    """
    fields: dict[str, Any] = as_mapping(entry["level_of_theory"])
    return LevelOfTheory(**fields)


def config_of(content: Mapping[str, object]) -> RunConfig:
    """What the content of a run.yaml says.

    Raises
    ------
    KeyError, TypeError
        If something is missing or of another form.
    """
    return RunConfig(
        as_mapping(content["identity"]),
        as_mapping(content["provenance"]),
        {name: as_mapping(entry) for name, entry in as_mapping(content["models"]).items()},
        [str(name) for name in as_list(content["suites"])],
    )


def read_config(path: Path) -> RunConfig:
    """Read a run.yaml.

    Raises
    ------
    RunFolderError
        If it is not one.
    """
    try:
        content = as_mapping(read_yaml(path))
        schema = content["schema"]
        if schema != CONFIG_SCHEMA:
            remedy = "choose another --out"
            if isinstance(schema, int) and 1 < schema < CONFIG_SCHEMA:
                remedy = (
                    f"`umlip-bench convert {path.parent} --out NEW` makes a folder that can be read, or "
                    "choose another --out to run again"
                )
            raise RunFolderError(
                f"{path} has schema {schema!r}, this version reads {CONFIG_SCHEMA}; {remedy}"
            )
        return config_of(content)
    except (ContentError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} is damaged ({error}); choose another --out") from error


def read_plan(folder: Path) -> Plan:
    """Read plan.json; empty if there is none yet.

    Raises
    ------
    RunFolderError
        If it is damaged.
    """
    path = folder / PLAN
    if not path.exists():
        return {}
    try:
        content = as_mapping(load_json(path.read_bytes()))
        if content["schema"] != PLAN_SCHEMA:
            raise ValueError(f"schema {content['schema']!r}, expected {PLAN_SCHEMA}")
        return {
            model: {suite: _keys(cases) for suite, cases in as_mapping(suites).items()}
            for model, suites in as_mapping(content["plan"]).items()
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"{path} is damaged ({error}); remove it and give the run's command again: finished cases "
            "are not computed anew"
        ) from error


def _keys(cases: object) -> dict[str, str]:
    found = {name: key for name, key in as_mapping(cases).items() if isinstance(key, str)}
    if found.keys() != as_mapping(cases).keys():
        raise ValueError("a key is no text")
    return found


def open_journal(folder: Path) -> Journal[CaseRecord]:
    """The finished cases of a run folder.

    Raises
    ------
    RunFolderError
        If they cannot be read.
    """
    return _open(folder, CaseRecord)


def open_endings(folder: Path) -> Journal[CaseEnding]:
    """As `open_journal`, of each case no more than how it ended: half of the time of many.

    Raises
    ------
    RunFolderError
        If they cannot be read.
    """
    return _open(folder, CaseEnding)


def _open(folder: Path, kind: type[T]) -> Journal[T]:
    try:
        return Journal(folder / JOURNAL, kind, arrays=folder / PREDICTIONS)
    except JournalError as error:
        raise RunFolderError(str(error)) from error


def journal_writer(folder: Path, name: str) -> JournalWriter[CaseRecord]:
    """Adds finished cases to a run folder, in a file whose name begins so."""
    return JournalWriter(folder / JOURNAL, arrays=folder / PREDICTIONS, name=name)


def recorded(journal: Journal[CaseRecord], plan: Plan) -> Recorded:
    """Planned cases that are finished, and which are not.

    Parameters
    ----------
    journal
        Of the folder.
    plan
        Of the folder.
    """
    suites = list(dict.fromkeys(suite for by_suite in plan.values() for suite in by_suite))
    records: list[CaseRecord] = []
    missing: dict[tuple[str, str], tuple[str, ...]] = {}
    n_planned: dict[tuple[str, str], int] = {}
    for suite in suites:
        for model, by_suite in plan.items():
            cases = by_suite.get(suite, {})
            found = {name: journal.get(key) for name, key in cases.items()}
            # Measured once, a model may go by several names.
            records += [replace(record, model=model) for record in found.values() if record]
            absent = tuple(name for name, record in found.items() if record is None)
            n_planned[model, suite] = len(cases)
            if absent:
                missing[model, suite] = absent
    return Recorded(tuple(records), missing, n_planned, journal.damaged)


def summary_identity(records: Sequence[CaseRecord], suite: str) -> str:
    """Which finished cases a suite's rows of a summary are of."""
    of_suite = [r for r in records if r.suite == suite]
    return identity("summary", suite, sorted((r.key, r.status == DONE) for r in of_suite))


def _few(names: Sequence[str], n_shown: int = 4) -> str:
    more = f" and {len(names) - n_shown} more" if len(names) > n_shown else ""
    return ", ".join(names[:n_shown]) + more
