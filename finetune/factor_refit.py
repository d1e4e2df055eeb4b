"""The constants of `umlip_bench.finetune.factor_law`, fitted to some sets and judged by others.

Two steps, so that few sets and a few outliers among them do not decide on everything:

1. What the intervals' widths are relative to each other: greatest likelihood of what held-out frames ask
   for, under Student's t of the law's degrees of freedom. Every set, model and number of labels weighs alike,
   and every material of it. `components` follows only in the next step, since it is hardly told apart from
   `state`.
2. How wide they are: all of them are scaled until the quantile of 95 % of the misses, over half the
   interval's width, is one, in the geometric mean over sets and models and `MARGIN` standard deviations of
   its logarithm below it, for sets to come differ as these do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import scipy
from scipy.optimize import minimize

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.evaluation import choices
from umlip_bench.finetune.factor_law import LAW, Law
from umlip_bench.finetune.factor_prior import UsualFactor, usual_factor
from umlip_bench.finetune.factors import FloatArray, LogFactor, States, evidence
from umlip_bench.ground.errors import CorrectionError

FITTED = ("state", "drift_spread", "softness")
"""Constants that the first step fits, in the logarithm; the others matter less."""
COMPONENTS = 3.0
"""Components of an atom in the first step: all that there are."""
MARGIN = 0.5
COUNTS = (1, 2, 4)
"""Numbers of labels."""


@dataclass(frozen=True, eq=False)
class Material:
    """A model on one material.

    Parameters
    ----------
    data, model, name
        The set, the model and the material.
    composition
        Of its frames.
    sums
        Of its frames, shape (n_frames, 6), as of `umlip_bench.finetune.factors`.
    """

    data: str
    model: str
    name: str
    composition: str
    sums: FloatArray


@dataclass(frozen=True, eq=False)
class _Choice:
    material: Material
    weight: float
    labels: FloatArray
    states: States
    asked: float

    @property
    def key(self) -> tuple[str, str, int]:
        return self.material.data, self.material.model, len(self.labels)


class Refit:
    """Choices of labels among frames of several sets, under any law.

    Parameters
    ----------
    materials
        Of every set.
    reference
        For each model the sums of each composition of the reference set.
    most
        Choices of labels to take of each material and number.
    """

    def __init__(
        self,
        materials: Sequence[Material],
        reference: Mapping[str, Mapping[str, FloatArray]],
        most: int,
    ) -> None:
        self.reference = reference
        self.choices = [choice for each in materials for choice in _choices(each, most)]
        self.sets = tuple(dict.fromkeys(each.data for each in materials))

    def fitted(self, without: str | None = None) -> Law:
        """The constants of all sets, or of all but one."""
        used = [choice for choice in self.choices if choice.material.data != without]
        start = np.log([getattr(LAW, field) for field in FITTED])
        found = minimize(
            lambda logs: self._surprise(used, _law(logs)),
            start,
            method="Nelder-Mead",
            options={
                "maxfev": 100,
                "initial_simplex": np.vstack([start, start + np.eye(len(start)) / 2]),
            },
        )
        law = _law(found.x)
        for _ in range(3):
            law = _wider(law, self._width(used, law))
        return law

    def judged(self, law: Law, data: str) -> pd.DataFrame:
        """How the intervals of one set do: a row for each model and number of labels.

        Columns `materials`, `choices`, `held` and `score` as of `umlip_bench.finetune.evaluation`: means over
        the choices of a material, then over materials; beside them both of ``mse`` under the shipped law.
        """
        own = [choice for choice in self.choices if choice.material.data == data]
        rows = []
        for choice, found in zip(own, self._intervals(own, law), strict=True):
            mse = evidence(choice.labels, Estimator.MSE).at(None)
            judged = (*_judge(found, choice.asked), *_judge(mse, choice.asked))
            rows.append((*choice.key, choice.material.name, *judged))
        table = pd.DataFrame(
            rows,
            columns=["set", "model", "labels", "name", "held", "score", "mse held", "mse score"],
        )
        key = ["set", "model", "labels"]
        means = table.groupby([*key, "name"]).mean().groupby(key)
        counts = pd.DataFrame({"materials": means.size(), "choices": table.groupby(key).size()})
        return counts.join(means.mean()).round(3)

    def _intervals(self, used: Sequence[_Choice], law: Law) -> Iterator[LogFactor]:
        usual: dict[tuple[str, str | None], UsualFactor] = {}
        for choice in used:
            model, composition = choice.material.model, choice.material.composition
            others = self.reference[model]
            key = model, composition if composition in others else None
            if key not in usual:
                usual[key] = usual_factor((s for c, s in others.items() if c != key[1]), law)
            label = evidence(choice.labels, Estimator.MSE, usual[key].drift, law=law)
            yield usual[key].shrink(label.at(choice.states))

    def _surprise(self, used: Sequence[_Choice], law: Law) -> float:
        """Minus the mean logarithm of the density."""
        found = list(self._intervals(used, law))
        scale = np.sqrt([each.variance for each in found])
        off = np.array([c.asked - each.value for c, each in zip(used, found, strict=True)])
        return -float(_weights(used) @ scipy.stats.t.logpdf(off, law.dof, scale=scale))

    def _width(self, used: Sequence[_Choice], law: Law) -> float:
        """What the widths of all intervals are short of."""
        found = list(self._intervals(used, law))
        ratios: dict[tuple[str, str], dict[int, list[tuple[float, float]]]] = {}
        for choice, each in zip(used, found, strict=True):
            low, high = each.log_interval
            ratio = abs(choice.asked - each.value) / (0.5 * (high - low))
            data, model, n = choice.key
            of_model = ratios.setdefault((data, model), {})
            of_model.setdefault(n, []).append((ratio, choice.weight))
        logs = [
            np.mean([math.log(_quantile(each)) for each in n.values()]) for n in ratios.values()
        ]
        return math.exp(np.mean(logs) + MARGIN * np.std(logs, ddof=1))


def _choices(material: Material, most: int) -> Iterator[_Choice]:
    sums = material.sums
    for n in COUNTS:
        tried = choices(len(sums), n, most) if n < len(sums) else []
        for labels in tried:
            held, own = np.delete(sums, labels, axis=0), sums[list(labels)]
            try:
                asked = evidence(held, Estimator.MSE).value
                evidence(own, Estimator.MSE)
            except CorrectionError:
                continue
            yield _Choice(material, 1 / len(tried), own, States.of(held), asked)


def _weights(used: Sequence[_Choice]) -> FloatArray:
    totals: dict[tuple[str, str, int], float] = {}
    for choice in used:
        totals[choice.key] = totals.get(choice.key, 0.0) + choice.weight
    return np.array([choice.weight / totals[choice.key] for choice in used]) / len(totals)


def _quantile(pairs: Sequence[tuple[float, float]]) -> float:
    """The quantile of 95 % of values with weights."""
    ordered = np.array(sorted(pairs))
    shares = np.cumsum(ordered[:, 1]) / ordered[:, 1].sum()
    return float(ordered[min(int(np.searchsorted(shares, CONFIDENCE)), len(ordered) - 1), 0])


def _judge(found: LogFactor, asked: float) -> tuple[float, float]:
    low, high = found.log_interval
    missed = max(low - asked, asked - high, 0.0)
    return float(missed == 0.0), high - low + 2.0 / (1.0 - CONFIDENCE) * missed


def _law(logs: FloatArray) -> Law:
    fitted = dict(zip(FITTED, np.exp(logs).tolist(), strict=True))
    return replace(LAW, components=COMPONENTS, **fitted)


def _wider(law: Law, times: float) -> Law:
    return replace(
        law,
        components=law.components / times**2,
        state=law.state * times,
        drift_spread=law.drift_spread * times,
    )
