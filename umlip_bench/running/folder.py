"""The run folder, open for adding cases: going on where an earlier command stopped.

One command at a time has it, unless several join: those are given the same command, and share its work by
claims.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import yaml

from umlip_bench.analysis.properties import PropertyRow
from umlip_bench.analysis.run_files import (
    CASES,
    CONFIG,
    CONFIG_SCHEMA,
    GENERATION,
    PLAN,
    PLAN_SCHEMA,
    SUMMARY,
    SUMMARY_SCHEMA,
    CaseRecord,
    RunConfig,
    generation_of,
    open_journal,
    read_config,
    read_plan,
    recorded,
    summary_identity,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.ground.files import PREFIX, write_atomically
from umlip_bench.ground.journal import Journal
from umlip_bench.ground.lock import Lock
from umlip_bench.ground.outputs import make_folder
from umlip_bench.ground.plain import load_json

LOCK, CLAIMS = ".lock", "claims"


class RunFolder:
    """One run folder, open for adding cases.

    Parameters
    ----------
    path
        Created if absent.
    config
        The run; must agree with what is in the folder already.
    new_models
        Names of models that are to be measured anew: what the folder has of them no longer counts.
    join
        Whether others may join, who were given the same command; else nobody else may have the folder.

    Attributes
    ----------
    damaged
        What of an earlier command could not be read and is computed again, a sentence each.

    Raises
    ------
    RunFolderError
        If the folder holds something else or another run, is damaged, or is in use.
    """

    def __init__(
        self,
        path: Path,
        config: RunConfig,
        new_models: Collection[str] = (),
        *,
        join: bool = False,
    ) -> None:
        self.path = path
        _check_ours(path)
        # Locks may not work on the file systems of those who join, who need none.
        lock = None if join else Lock(path / LOCK, path, "choose another --out", RunFolderError)
        self._lock = lock
        try:
            make_folder(path)
            self.config = self._merge(config, new_models)
            self.plan = self._without(new_models)
        except BaseException:
            if lock is not None:
                lock.release()
            raise

    @cached_property
    def _journal(self) -> Journal[CaseRecord]:
        return open_journal(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        if self._lock is not None:
            self._lock.release()

    def _close(self) -> None:
        """Close the journal; it is read anew when it is next asked for."""
        found = vars(self).pop("_journal", None)
        if found is not None:
            found.close()

    @property
    def damaged(self) -> tuple[str, ...]:
        """See the class."""
        return self._journal.damaged

    def set_plan(self, suite: str, cases: Mapping[str, Mapping[str, str]]) -> None:
        """Write which cases of a suite the folder is to have.

        Parameters
        ----------
        suite
            Its name.
        cases
            Keys by model and name of the case; in place of what was planned of the suite before.
        """
        before = {model: by_suite.get(suite) for model, by_suite in self.plan.items()}
        if {model: keys for model, keys in before.items() if keys is not None} == cases:
            return
        for by_suite in self.plan.values():
            by_suite.pop(suite, None)
        for model, keys in cases.items():
            self.plan.setdefault(model, {})[suite] = dict(keys)
        text = json.dumps({"schema": PLAN_SCHEMA, "plan": self.plan}, ensure_ascii=False, indent=0)
        write_atomically(self.path / PLAN, lambda file: file.write(text.encode()))

    def record(self, key: str) -> CaseRecord | None:
        """The finished case of that key, or ``None`` if it has not been finished yet."""
        return self._journal.get(key)

    def add(self, record: CaseRecord, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Add a finished case: first its arrays, then its line."""
        self._journal.append(record.key, record, arrays)

    def read_again(self) -> None:
        """Take in what other processes have added meanwhile."""
        self._close()

    def end_claims(self) -> None:
        """Forget what processes that joined have claimed: one that has the folder alone looks itself."""
        shutil.rmtree(self.path / CLAIMS, ignore_errors=True)

    def arrays(self, record: CaseRecord) -> Mapping[str, np.ndarray]:
        """What was stored with a case that is done."""
        return self._journal.arrays(record.key)

    def write_summary(
        self,
        rows: Mapping[str, Sequence[Row]],
        properties: Mapping[str, Sequence[PropertyRow]] | None = None,
    ) -> None:
        """Write cases.jsonl, and the rows of some suites to summary.json; those of other suites stay.

        Parameters
        ----------
        rows
            By name of the suite.
        properties
            Of a run without reference values, likewise.
        """
        found = recorded(self._journal, self.plan)
        lines = "".join(record.to_json() + "\n" for record in found.records)
        write_atomically(self.path / CASES, lambda file: file.write(lines.encode()))
        before, properties_before, known = self._summary_before()
        of = {**known, **{name: summary_identity(found.records, name) for name in rows}}
        by_suite = {name: [row.to_json() for row in several] for name, several in rows.items()}
        for row in before:
            if row["suite"] not in rows:
                by_suite.setdefault(row["suite"], []).append(row)
        found_properties = {
            name: [row.to_json() for row in several] for name, several in (properties or {}).items()
        }
        for row in properties_before:
            if row["suite"] not in rows:
                found_properties.setdefault(row["suite"], []).append(row)
        content = {
            "schema": SUMMARY_SCHEMA,
            "of": {name: of[name] for name in self.config.suites if name in of},
            "rows": [row for name in self.config.suites for row in by_suite.get(name, [])],
        }
        if found_properties:
            content["properties"] = [
                row for name in self.config.suites for row in found_properties.get(name, [])
            ]
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(self.path / SUMMARY, lambda file: file.write(text.encode()))

    def _summary_before(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]], dict[str, str]]:
        """Rows and properties that are there, and what they are of; nothing of what cannot be read."""
        try:
            content = as_mapping(load_json((self.path / SUMMARY).read_bytes()))
            if content["schema"] != SUMMARY_SCHEMA:
                return [], [], {}  # made anew from the cases by whoever reads them
            rows = [as_mapping(row) for row in as_list(content["rows"])]
            properties = [as_mapping(row) for row in as_list(content.get("properties", []))]
            of = {suite: str(digest) for suite, digest in as_mapping(content["of"]).items()}
            return [row for row in rows if isinstance(row["suite"], str)], properties, of
        except (OSError, ValueError, KeyError, TypeError):
            return [], [], {}

    def _merge(self, config: RunConfig, new_models: Collection[str]) -> RunConfig:
        """Agree with an earlier run.yaml, and write the union of models and suites."""
        path = self.path / CONFIG
        models = dict(config.models)
        suites = list(config.suites)
        if path.exists():
            before = read_config(path)
            suites = list(dict.fromkeys([*before.suites, *suites]))
            for name, value in config.identity.items():
                if before.identity.get(name) != value:
                    raise RunFolderError(
                        f"{self.path} holds a run with {name} = {before.identity.get(name)!r}, this one "
                        f"has {value!r}; choose another --out"
                    )
            for name, card in before.models.items():
                if name in models:
                    generation = generation_of(card) + (name in new_models)
                    models[name] = {**models[name], GENERATION: generation}
                if name in new_models:
                    continue
                if name in models and models[name]["sha256"] != card["sha256"]:
                    raise RunFolderError(
                        f"{self.path} was run with another model of the name {name} (identity "
                        f"{card['sha256']}, now {models[name]['sha256']}); choose another --out, or "
                        "--new-model to measure it anew here"
                    )
                models.setdefault(name, card)
            if self._lock is None and (models, suites) == (before.models, list(before.suites)):
                return before  # by another who joined
        merged = RunConfig(config.identity, config.provenance, models, suites)
        text = yaml.safe_dump(
            {"schema": CONFIG_SCHEMA, **{k: _plain(v) for k, v in vars(merged).items()}},
            sort_keys=False,
            allow_unicode=True,
        )
        write_atomically(path, lambda file: file.write(text.encode()))
        return merged

    def _without(self, new_models: Collection[str]) -> dict[str, dict[str, dict[str, str]]]:
        """What was planned before, but of these models."""
        return {
            model: {suite: dict(cases) for suite, cases in by_suite.items()}
            for model, by_suite in read_plan(self.path).items()
            if model not in new_models
        }


def _check_ours(path: Path) -> None:
    """Refuse a file, and a folder that holds something else."""
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"{path} is a file; --out must name a folder")
    try:
        if path.exists() and not (path / CONFIG).exists():
            # A run that was killed before its first file was whole leaves only these.
            ours = (LOCK, PREFIX, CLAIMS, f".{CONFIG}.")
            if not all(entry.name.startswith(ours) for entry in path.iterdir()):
                raise RunFolderError(
                    f"{path} is not empty and not a run folder; choose another --out"
                )
    except OSError as error:
        raise RunFolderError(
            f"{path} cannot be read ({error.strerror}); choose another --out"
        ) from error


def _plain(value: Any) -> Any:
    """Only what YAML's safe dumper knows."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
