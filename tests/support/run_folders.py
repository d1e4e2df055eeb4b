"""Run folders with results that were made by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.run_files import CaseRecord, RunConfig
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.identity import identity
from umlip_bench.running.folder import RunFolder

CARD = {"level_of_theory": {"functional": "PBE"}, "licence": "MIT"}
FAILED = "failed"
"""Stands for a case that failed: ``(FAILED, name)`` among the results."""


def write_run(
    path: Path,
    results: Mapping[str, Mapping[str, Sequence[Any]]],
    *,
    data: tuple[str, str] = ("by-hand", "cc" * 32),
    dtype: str = "float32",
    provenance: Mapping[str, Any] | None = None,
    weights: Mapping[str, str] | None = None,
    cards: Mapping[str, Mapping[str, Any]] | None = None,
    elements: Sequence[str] = ("Si",),
    elements_of: Mapping[str, Sequence[str]] | None = None,
    data_functional: str = "PBE",
) -> Run:
    """Write results, by suite and model, as a run would, and read them.

    Parameters
    ----------
    results
        Of all cases, in the same order for every model of a suite; see `FAILED`.
    data
        Identifier and digest of the reference data.
    dtype, provenance
        As the run says them.
    weights
        Digests by model, where they matter.
    cards
        By model, where they matter.
    elements
        Of all cases,
    elements_of
        but of these, by name.
    data_functional
        Of the reference data.
    """
    models = list(dict.fromkeys(model for by_model in results.values() for model in by_model))
    digests = {name: f"{name} " * 8 for name in models} | dict(weights or {})
    fixed = {
        "data": {
            "id": data[0],
            "sha256": data[1],
            "level_of_theory": {"functional": data_functional},
        },
        "settings": {"dtype": dtype},
    }
    known = {"python": "3.11.7", "packages": {"numpy": "2.0"}, "device": "cpu"}
    entries = {
        name: {**(cards or {}).get(name, CARD), "name": name, "sha256": digests[name]}
        for name in models
    }

    def made_of(name: str) -> tuple[str, ...]:
        return tuple((elements_of or {}).get(name, elements))

    config = RunConfig(fixed, {**known, **(provenance or {})}, entries, list(results))
    rows: dict[str, list[Row]] = {}
    with RunFolder(path, config) as folder:
        for suite, by_model in results.items():
            analysis = suite_of(suite)
            rows[suite] = []
            keys: dict[str, dict[str, str]] = {}
            for model, members in by_model.items():
                done = []
                for result in members:
                    name = result[1] if isinstance(result, tuple) else name_of(result)
                    key = identity(suite, name, digests[model], data)
                    keys.setdefault(model, {})[name] = key
                    head = (key, model, data[0], suite, name, made_of(name))
                    if isinstance(result, tuple):
                        folder.add(CaseRecord(*head, "failed", "would not", {}))
                    else:
                        numbers = analysis.numbers(result)
                        record = CaseRecord(*head, "done", None, numbers)
                        folder.add(record, analysis.to_arrays(result))
                        done.append(result)
                rows[suite] += analysis.rows(model, data[0], done, len(members) - len(done))
            folder.set_plan(suite, keys)
        folder.write_summary(rows)
    return read_run(path)


def name_of(result: Any) -> str:
    """Of a result, or of the comparison in it."""
    named = [result, getattr(result, "comparison", None), getattr(result, "energies", None)]
    return next(str(each.name) for each in named if hasattr(each, "name"))
