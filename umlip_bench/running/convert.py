"""Run folders as they were before cases were kept in a journal (schema 4), in today's form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from umlip_bench.analysis.run_files import CASES, CONFIG, PREDICTIONS, CaseRecord, RunConfig
from umlip_bench.analysis.suites import ANALYSES, analysis_of
from umlip_bench.ground.codec import read_yaml
from umlip_bench.ground.errors import ContentError, RunFolderError, UmlipBenchError
from umlip_bench.ground.journal import unpack
from umlip_bench.ground.plain import from_plain, load_json
from umlip_bench.running.folder import RunFolder

OLD_SCHEMA = 4


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
    config = _config(old / CONFIG)
    lines = _lines(old / CASES)
    left_out = []
    rows: dict[str, list[Any]] = {}
    n_cases = 0
    plan: dict[str, dict[str, dict[str, str]]] = {}
    with RunFolder(new, config) as folder:
        results: dict[tuple[str, str], list[Any]] = {}
        failed: dict[tuple[str, str], int] = {}
        for line in lines:
            where = f"{line.get('model')}, {line.get('suite')}, {line.get('case')}"
            try:
                record = _record(line)
                if record.status == "done":
                    arrays = unpack((old / PREDICTIONS / f"{record.key}.npz").read_bytes())
                    result = analysis_of(record.suite).from_arrays(record.case, arrays)
                    folder.add(record, arrays)
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
        data = str(config.identity["data"]["id"])
        for suite, by_model in plan.items():
            folder.set_plan(suite, by_model)
            rows[suite] = [
                row
                for model in by_model
                for row in analysis_of(suite).rows(
                    model, data, results.get((suite, model), []), failed.get((suite, model), 0)
                )
            ]
        folder.write_summary(rows)
    return Converted(n_cases, tuple(left_out))


def _config(path: Path) -> RunConfig:
    try:
        content = read_yaml(path)
        if content["schema"] != OLD_SCHEMA:
            raise RunFolderError(
                f"{path} has schema {content['schema']!r}; only folders of schema {OLD_SCHEMA} are converted"
            )
        return RunConfig(
            content["identity"], content["provenance"], dict(content["models"]), content["suites"]
        )
    except (ContentError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} is no run.yaml that can be converted ({error})") from error


def _lines(path: Path) -> list[Mapping[str, Any]]:
    """Lines of cases.jsonl, the last of each case; torn ones are left out."""
    found: dict[tuple[Any, Any, Any], Mapping[str, Any]] = {}
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        try:
            entry = load_json(line)
            if entry["suite"] in ANALYSES:
                found[entry["suite"], entry["model"], entry["case"]] = entry
        except (ValueError, KeyError, TypeError):
            continue
    return list(found.values())


def _record(line: Mapping[str, Any]) -> CaseRecord:
    metrics = {k: math.nan if v is None else v for k, v in line["metrics"].items()}
    return from_plain(CaseRecord, {**line, "metrics": metrics})
