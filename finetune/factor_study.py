"""How factors from few labels do, set by set: what the constants of `umlip_bench.finetune.factors` rest on.

    umlip-bench run high-energy --data mlearn --model chgnet-0.3.0 --out runs/mlearn
    python -m umlip_bench.finetune.factor_study runs/pbe-mini runs/mlearn
    python -m umlip_bench.finetune.factor_study runs/pbe-mini runs/mlearn --refit

Models are evaluated by ``umlip-bench run``, which resumes; here all is arithmetic on run folders. One of them
is of the reference set, which the models' usual factors come from. Of each material at most `MOST_FRAMES`
evenly spaced frames are taken, and at most ``--choices`` choices of 1, 2 and 4 of them as labels; the other
frames judge. ``--refit`` (best with ``--choices 4``) leaves out one set after the other, fits the constants
to the rest and judges by the set left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.analysis.runs import Run, read_run
from umlip_bench.finetune.comparison import force_sums, with_forces
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.evaluation import choices, evaluate_factors, evenly
from umlip_bench.finetune.factor_law import LAW, Law
from umlip_bench.finetune.factor_prior import UsualFactor
from umlip_bench.finetune.factors import FloatArray, States, evidence
from umlip_bench.finetune.methods.scalar import Scalar
from umlip_bench.finetune.retention import REFERENCE_SET
from umlip_bench.finetune.scalar import reference_without
from umlip_bench.ground.errors import CorrectionError

SUITE = "high-energy"
COUNTS = ("1", "2", "4")
MOST_FRAMES = 40
MOST_CHOICES = 40
SIZES = (2, 8, 24, 80, 251)
"""Edges of the classes of cell sizes, in atoms."""
FITTED = ("state", "drift", "drift_spread", "dof", "elsewhere")
"""Constants that `refit` fits, in the logarithm; the others matter less."""
LEAST_HELD = 0.93
"""Share of choices that an interval is to hold in each set: the fit pays for less."""


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


# ---- the constants


@dataclass(frozen=True, eq=False)
class _Choice:
    group: str
    weight: float
    labels: FloatArray
    states: States
    usual: UsualFactor
    asked: float


def refit(runs: Sequence[Run], most: int) -> Iterator[tuple[str, Law, Mapping[str, float]]]:
    """Fit the law without one set after the other.

    Parameters
    ----------
    runs
        Of every set.
    most
        Choices of labels to take of each material and number.

    Yields
    ------
    tuple
        The set left out, the law of the others, and what that law gives for the set left out: the ratio of
        its interval scores to those of `LAW`, and the share of choices that the intervals hold.
    """
    every = {run.data: list(_choices(run, runs, most)) for run in runs}
    for name, own in every.items():
        rest = [choice for each, found in every.items() if each != name for choice in found]
        start = np.log([getattr(LAW, field) for field in FITTED])
        simplex = np.vstack([start, start + 0.4 * np.eye(len(start))])
        found = minimize(
            lambda x, rest=rest: _loss(rest, _law(x)),
            start,
            method="Nelder-Mead",
            options={"maxfev": 120, "initial_simplex": simplex},
        )
        law = _law(found.x)
        score, held = _judge(own, law)
        score_now, _ = _judge(own, LAW)
        ratio = np.exp(np.mean(np.log(score) - np.log(score_now)))
        yield name, law, {"score, to that of LAW": float(ratio), "held": float(np.mean(held))}


def _choices(run: Run, runs: Sequence[Run], most: int) -> Iterator[_Choice]:
    for model in run.models:
        reference = _reference(runs, model)
        for material in materials_of(run, model):
            sums = force_sums(material.frames)
            usual = reference_without(reference, {material.frames[0].composition}).usual
            for n in map(int, COUNTS):
                tried = choices(len(sums), n, most) if n < len(sums) else []
                for labels in tried:
                    held = np.delete(sums, labels, axis=0)
                    try:
                        asked = evidence(held, Estimator.MSE).value
                        evidence(sums[list(labels)], Estimator.MSE)
                    except CorrectionError:
                        continue
                    group = f"{run.data} {model} {n}"
                    own = sums[list(labels)]
                    yield _Choice(group, 1 / len(tried), own, States.of(held), usual, asked)


def _judge(found: Sequence[_Choice], law: Law) -> tuple[FloatArray, FloatArray]:
    """Mean interval score and share held of each group."""
    totals: dict[str, FloatArray] = {}
    for choice in found:
        usual = replace(choice.usual, elsewhere=law.elsewhere**2)
        label = evidence(choice.labels, Estimator.MSE, usual.drift, law=law).at(choice.states)
        low, high = usual.shrink(label).log_interval
        missed = max(low - choice.asked, choice.asked - high, 0.0)
        score = high - low + 2.0 / (1.0 - CONFIDENCE) * missed
        own = np.array([score, float(missed == 0.0), 1.0]) * choice.weight
        totals[choice.group] = totals.get(choice.group, np.zeros(3)) + own
    each = np.array(list(totals.values()))
    return each[:, 0] / each[:, 2], each[:, 1] / each[:, 2]


def _loss(found: Sequence[_Choice], law: Law) -> float:
    score, held = _judge(found, law)
    return float(np.mean(np.log(score)) + 60.0 * np.mean(np.maximum(LEAST_HELD - held, 0.0) ** 2))


def _law(logs: FloatArray) -> Law:
    return replace(LAW, **dict(zip(FITTED, np.exp(logs).tolist(), strict=True)))


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
        for name, law, judged in refit(runs, asked.choices):
            print(name, {f: round(getattr(law, f), 3) for f in FITTED}, judged, flush=True)
        return
    rows = outcomes(runs, asked.choices)
    sizes = pd.cut(rows["atoms"], SIZES, right=False).astype(str)
    for by, table in ((["set", "model"], rows), (["atoms"], rows.assign(atoms=sizes))):
        print(summarised(table, by).to_string(), flush=True)


if __name__ == "__main__":
    main()
