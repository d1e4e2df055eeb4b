"""Run folders of older versions in today's form.

Schema 4 is of version 0.1, which kept cases in ``cases.jsonl``; in it and in schema 5 each suite laid out the
arrays of its results in its own way (`umlip_bench.running.old_layouts`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.run_files import (
    CASES,
    CONFIG,
    DONE,
    PREDICTIONS,
    CaseRecord,
    RunConfig,
    config_of,
    open_journal,
    read_plan,
    recorded,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.codec import read_yaml
from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.errors import ContentError, RunFolderError, UmlipBenchError
from umlip_bench.ground.packed import unpack
from umlip_bench.ground.plain import from_plain, load_json
from umlip_bench.running.folder import RunFolder
from umlip_bench.running.old_layouts import READERS, read_old

BEFORE_JOURNAL, OLD_SCHEMAS = 4, (4, 5)


@dataclass(frozen=True)
class Converted:
    """How it went.

    Parameters
    ----------
    n_cases
        Cases in the new folder.
    left_out
        Cases that could not be read, with the reason.
    """

    n_cases: int
    left_out: tuple[str, ...]


def convert(old: Path, new: Path) -> Converted:
    """Write an old run folder's cases into a new folder.

    Parameters
    ----------
    old
        Made by version 0.1; stays as it is.
    new
        Must not hold another run.

    Raises
    ------
    RunFolderError
        If `old` is not such a folder, or `new` holds something else.
    """
    if new.resolve() == old.resolve():
        raise RunFolderError(f"{new} is the old folder itself; name a new one with --out")
    schema, config = _config(old / CONFIG)
    left_out = []
    rows: dict[str, list[Row]] = {}
    n_cases = 0
    plan: dict[str, dict[str, dict[str, str]]] = {}
    with RunFolder(new, config) as folder:
        results: dict[tuple[str, str], list[object]] = {}
        failed: dict[tuple[str, str], int] = {}
        for where, read in _lines(old) if schema == BEFORE_JOURNAL else _entries(old):
            try:
                record, arrays = read()
                if record.status == DONE:
                    result = read_old(record.suite, record.case, arrays)
                    folder.add(record, suite_of(record.suite).to_arrays(result))
                    results.setdefault((record.suite, record.model), []).append(result)
                else:
                    folder.add(record)
                    key = (record.suite, record.model)
                    failed[key] = failed.get(key, 0) + 1
            except (OSError, ValueError, KeyError, UmlipBenchError) as error:
                left_out.append(f"{where}: {type(error).__name__}: {error}")
                continue
            plan.setdefault(record.suite, {}).setdefault(record.model, {})[record.case] = record.key
            n_cases += 1
        data = str(as_mapping(config.identity["data"])["id"])
        for suite, by_model in plan.items():
            folder.set_plan(suite, by_model)
            rows[suite] = [
                row
                for model in by_model
                for row in suite_of(suite).rows(
                    model, data, results.get((suite, model), []), failed.get((suite, model), 0)
                )
            ]
        folder.write_summary(rows)
    return Converted(n_cases, tuple(left_out))


_Read = Callable[[], tuple[CaseRecord, Mapping[str, np.ndarray]]]
"""Gives a case and its arrays, or raises what is wrong with them."""


def _config(path: Path) -> tuple[int, RunConfig]:
    try:
        content = as_mapping(read_yaml(path))
        schema = content["schema"]
        if not isinstance(schema, int) or schema not in OLD_SCHEMAS:
            raise RunFolderError(
                f"{path} has schema {schema!r}; only folders of schemas "
                f"{' and '.join(map(str, OLD_SCHEMAS))} are converted"
            )
        return schema, config_of(content)
    except (ContentError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} is no run.yaml that can be converted ({error})") from error


def _lines(old: Path) -> Iterator[tuple[str, _Read]]:
    """Lines of cases.jsonl, the last of each case; torn ones are left out."""
    path = old / CASES
    found: dict[tuple[str, str, str], Mapping[str, object]] = {}
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        try:
            entry = as_mapping(load_json(line))
            suite, model, case = (str(entry[name]) for name in ("suite", "model", "case"))
            if suite in READERS:
                found[suite, model, case] = entry
        except (ValueError, KeyError, TypeError):
            continue
    for (suite, model, case), last in found.items():
        yield f"{model}, {suite}, {case}", partial(_of_line, old, last)


def _of_line(old: Path, line: Mapping[str, object]) -> tuple[CaseRecord, Mapping[str, np.ndarray]]:
    metrics = {k: math.nan if v is None else v for k, v in as_mapping(line["metrics"]).items()}
    record = from_plain(CaseRecord, {**line, "metrics": metrics})
    if record.status != DONE:
        return record, {}
    return record, unpack((old / PREDICTIONS / f"{record.key}.npz").read_bytes())


def _entries(old: Path) -> Iterator[tuple[str, _Read]]:
    """Planned cases that are in the journal."""
    journal = open_journal(old)
    for record in recorded(journal, read_plan(old)).records:
        where = f"{record.model}, {record.suite}, {record.case}"
        yield where, partial(lambda one: (one, journal.arrays(one.key)), record)
