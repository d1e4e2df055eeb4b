"""The calibration of factors without labels: how DFT's factor of a model follows from a second potential's.

    umlip-bench run high-energy --data mattersim-tp --model chgnet-0.3.0 --model tensornet-matpes-pbe-2025.1
        --out runs/mattersim-tp
    python -m umlip_bench.finetune.agreement_study runs/mattersim-tp runs/pbe-mini --out agreement.csv
    umlip-finetune estimate --calibration agreement.csv --model chgnet-0.3.0 ...

Models are evaluated by ``umlip-bench run``, which resumes; here all is arithmetic on run folders. Every model
of a folder is a second potential for every other one. Of each material at most `MOST_FRAMES` evenly spaced
frames with forces are taken. Printed is, for each pair, how often the interval holds the factor of a formula
that was left out of the calibration, and of a data set that was.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import permutations
from pathlib import Path

import numpy as np
import pandas as pd

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.finetune.agreement import (
    COLUMNS,
    LEVEL,
    Agreement,
    Calibration,
    FloatArray,
    compared,
)
from umlip_bench.finetune.comparison import MIN_RMS_FORCE, rms_force
from umlip_bench.finetune.evaluation import evenly
from umlip_bench.ground.errors import CorrectionError

SUITE = "high-energy"
MOST_FRAMES = 6


def agreements(run: Run) -> Iterator[Agreement]:
    """Every pair of models on every material of a run, but where one of them points away."""
    results = {
        model: {
            material.name: material for material in run.results_of(MaterialComparison, SUITE, model)
        }
        for model in run.models
    }
    for model, second in permutations(results, 2):
        for name, material in results[model].items():
            other = results[second].get(name)
            found = None if other is None else _agreement(run.data, model, second, material, other)
            if found is not None:
                yield found


def _agreement(
    data: str, model: str, second: str, own: MaterialComparison, other: MaterialComparison
) -> Agreement | None:
    chosen = _chosen(own)
    if not chosen:
        return None
    forces = [own.frames[k].forces_model for k in chosen]
    try:
        log_factor, _, _ = compared([own.frames[k].forces_reference for k in chosen], forces)
        log_ratio, r2, _ = compared([other.frames[k].forces_model for k in chosen], forces)
    except CorrectionError:
        return None
    formula = own.frames[chosen[0]].composition
    return Agreement(data, own.name, formula, model, second, len(chosen), log_factor, log_ratio, r2)


def _chosen(material: MaterialComparison) -> list[int]:
    """Which frames of a material count."""
    frames = enumerate(material.frames)
    return evenly([k for k, frame in frames if rms_force(frame) >= MIN_RMS_FORCE], MOST_FRAMES)


@dataclass(frozen=True)
class Coverage:
    """How intervals do on what was left out of the calibration.

    Parameters
    ----------
    n
        Materials.
    n_unknown
        Of these such for which nothing is said.
    held
        Share of the others whose interval holds DFT's factor.
    width
        Median width of the intervals of log c.
    usual
        Median width of intervals that the model's usual factor alone would have, at the same coverage.
    force_ratio
        Mean absolute force error with the factor over without, geometric mean.
    """

    n: int
    n_unknown: int
    held: float
    width: float
    usual: float
    force_ratio: float


Forces = Mapping[tuple[str, str, str], tuple[FloatArray, FloatArray]]
"""Components of DFT and of a model, by data set, material and model."""


def forces_of(run: Run) -> dict[tuple[str, str, str], tuple[FloatArray, FloatArray]]:
    """Those of the frames that agreements rest on."""
    return {
        (run.data, material.name, model): (
            np.concatenate([frame.forces_reference.ravel() for frame in chosen]),
            np.concatenate([frame.forces_model.ravel() for frame in chosen]),
        )
        for model in run.models
        for material in run.results_of(MaterialComparison, SUITE, model)
        if (chosen := [material.frames[k] for k in _chosen(material)])
    }


def coverage(
    rows: Sequence[Agreement],
    group: Callable[[Agreement], str],
    forces: Forces | None = None,
) -> Coverage:
    """Leave out one group after the other; `rows` are of one pair, `forces` of their materials."""
    held, widths, usual, ratios, unknown = [], [], [], [], 0
    for left in sorted({group(row) for row in rows}):
        rest = [row for row in rows if group(row) != left]
        calibration = Calibration(rest)
        factors = np.array([row.log_factor for row in rest])
        spread = np.sort(np.abs(factors - np.median(factors)))
        rank = min(int(np.ceil((len(rest) + 1) * LEVEL)), len(rest))
        for row in (row for row in rows if group(row) == left):
            try:
                centre, low, high = calibration.interval(row.log_ratio, row.r2)
            except CorrectionError:
                unknown += 1
                continue
            held.append(low <= row.log_factor <= high)
            widths.append(high - low)
            usual.append(2 * spread[rank - 1])
            if forces is not None:
                x, y = forces[row.data, row.material, row.model]
                before, after = (np.abs(c * y - x).mean() for c in (1.0, np.exp(centre)))
                ratios.append(np.log(after / before))
    ratio = float(np.exp(np.mean(ratios))) if ratios else float("nan")
    shown = (float(np.mean(held)), float(np.median(widths)), float(np.median(usual)), ratio)
    return Coverage(len(rows), unknown, *shown)


def table(rows: Sequence[Agreement], forces: Forces) -> pd.DataFrame:
    """A line for each pair and way of leaving out."""
    groups: dict[str, Callable[[Agreement], str]] = {
        "formula": lambda row: row.formula,
        "data set": lambda row: row.data,
    }
    found = []
    for model, second in sorted({(row.model, row.second) for row in rows}):
        own = [row for row in rows if (row.model, row.second) == (model, second)]
        law = Calibration(own).law
        for name, group in groups.items():
            if len({group(row) for row in own}) < 2:
                continue
            each = coverage(own, group, forces)
            found.append(
                {
                    "model": model,
                    "second": second,
                    "left out": name,
                    "materials": each.n,
                    "unknown": each.n_unknown,
                    "held": each.held,
                    "width": each.width,
                    "usual factor's": each.usual,
                    "force MAE": each.force_ratio,
                    "b": law.slope,
                }
            )
    return pd.DataFrame(found).round(3)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("runs", nargs="+", type=Path, help="run folders with two models or more")
    parser.add_argument("--out", type=Path, help="table to write")
    asked = parser.parse_args()
    runs = [read_run(path) for path in asked.runs]
    rows = [row for run in runs for row in agreements(run)]
    forces = {key: each for run in runs for key, each in forces_of(run).items()}
    if asked.out is not None:
        with asked.out.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS)
            for row in rows:
                writer.writerow([f"{v:.6f}" if isinstance(v, float) else v for v in astuple(row)])
    print(table(rows, forces).to_string(index=False))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
