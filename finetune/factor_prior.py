"""A model's usual factor, over many materials, and the shrinkage of one label's factor towards it.

The factors of materials m scatter about a mean, log c_m ~ N(mu, tau²), and each is known with a
variance of its own, v_m. tau² is estimated by the method of Paule and Mandel (J. Res. Natl. Bur. Stand.
87, 377 (1982)), which solves sum((log c_m - mu)² / (tau² + v_m)) = n - 1; simulations prefer it to
DerSimonian and Laird's (A. A. Veroniki et al., Res. Synth. Methods 7, 55 (2016)). The variance of mu is
that of J. Hartung and G. Knapp (Stat. Med. 20, 3875 (2001)).

A further material's factor is then expected at mu with variance T = tau² + var(mu) + elsewhere², and a
label's factor with variance v is combined with that expectation by empirical Bayes (C. N. Morris, J. Am.
Stat. Assoc. 78, 47 (1983)): weight T / (T + v) on the label. A sure label keeps its factor, a doubtful
one gives way to what the model usually needs. `elsewhere` (`umlip_bench.finetune.factor_law.Law`) is how much
further materials of other sets are off than the few simple crystals of the reference set say.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import brentq

from umlip_bench.analysis.softening import SUM_XY
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.factor_law import LAW, Drift, Law
from umlip_bench.finetune.factors import FloatArray, LogFactor, evidence, usual_drift
from umlip_bench.ground.errors import CorrectionError

MIN_MATERIALS = 6
"""Fewer say too little about how factors scatter."""


@dataclass(frozen=True)
class UsualFactor:
    """Distribution of a model's factors over materials.

    Parameters
    ----------
    log_mean
        mu, the mean of log c.
    log_mean_variance
        Its variance.
    log_variance
        tau², the variance of log c between materials.
    n_materials
        Materials that it rests on.
    elsewhere
        Variance of log c that a material of another kind has beyond that.
    drift
        How the model's factors fall with the forces.
    """

    log_mean: float
    log_mean_variance: float
    log_variance: float
    n_materials: int
    elsewhere: float = LAW.elsewhere**2
    drift: Drift = field(default_factory=Drift.of_any_model)

    @property
    def factor(self) -> float:
        """The usual factor, exp(mu)."""
        return math.exp(self.log_mean)

    @property
    def expected_variance(self) -> float:
        """Variance of a further material's log c about mu."""
        return self.log_variance + self.log_mean_variance + self.elsewhere

    def weight(self, label: LogFactor) -> float:
        """Weight of a label's factor against the usual one, from 0 to 1."""
        if label.variance == 0.0:
            return 1.0
        return self.expected_variance / (self.expected_variance + label.variance)

    def shrink(self, label: LogFactor) -> LogFactor:
        """A label's factor, drawn towards the usual one.

        The degrees of freedom are interpolated with the same weight between the label's and those of
        the materials.
        """
        weight = self.weight(label)
        return LogFactor(
            value=weight * label.value + (1.0 - weight) * self.log_mean,
            variance=weight * label.variance,
            dof=weight * label.dof + (1.0 - weight) * (self.n_materials - 1),
        )


def usual_factor(materials: Iterable[FloatArray], law: Law = LAW) -> UsualFactor:
    """The model's usual factor from reference materials.

    Parameters
    ----------
    materials
        For each the sums over its frames, shape (n_frames, 6), as in `evidence`; the factors are those
        of least squared error. Materials in which no positive factor helps are passed over.
    law
        How factors scatter.

    Raises
    ------
    CorrectionError
        If fewer than `MIN_MATERIALS` are left.
    """
    usable = [sums for sums in materials if sums.sum(axis=0)[SUM_XY] > 0]
    if len(usable) < MIN_MATERIALS:
        raise CorrectionError(
            f"the model's usual factor is not known: it gives usable forces for {len(usable)} "
            f"reference materials, {MIN_MATERIALS} are needed; use the estimator mse"
        )
    drift = usual_drift(usable, law)
    known = [evidence(sums, Estimator.MSE, drift, law=law).mean for sums in usable]
    values = np.array([each.value for each in known])
    variances = np.array([each.variance for each in known])
    tau2 = _paule_mandel(values, variances)
    mean, mean_variance = _hartung_knapp(values, tau2 + variances)
    return UsualFactor(mean, mean_variance, tau2, len(known), law.elsewhere**2, drift)


def _paule_mandel(values: FloatArray, variances: FloatArray) -> float:
    """Between-material variance; zero where the materials' own variances explain all scatter."""
    # A tiny floor, so that factors known exactly have a finite weight.
    floor = 1e-12 * max(float(values.var()), 1e-12)
    variances = np.maximum(variances, floor)

    def excess(tau2: float) -> float:
        weights = 1.0 / (tau2 + variances)
        mean = weights @ values / weights.sum()
        return float(weights @ (values - mean) ** 2) - (len(values) - 1)

    if excess(0.0) <= 0.0:
        return 0.0
    # With equal weights the sum is at most the scatter over tau²: the root lies below this.
    upper = float(((values - values.mean()) ** 2).sum())
    return float(brentq(excess, 0.0, upper))


def _hartung_knapp(values: FloatArray, variances: FloatArray) -> tuple[float, float]:
    """Weighted mean and its variance from the weighted scatter."""
    weights = 1.0 / np.maximum(variances, 1e-24)
    mean = float(weights @ values / weights.sum())
    scatter = float(weights @ (values - mean) ** 2)
    return mean, scatter / ((len(values) - 1) * float(weights.sum()))
