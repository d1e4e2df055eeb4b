"""The run folder: what was run, every finished case, its predictions, the summary.

``run.yaml`` holds settings, versions, model cards and data; ``cases.jsonl`` one line per finished case,
flushed as it ends; ``predictions/`` the arrays; ``summary.json`` the tidy table. A run that is
interrupted at any point goes on where it was, because a case counts as finished only once its line is
complete, and its arrays are on disk before that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import yaml
from filelock import FileLock, Timeout

from umlip_bench.analysis.run_files import (
    CASES,
    CONFIG,
    CONFIG_SCHEMA,
    PREDICTIONS,
    SUMMARY,
    SUMMARY_SCHEMA,
    CaseKey,
    CaseRecord,
    RunConfig,
    read_config,
)
from umlip_bench.ground.errors import RunFolderError
from umlip_bench.ground.files import write_atomically

if TYPE_CHECKING:
    from umlip_bench.benchmarks.suite import SummaryRow


class RunFolder:
    """One run folder, open for adding cases; only one process at a time.

    Parameters
    ----------
    path
        Created if absent.
    config
        The run; must agree with what is in the folder already.

    Raises
    ------
    RunFolderError
        If the folder holds something else or another run, is damaged, or is in use.
    """

    def __init__(self, path: Path, config: RunConfig) -> None:
        self.path = path
        existed = path.exists()
        if existed and not path.is_dir():
            raise RunFolderError(f"{path} is a file; --out must name a folder")
        if existed and not (path / CONFIG).exists():
            # A run that was killed before its first file was whole leaves only these.
            ours = (".lock", f".{CONFIG}.")
            if not all(entry.name.startswith(ours) for entry in path.iterdir()):
                raise RunFolderError(
                    f"{path} is not empty and not a run folder; choose another --out"
                )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunFolderError(
                f"{path} cannot be created ({error.strerror}); choose another --out"
            ) from error
        self._lock = FileLock(path / ".lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout as error:
            raise RunFolderError(
                f"{path} is in use by another process; wait for it or choose another --out"
            ) from error
        try:
            self.config = self._merge(config)
            (path / PREDICTIONS).mkdir(exist_ok=True)
            self._records = self._recover()
            self._stream = (path / CASES).open("a", encoding="utf-8")
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stream.close()
        self._lock.release()

    def record(self, key: CaseKey) -> CaseRecord | None:
        """The finished case of that key, or ``None`` if it has not been finished yet."""
        return self._records.get(key.digest)

    def add(self, record: CaseRecord, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Add a finished case: first its arrays, then its line."""
        if arrays is not None:
            write_atomically(
                self._arrays_path(record.key),
                lambda file: np.savez_compressed(file, **dict(arrays)),  # type: ignore[arg-type]
            )
        self._stream.write(record.to_json() + "\n")
        self._stream.flush()
        os.fsync(self._stream.fileno())
        self._records[record.key] = record

    def arrays(self, record: CaseRecord) -> dict[str, np.ndarray]:
        """What was stored with a case that is done."""
        with np.load(self._arrays_path(record.key), allow_pickle=False) as stored:
            return dict(stored)

    def write_summary(
        self, rows: Mapping[str, Sequence[SummaryRow]], cases: Mapping[str, Sequence[str]]
    ) -> None:
        """Write the rows of some suites to summary.json; those of other suites in it stay.

        Parameters
        ----------
        rows
            By name of the suite.
        cases
            Names of the cases that they are of, by name of the suite: a folder may hold more.
        """
        by_suite = {name: [row.to_json() for row in several] for name, several in rows.items()}
        before = self._summary()
        for row in before["rows"]:
            if row["suite"] not in rows:
                by_suite.setdefault(row["suite"], []).append(row)
        names = {**before["cases"], **{name: list(several) for name, several in cases.items()}}
        suites = self.config.suites
        content = {
            "schema": SUMMARY_SCHEMA,
            "cases": {name: names[name] for name in suites if name in names},
            "rows": [row for name in suites for row in by_suite.get(name, [])],
        }
        text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        write_atomically(self.path / SUMMARY, lambda file: file.write(text.encode()))

    def _summary(self) -> dict[str, Any]:
        """The summary that is there."""
        path = self.path / SUMMARY
        if not path.exists():
            return {"cases": {}, "rows": []}
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content

    def _arrays_path(self, key: str) -> Path:
        return self.path / PREDICTIONS / f"{key}.npz"

    def _merge(self, config: RunConfig) -> RunConfig:
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
                if name in models and models[name]["sha256"] != card["sha256"]:
                    raise RunFolderError(
                        f"{self.path} was run with other weights of {name} (sha256 {card['sha256']}); "
                        "choose another --out"
                    )
                models.setdefault(name, card)
        merged = RunConfig(config.identity, config.provenance, models, suites)
        text = yaml.safe_dump(
            {"schema": CONFIG_SCHEMA, **{k: _plain(v) for k, v in vars(merged).items()}},
            sort_keys=False,
            allow_unicode=True,
        )
        write_atomically(path, lambda file: file.write(text.encode()))
        return merged

    def _recover(self) -> dict[str, CaseRecord]:
        """Read the finished cases; cut off a last line that an interruption left incomplete."""
        path = self.path / CASES
        if not path.exists():
            return {}
        content = path.read_bytes()
        complete = content[: content.rfind(b"\n") + 1]
        if len(complete) < len(content):
            with path.open("r+b") as file:
                file.truncate(len(complete))
        records = {}
        # Not splitlines, which takes other characters for line breaks that may stand in a name.
        for number, line in enumerate(complete.split(b"\n")[:-1], 1):
            try:
                record = CaseRecord.from_json(line.decode("utf-8"))
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                raise RunFolderError(
                    f"{path}, line {number} is damaged ({error}); remove that line and run again"
                ) from error
            # Arrays come first, so they can only be absent if somebody removed them.
            if record.status == "failed" or self._arrays_path(record.key).exists():
                records[record.key] = record
        return records


def _plain(value: Any) -> Any:
    """Only what YAML's safe dumper knows."""
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value
