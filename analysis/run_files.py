"""The files of a run folder: one line per case, the settings, and the key of a case."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from umlip_bench.ground.codec import read_yaml
from umlip_bench.ground.errors import RunFolderError

SUMMARY_SCHEMA, CONFIG_SCHEMA = 2, 4
CONFIG, CASES, PREDICTIONS, SUMMARY = "run.yaml", "cases.jsonl", "predictions", "summary.json"


@dataclass(frozen=True)
class CaseKey:
    """Everything a case's result depends on; cases with equal digests have the same result.

    Parameters
    ----------
    suite, suite_version
        The suite.
    settings
        What a user can set that changes results.
    case
        Name of the case.
    structures
        Digest of its structures.
    model
        Digest of the weights.
    data
        Digest of the reference data.
    """

    suite: str
    suite_version: int
    settings: Mapping[str, str]
    case: str
    structures: str
    model: str
    data: str

    @property
    def digest(self) -> str:
        """Hex digest of all fields."""
        text = json.dumps({**asdict(self), "settings": dict(self.settings)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True)
class CaseRecord:
    """One line of cases.jsonl.

    Parameters
    ----------
    key
        `CaseKey.digest`.
    model, data, suite, case
        Names.
    elements
        Chemical symbols of the case, sorted.
    status
        ``"done"`` or ``"failed"``.
    reason
        Why it failed; ``None`` for one that is done.
    metrics
        The suite's numbers for the case; empty for one that failed. Not-a-number is ``null`` on disk.
    """

    key: str
    model: str
    data: str
    suite: str
    case: str
    elements: Sequence[str]
    status: str
    reason: str | None
    metrics: Mapping[str, float | int]

    def to_json(self) -> str:
        """One line, without the line break."""
        metrics = {
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in self.metrics.items()
        }
        return json.dumps({**asdict(self), "metrics": metrics}, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Self:
        """Parse one line."""
        fields = json.loads(line)
        fields["metrics"] = {
            name: math.nan if value is None else value for name, value in fields["metrics"].items()
        }
        return cls(**fields)


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
        Model cards by name, each with origin and digest of the weights; a folder gathers those of all
        commands.
    suites
        Names of the suites, gathered likewise.
    """

    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    models: Mapping[str, Mapping[str, Any]]
    suites: Sequence[str]


def read_config(path: Path) -> RunConfig:
    """Read a run.yaml.

    Raises
    ------
    RunFolderError
        If it is not one.
    """
    try:
        content = read_yaml(path)
        if content["schema"] != CONFIG_SCHEMA:
            raise RunFolderError(
                f"{path} has schema {content['schema']!r}, this version reads {CONFIG_SCHEMA}; "
                "choose another --out"
            )
        return RunConfig(
            content["identity"], content["provenance"], dict(content["models"]), content["suites"]
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path} is damaged ({error}); choose another --out") from error
