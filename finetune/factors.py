"""The factor on a model's forces that labels ask for, and how far it can be trusted.

Notation as in `umlip_bench.analysis.softening`: x is DFT, y the model, over the force components of
labelled frames; c is the factor on the model. Two closed forms:

    rotate  c = sum(xx) / sum(xy), one over the slope: the correction of B. Deng et al., npj Comput.
            Mater. 11, 9 (2025)
    mse     c = sum(xy) / sum(yy), the factor of least squared error

They differ by r2, rotate being the larger: it takes noise for softness.

Uncertainty. Each frame has a factor of its own, and the factors of one material's frames scatter far
more than the residuals of single atoms suggest (by 14 times the variance on the embedded set, atoms
taken as independent). What does predict the scatter is how much of the frame's forces the model
explains at all:

    var(log c of one frame) = SPREAD (1 - r2) / r2

That law is the best of those tried by restricted likelihood on the embedded set, for CHGNet and
M3GNet and for either closed form (a constant, a multiple of the atom-wise variance, or both do worse).
It is the prior for the variance, worth `PRIOR_DOF` frames; the scatter that the labels themselves show
is pooled with it in proportion to degrees of freedom, as for moderated t statistics (G. K. Smyth, Stat.
Appl. Genet. Mol. Biol. 3, 3 (2004)). With one frame the interval rests on the law, with twenty on the
labels. It says where the factor of more frames *of the same kind* will lie: no label tells how the
model fares in states that are none of its kind.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.analysis.softening import SUM_XX, SUM_XY, SUM_YY, r2_of
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.ground.errors import CorrectionError

FloatArray = NDArray[np.float64]

SPREAD = 0.6
"""Measured within the materials of the embedded set: 0.53 and 0.57 (CHGNet 0.3.0, mse and rotate),
0.59 and 0.63 (M3GNet-MP-2021.2.8)."""
PRIOR_DOF = 4.0
"""Frames that `SPREAD` is worth against the scatter among the labels: how well it predicts the scatter
within a material of the embedded set says 5; other sets are less like it."""


@dataclass(frozen=True)
class LogFactor:
    """Logarithm of a factor and its uncertainty.

    Parameters
    ----------
    value
        log c, dimensionless.
    variance
        Of `value`.
    dof
        Degrees of freedom of `variance`.
    """

    value: float
    variance: float
    dof: float

    @property
    def factor(self) -> float:
        """The factor c itself."""
        return math.exp(self.value)

    @property
    def interval(self) -> tuple[float, float]:
        """Ends of the 95 % interval of c, symmetric in log c, by Student's t."""
        half = stats.t.ppf(0.5 + CONFIDENCE / 2, self.dof) * math.sqrt(self.variance)
        return math.exp(self.value - half), math.exp(self.value + half)


def closed_form(sums: FloatArray, estimator: Estimator) -> float:
    """The factor from sums over frames.

    Parameters
    ----------
    sums
        Of each frame as from `component_sums`, shape (n_frames, 5).
    estimator
        ``rotate`` or ``mse``.

    Raises
    ------
    CorrectionError
        If no positive factor would bring the model nearer to DFT.
    """
    total = sums.sum(axis=0)
    if not total[SUM_XY] > 0:
        raise CorrectionError(
            "the model's forces do not point along DFT's (sum of products "
            f"{total[SUM_XY]:.3g} eV²/Å²): no positive factor brings them nearer; check the labels "
            "with `umlip-bench data check`"
        )
    if estimator is Estimator.ROTATE:
        return float(total[SUM_XX] / total[SUM_XY])
    if estimator is Estimator.MSE:
        return float(total[SUM_XY] / total[SUM_YY])
    raise ValueError(f"{estimator} has no closed form in the sums alone")


def log_factor(sums: FloatArray, estimator: Estimator) -> LogFactor:
    """The factor with its uncertainty; see the module for the method.

    Parameters
    ----------
    sums
        As in `closed_form`. The frames' contributions are weighted as the estimator weighs them, so
        that n frames of unequal forces count as (sum w)²/sum(w²).
    estimator
        ``rotate`` or ``mse``.

    Raises
    ------
    CorrectionError
        As in `closed_form`.
    """
    factor = closed_form(sums, estimator)
    total = sums.sum(axis=0)
    if estimator is Estimator.ROTATE:
        shares = sums[:, SUM_XX] / total[SUM_XX]
        own = sums[:, SUM_XX] / factor
    else:
        shares = sums[:, SUM_YY] / total[SUM_YY]
        own = factor * sums[:, SUM_YY]
    # Linearised influence of each frame on log c; they sum to zero.
    influences = (sums[:, SUM_XY] - own) / total[SUM_XY]
    n = len(sums)
    concentration = float((shares**2).sum())
    variance = one_frame_variance(total) * concentration
    dof = PRIOR_DOF
    if n > 1:
        seen = n / (n - 1) * float((influences**2).sum())
        weight = 1.0 / concentration - 1.0
        variance = (PRIOR_DOF * variance + weight * seen) / (PRIOR_DOF + weight)
        dof += weight
    return LogFactor(math.log(factor), variance, dof)


def one_frame_variance(total: FloatArray) -> float:
    """Variance of log c that one frame of this r2 is expected to have; `total` has shape (5,)."""
    r2 = float(r2_of(total))
    # Rounding may take r2 above one where the model is proportional to DFT.
    return SPREAD * max(1.0 - r2, 0.0) / r2
