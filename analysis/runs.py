"""Run folders, read for analysis.

A run folder is read as it is, also while a run adds to it. Nothing is written and no model is needed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from umlip_bench.analysis.properties import PropertyRow
from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.analysis.run_files import (
    CONFIG,
    DATA_NOTES,
    DONE,
    GENERATION,
    HAS_REFERENCE,
    SUMMARY,
    SUMMARY_SCHEMA,
    VERSIONS,
    CaseRecord,
    Recorded,
    RunConfig,
    level_of,
    open_journal,
    read_config,
    read_plan,
    recorded,
    summary_identity,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.errors import JournalError, RunFolderError
from umlip_bench.ground.journal import Journal
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard, WeightsFile
from umlip_bench.ground.plain import load_json

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

BESIDE_CARD = ("origin", "sha256", GENERATION, VERSIONS)
"""What run.yaml says of a model besides its card."""


@dataclass(frozen=True, eq=False)
class Run:
    """A run folder.

    Parameters
    ----------
    path
        The folder.
    config
        What was run: settings, versions, models, data.
    rows
        summary.json.
    records
        The planned cases that are finished, by suite and model, in the order of the plan.
    incomplete
        Which planned cases are not finished, a sentence for each model and suite; empty if all are.
    damaged
        What of the folder could not be read, a sentence each.
    """

    path: Path
    config: RunConfig
    rows: tuple[Row, ...]
    records: tuple[CaseRecord, ...]
    incomplete: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    _results: dict[str, object] = field(default_factory=dict, repr=False)
    _journal: Journal[CaseRecord] | None = field(default=None, repr=False)

    @classmethod
    def of_results(
        cls,
        path: Path,
        config: RunConfig,
        rows: Sequence[Row],
        records: Sequence[CaseRecord],
        results: Mapping[str, object],
    ) -> Run:
        """A run whose results are no files, since they were calculated from those of another.

        Parameters
        ----------
        path, config, rows, records
            As of the class; the path is the other run's.
        results
            By key of the record, of every case that has one.
        """
        return cls(path, config, tuple(rows), tuple(records), _results=dict(results))

    @property
    def name(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    @property
    def _data(self) -> dict[str, object]:
        return as_mapping(self.config.identity["data"])

    @property
    def data(self) -> str:
        """Name of the reference data."""
        return str(self._data["id"])

    @property
    def level(self) -> LevelOfTheory:
        """Level of theory of the reference data."""
        return level_of(self._data)

    @property
    def data_notes(self) -> tuple[str, ...]:
        """What a reader of the numbers must know of the reference data, a sentence each."""
        return tuple(map(str, as_list(self.config.provenance.get(DATA_NOTES) or [])))

    @property
    def has_reference(self) -> bool:
        """Whether there are reference values to compare with."""
        return bool(self.config.provenance.get(HAS_REFERENCE, True))

    @property
    def models(self) -> tuple[str, ...]:
        """Models with at least one finished case, in the order in which they were added."""
        with_cases = {record.model for record in self.records}
        return tuple(name for name in self.config.models if name in with_cases)

    @property
    def suites(self) -> tuple[str, ...]:
        """Suites with at least one finished case, in the order in which they were added."""
        with_cases = {record.suite for record in self.records}
        return tuple(name for name in self.config.suites if name in with_cases)

    def card(self, model: str) -> ModelCard:
        """What run.yaml says of a model.

        Raises
        ------
        RunFolderError
            If there is no such model, or its entry is not a card.
        """
        if model not in self.config.models:
            raise RunFolderError(
                f"{self.path} has no model {model!r}; it has {', '.join(self.config.models)}"
            )
        entry: dict[str, Any] = dict(self.config.models[model])
        try:
            return ModelCard(
                **{
                    **{k: v for k, v in entry.items() if k not in BESIDE_CARD},
                    "level_of_theory": level_of(entry),
                    "elements": tuple(entry["elements"].split()),
                    "files": tuple(WeightsFile(**file) for file in entry["files"]),
                    "package_path": tuple(entry["package_path"]),
                }
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise RunFolderError(
                f"{self.path / CONFIG} is damaged: the card of {model} cannot be read ({error})"
            ) from error

    def of(self, suite: str, model: str) -> list[CaseRecord]:
        """Cases of a suite and model that have a result."""
        return [
            r for r in self.records if r.suite == suite and r.model == model and r.status == "done"
        ]

    def failed(self, suite: str | None = None, model: str | None = None) -> list[CaseRecord]:
        """Cases that failed, of all suites and models or of those named."""
        return [
            r
            for r in self.records
            if r.status == "failed" and suite in (None, r.suite) and model in (None, r.model)
        ]

    def result(self, record: CaseRecord) -> object:
        """The result of a case, from predictions/; of the type of its suite's analysis.

        Raises
        ------
        RunFolderError
            If the case failed, or its file is not there, damaged or of another version.
        """
        if record.key not in self._results:
            if record.status != DONE:
                raise RunFolderError(f"{record.case} has no result: {record.reason}")
            if self._journal is None:
                raise RunFolderError(f"{self.path} has no file of {record.suite}, {record.case}")
            try:
                arrays = self._journal.arrays(record.key)
            except JournalError as error:
                raise RunFolderError(f"{record.suite}, {record.case}: {error}") from error
            try:
                result = suite_of(record.suite).from_arrays(arrays)
            except KeyError as error:
                raise RunFolderError(
                    f"{self._journal.path_of(record.key)}, of {record.suite}, {record.case}, was written by "
                    f"another version and lacks {error}; run again with another --out"
                ) from error
            self._results[record.key] = result
        return self._results[record.key]

    def results(self, suite: str, model: str) -> list[object]:
        """Results of all cases of `of`."""
        return [self.result(record) for record in self.of(suite, model)]

    def results_of(self, kind: type[T], suite: str, model: str) -> list[T]:
        """Results of all cases of `of`, as those of a class.

        Parameters
        ----------
        kind
            That of the suite's results.
        suite, model
            As for `of`.

        Raises
        ------
        TypeError
            If the suite's results are of another class.
        """
        found = self.results(suite, model)
        of_kind = [result for result in found if isinstance(result, kind)]
        if len(of_kind) < len(found):
            raise TypeError(f"results of {suite} are no {kind.__name__}")
        return of_kind

    def find(self, suite: str, variant: str, model: str, metric: str) -> Row | None:
        """A row of the summary; ``None`` if there is none."""
        return self._by_key.get((suite, variant, model, metric))

    @cached_property
    def _by_key(self) -> Mapping[tuple[str, str, str, str], Row]:
        return {(r.suite, r.variant, r.model, r.metric): r for r in self.rows}

    def summary(self) -> pd.DataFrame:
        """The summary, a row each of model, suite, variant and metric; columns are those of `Row`."""
        import pandas as pd

        return pd.DataFrame([row.to_json() for row in self.rows], columns=list(Row.__annotations__))

    def properties(self) -> pd.DataFrame:
        """Properties of a material without reference values, a row each of model, case and property.

        Returns
        -------
        pandas.DataFrame
            Columns are those of `PropertyRow`; without a row where there are reference values.
        """
        import pandas as pd

        rows = [
            row.to_json()
            for suite in (() if self.has_reference else self.suites)
            for model in self.models
            for result in self.results(suite, model)
            for row in suite_of(suite).property_rows(model, self.data, result)
        ]
        return pd.DataFrame(rows, columns=list(PropertyRow.__annotations__))

    def cases(self, suite: str) -> pd.DataFrame:
        """Cases of a suite, a row each of model and case.

        Returns
        -------
        pandas.DataFrame
            ``model``, ``data``, ``case``, ``elements`` (joined by blanks), ``status``, ``reason``, and
            the suite's metrics, nan where a case has none.
        """
        import pandas as pd

        head = ["model", "data", "case", "elements", "status", "reason"]
        lines = [
            {
                "model": r.model,
                "data": r.data,
                "case": r.case,
                "elements": " ".join(r.elements),
                "status": r.status,
                "reason": r.reason,
                **r.metrics,
            }
            for r in self.records
            if r.suite == suite
        ]
        metrics = [name for line in lines for name in line if name not in head]
        return pd.DataFrame(lines, columns=[*head, *dict.fromkeys(metrics)])


def read_run(path: str | Path) -> Run:
    """Read a run folder.

    Parameters
    ----------
    path
        The folder that ``umlip-bench run --out`` wrote.

    Returns
    -------
    Run
        With rows of the cases that are there: where summary.json is not of these, or cannot be read, they
        are computed anew.

    Raises
    ------
    RunFolderError
        If it is not a run folder, has no finished case yet, or is damaged.
    """
    folder = Path(path)
    if not (folder / CONFIG).is_file():
        raise RunFolderError(
            f"{folder} is not a run folder: it has no {CONFIG}; name what `umlip-bench run --out` wrote"
        )
    config = read_config(folder / CONFIG)
    journal = open_journal(folder)
    found = recorded(journal, read_plan(folder))
    records = tuple(r for r in found.records if r.suite in all_suites())
    unknown = Counter(r.suite for r in found.records if r.suite not in all_suites())
    told = tuple(
        f"{name}: no suite of this name is installed, its {n} finished cases are not shown"
        for name, n in unknown.items()
    )
    if not records:
        raise RunFolderError(
            f"{folder} has no finished case yet: the run was interrupted; rerun its command to resume"
        )
    run = Run(
        folder, config, (), records, (*found.incomplete, *told), journal.damaged, _journal=journal
    )
    return replace(run, rows=_rows(run, found))


def _rows(run: Run, found: Recorded) -> tuple[Row, ...]:
    """Rows of summary.json as far as they are of these cases, the others made anew."""
    stored, of = _summary(run.path / SUMMARY)
    rows: list[Row] = []
    for suite in run.suites:
        if of.get(suite) == summary_identity(found.records, suite):
            rows += [row for row in stored if row.suite == suite]
            continue
        for model in run.models:
            failed = run.failed(suite, model)
            results = run.results(suite, model)
            if results or failed:
                rows += suite_of(suite).rows(model, run.data, results, len(failed))
    return tuple(rows)


def _summary(path: Path) -> tuple[tuple[Row, ...], Mapping[str, str]]:
    """Rows, and which cases those of each suite are of; nothing if it is not there or not whole."""
    try:
        content = as_mapping(load_json(path.read_bytes()))
        if content["schema"] != SUMMARY_SCHEMA:
            return (), {}
        rows = tuple(Row.from_json(as_mapping(row)) for row in as_list(content["rows"]))
        return rows, {suite: str(of) for suite, of in as_mapping(content["of"]).items()}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return (), {}
