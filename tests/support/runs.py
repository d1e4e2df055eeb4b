"""Runs whose results are written down instead of measured."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from umlip_bench.analysis.frames import FrameComparison, Geometry, MaterialComparison
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.run_files import CaseRecord, RunConfig
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard

from .run_folders import name_of

MODEL = "by-hand-1"


def card(name: str = MODEL, **more: Any) -> ModelCard:
    values: dict[str, Any] = {
        "family": "none",
        "architecture": "by hand",
        "level_of_theory": LevelOfTheory("PBE", hubbard_u="MP", energy_corrections="MP2020"),
        "training_set": "none",
        "elements": ("H", "He", "Li", "Si"),
        "licence": "CC0",
        "citation": "Nobody, J. Nothing 1, 1 (2000)",
    }
    return ModelCard(name=name, **{**values, **more})


def record(
    suite: str,
    name: str,
    elements: Collection[str],
    result: Any = None,
    reason: str | None = None,
    model: str = MODEL,
) -> CaseRecord:
    return CaseRecord(
        key=f"{suite} {name} {model}",
        model=model,
        data="by-hand",
        suite=suite,
        case=name,
        elements=tuple(sorted(elements)),
        status="failed" if result is None else "done",
        reason=reason,
        metrics={} if result is None else suite_of(suite).numbers(result),
    )


def run_of(
    cases: Sequence[tuple[str, Collection[str], Any]],
    failed: Sequence[tuple[str, str, Collection[str], str]] = (),
    model: ModelCard | None = None,
    path: Path = Path("by-hand"),
) -> Run:
    """A run from (suite, elements, result) and of failed cases (suite, name, elements, reason)."""
    model = model or card()
    entry: dict[str, Any] = {
        **asdict(model),
        "elements": " ".join(model.elements),
        "sha256": "5" * 64,
    }
    entry["files"], entry["package_path"], entry["origin"] = [], [], "by hand"
    suites = list(dict.fromkeys([c[0] for c in cases] + [f[0] for f in failed]))
    records: list[CaseRecord] = []
    results: dict[str, Any] = {}
    rows: list[Row] = []
    for suite in suites:
        own = [(elements, result) for name, elements, result in cases if name == suite]
        for elements, result in own:
            done = record(suite, name_of(result), elements, result, model=model.name)
            records.append(done)
            results[done.key] = result
        wrong = [f for f in failed if f[0] == suite]
        records += [
            record(suite, name, elements, reason=reason, model=model.name)
            for _, name, elements, reason in wrong
        ]
        measured = [result for _, result in own]
        rows += suite_of(suite).rows(model.name, "by-hand", measured, len(wrong))
    identity = {
        "data": {"id": "by-hand", "sha256": "d" * 64, "level_of_theory": {"functional": "PBE"}},
        "settings": {"dtype": "float64"},
    }
    provenance = {
        "umlip_bench": "0.1.0",
        "python": "3.11",
        "packages": {"numpy": "2.0"},
        "device": "cpu",
        "started": "2026-01-02T03:04:05+00:00",
    }
    config = RunConfig(identity, provenance, {model.name: entry}, suites)
    return Run.of_results(path, config, rows, records, results)


def material(
    name: str,
    atoms: Atoms,
    slopes: Mapping[str, float],
    n_frames: int = 3,
    seed: int = 0,
    noise: float = 0.0,
    strains: Sequence[float] | np.ndarray | None = None,
    sizes: Sequence[float] | np.ndarray | None = None,
) -> MaterialComparison:
    """A material whose model has the slope of each element on its atoms' forces.

    `slopes` by symbol; `strains`, one a frame, of its volume; `sizes`, one an atom, multiply DFT's forces.
    """
    rng = np.random.default_rng(seed)
    frames = []
    for k in range(n_frames):
        frame = atoms.copy()
        if strains is not None:
            frame.set_cell(frame.cell.array * (1 + strains[k]) ** (1 / 3), scale_atoms=True)
        x = rng.normal(size=(len(frame), 3)) * (
            1.0 if sizes is None else np.reshape(sizes, (-1, 1))
        )
        slope = np.array([slopes[symbol] for symbol in frame.symbols])
        y = slope[:, None] * x + noise * rng.normal(size=x.shape)
        geometry = Geometry(frame.numbers, frame.positions, frame.cell.array)
        formula = atoms.get_chemical_formula()
        frames.append(FrameComparison(formula, float("nan"), 0.0, x, y, geometry=geometry))
    return MaterialComparison(name, tuple(frames))
