"""How factors from few labels do, set by set: what the constants of `umlip_bench.finetune.factors` rest on.

    umlip-bench run high-energy --data mlearn --model chgnet-0.3.0 --out runs/mlearn
    python -m umlip_bench.finetune.factor_study runs/pbe-mini runs/mlearn
    python -m umlip_bench.finetune.factor_study runs/pbe-mini runs/mlearn --refit

Models are evaluated by ``umlip-bench run``, which resumes; here all is arithmetic on run folders. One of them
is of the reference set, which the models' usual factors come from. Of each material at most `MOST_FRAMES`
evenly spaced frames are taken, and at most ``--choices`` choices of 1, 2 and 4 of them as labels; the other
frames judge. ``--refit`` (some minutes with ``--choices 10``) leaves out one set after the other, fits the
constants to the rest (`umlip_bench.finetune.factor_refit`) and judges by the set left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.finetune.comparison import force_sums, with_forces
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.evaluation import evaluate_factors, evenly
from umlip_bench.finetune.factor_law import LAW
from umlip_bench.finetune.factor_refit import FITTED, Material, Refit
from umlip_bench.finetune.methods.scalar import Scalar
from umlip_bench.finetune.retention import REFERENCE_SET
from umlip_bench.ground.errors import CorrectionError

SUITE = "high-energy"
COUNTS = ("1", "2", "4")
MOST_FRAMES = 40
MOST_CHOICES = 40
SIZES = (2, 8, 24, 80, 251)
"""Edges of the classes of cell sizes, in atoms."""


def materials_of(run: Run, model: str) -> Iterator[MaterialComparison]:
    """A model's materials with two frames or more whose cells have two atoms or more."""
    for material in run.results_of(MaterialComparison, SUITE, model):
        frames = evenly(with_forces(material.frames), MOST_FRAMES)
        if len(frames) > 1 and frames[0].n_atoms > 1:
            yield MaterialComparison(material.name, tuple(frames), material.system)


def outcomes(runs: Sequence[Run], most: int = MOST_CHOICES) -> pd.DataFrame:
    """A row for each set, model, material, number of labels and way to make the factor."""
    rows = []
    for run in runs:
        for model in run.models:
            reference = _reference(runs, model)
            for material in materials_of(run, model):
                size = material.frames[0].n_atoms
                for told in (False, True):
                    for each in evaluate_factors(
                        [material],
                        reference,
                        [Scalar()],
                        counts=COUNTS,
                        most=most,
                        told=told,
                    ):
                        name = each.estimator + (", states told" if told else "")
                        if told and each.estimator != Estimator.SHRUNK:
                            continue
                        rows.append(
                            {
                                "set": run.data,
                                "model": model,
                                "material": material.name,
                                "atoms": size,
                                "labels": each.labels,
                                "factor": name,
                                "choices": each.n_choices - each.n_refused,
                                "held": each.covered,
                                "score": each.score,
                                "ratio": each.force_ratio,
                            }
                        )
    return pd.DataFrame(rows)


def summarised(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Means over materials of coverage and score, the geometric mean of the ratio of force errors."""
    groups = rows.groupby([*by, "labels", "factor"], observed=True)
    return pd.DataFrame(
        {
            "materials": groups.size(),
            "choices": groups["choices"].sum(),
            "held": groups["held"].mean(),
            "score": groups["score"].mean(),
            "force MAE, after / before": groups["ratio"].agg(lambda r: np.exp(np.log(r).mean())),
        }
    ).round(3)


def _reference(runs: Sequence[Run], model: str) -> tuple[MaterialComparison, ...]:
    for run in runs:
        if run.data == REFERENCE_SET and model in run.models:
            return tuple(run.results_of(MaterialComparison, SUITE, model))
    raise CorrectionError(
        f"no run has {model} on {REFERENCE_SET}, which its usual factor comes from; make one by "
        f"`umlip-bench run {SUITE} --data {REFERENCE_SET} --model {model} --out runs/{REFERENCE_SET}`"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("runs", nargs="+", type=Path, help="run folders of `umlip-bench run`")
    parser.add_argument("--refit", action="store_true", help="fit the constants, leaving out sets")
    parser.add_argument(
        "--choices", type=int, default=MOST_CHOICES, help="of labels, of each material and number"
    )
    asked = parser.parse_args(arguments)
    runs = [read_run(path) for path in asked.runs]
    if asked.refit:
        _print_refit(runs, asked.choices)
        return
    rows = outcomes(runs, asked.choices)
    sizes = pd.cut(rows["atoms"], SIZES, right=False).astype(str)
    for by, table in ((["set", "model"], rows), (["atoms"], rows.assign(atoms=sizes))):
        print(summarised(table, by).to_string(), flush=True)


def _print_refit(runs: Sequence[Run], most: int) -> None:
    """The constants without each set, how they do on it; those of all sets, and how the shipped ones do."""
    models = dict.fromkeys(model for run in runs for model in run.models)
    reference = {
        model: {
            m.frames[0].composition: force_sums(with_forces(m.frames))
            for m in _reference(runs, model)
        }
        for model in models
    }
    materials = [
        Material(run.data, model, m.name, m.frames[0].composition, force_sums(m.frames))
        for run in runs
        for model in run.models
        for m in materials_of(run, model)
    ]
    found = Refit(materials, reference, most)
    for without in (*found.sets, None):
        law = found.fitted(without)
        constants = {f: round(getattr(law, f), 3) for f in ("components", *FITTED)}
        print(f"without {without}:" if without else "all sets:", constants, flush=True)
        if without:
            print(found.judged(law, without).to_string(), flush=True)
    print("as shipped:")
    print(pd.concat([found.judged(LAW, name) for name in found.sets]).to_string(), flush=True)


if __name__ == "__main__":
    main()
