"""95 % intervals over materials, by methods whose coverage was measured.

The independent unit is the material (a cluster of frames), never the frame or the component.
An interval of ``None`` means: too few materials for an interval whose coverage is known.

Which method, and why (coverages are of nominal 95 % intervals over simulated, heterogeneous
clusters; ``tests/analysis/test_intervals.py`` repeats those of the methods in use):

- Medians over materials: the order statistic interval, which needs no distribution and no large
  sample, from 6 materials on (`median_estimate`). Where the per-material value is a function of
  sums over frames, from 16 materials on the hierarchical percentile bootstrap, which adds the
  scatter among frames (`clustered_median_estimate`).
- Shares of materials: Clopper-Pearson (`share_estimate`). At a share of 0 or 1 a bootstrap would
  give an interval of no width.
- Pooled ratios: a delete-one-material jackknife with t quantiles for an effective number of
  materials (`pooled_estimate`). The pooled sums are dominated by the materials with the largest
  forces, so that n materials are worth fewer. Two plainer methods were measured and rejected: the
  same jackknife with n - 1 degrees of freedom (slope 0.87 to 0.94, r2 0.85 to 0.92 for n = 6 to
  15) and the hierarchical percentile bootstrap (0.83 to 0.92 for n = 16, 0.88 to 0.93 for 40).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy
from numpy.typing import ArrayLike, NDArray

from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]
Statistic = Callable[[FloatArray], FloatArray]

CONFIDENCE = 0.95
MEDIAN_FROM = 6
"""Materials from which on order statistics reach 95 %, since 2 / 2^5 > 5 % > 2 / 2^6."""
BOOTSTRAP_FROM = 16
"""Materials from which on the hierarchical bootstrap is used."""
JACKKNIFE_FROM = 6
"""Materials from which on the jackknife is used."""
EFFECTIVE_FROM = 2.0
"""Effective number of materials below which the jackknife gives no interval."""
REPLICATES = 2000
SEED = 20250109
"""Every bootstrap starts its own generator from this seed: equal input gives equal intervals."""

NO_VALUE = "no material"
ORDER_STATISTICS = "order statistics of the materials"
CLOPPER_PEARSON = "Clopper-Pearson"
BOOTSTRAP = "hierarchical percentile bootstrap, materials then frames"
JACKKNIFE = "delete-one-material jackknife, t quantiles for the effective number of materials"


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval.

    Parameters
    ----------
    value
        The estimate, in the units of its input; nan if there was no material.
    low, high
        Ends of the interval in the same units; both ``None`` if there are too few materials for
        an interval whose coverage is known.
    n
        Number of materials.
    method
        How the interval was made, or would be made with more materials.
    n_below, n_above
        How many of the materials have no value but a rank, below or above all values. A value or an end
        that is one of them is minus or plus infinity.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    method: str
    n_below: int = 0
    n_above: int = 0


@dataclass(frozen=True)
class Scale:
    """Monotonic scale on which an estimate is closer to a normal distribution.

    Parameters
    ----------
    forward
        From the value to the scale.
    backward
        Its inverse.
    """

    forward: Statistic
    backward: Statistic


IDENTITY = Scale(lambda value: value, lambda value: value)
LOG = Scale(np.log, np.exp)
"""For positive values such as a mean absolute error."""
LOG_COMPLEMENT = Scale(lambda value: np.log1p(-value), lambda scaled: -np.expm1(scaled))
"""log(1 - value), for r2 close to one."""


def median_estimate(values: ArrayLike, *, below: int = 0, above: int = 0) -> Estimate:
    """Median over materials with the order statistic (sign test) interval.

    The interval from the k-th smallest to the k-th largest value misses the median with
    probability 2 P(Binomial(n, 1/2) < k) whatever the distribution; the largest k with a coverage
    of at least 95 % is taken. Source: W. J. Conover, Practical Nonparametric Statistics (1999),
    section 3.2.

    Coverage for continuous values: exactly 0.969 for n = 6, 0.979 for n = 10 and 0.965 for n = 15,
    which simulation with log-normal values confirms.

    Parameters
    ----------
    values
        One value per material, shape (m,).
    below, above
        Materials without a value that are known to rank below, or above, all that have one: an unstable
        crystal's modulus is below all. Left out, the more of them a model has, the better it would look;
        order statistics need no more than their rank.

    Returns
    -------
    Estimate
        Of n = m + below + above materials. No interval below six, where even the full range covers less
        than 95 %.

    Raises
    ------
    DataError
        If a value is nan or the array is not one-dimensional.
    """
    ranked = [np.full(below, -np.inf), np.sort(per_material(values)), np.full(above, np.inf)]
    ordered = np.concatenate(ranked)
    n = len(ordered)
    if n == 0:
        return Estimate(float("nan"), None, None, 0, NO_VALUE)
    value = middle(ordered)
    if n < MEDIAN_FROM:
        return Estimate(value, None, None, n, ORDER_STATISTICS, below, above)
    ends = scipy.stats.quantile_test(ordered, q=value, p=0.5).confidence_interval(CONFIDENCE)
    return Estimate(value, float(ends.low), float(ends.high), n, ORDER_STATISTICS, below, above)


def middle(ordered: FloatArray) -> float:
    """Median of sorted values, infinite ones among them; nan if it lies between both infinities."""
    two = ordered[[(len(ordered) - 1) // 2, len(ordered) // 2]]
    return float(two[0]) if two[0] == two[1] else float(two.sum() / 2)


def clustered_median_estimate(
    frame_sums: Sequence[FloatArray], statistic: Statistic, replicates: int = REPLICATES
) -> Estimate:
    """Median over materials of a statistic of sums over frames.

    From 16 materials on by the hierarchical percentile bootstrap: materials are drawn with
    replacement, then frames within each drawn material, and the statistic is taken from the sums
    over the drawn frames. Below, `median_estimate` of the per-material values. Source: A. C.
    Davison and D. V. Hinkley, Bootstrap Methods and their Application (1997), section 3.8.

    Coverage measured with slopes that scatter by 0.08 and 5 to 20 frames per material: 0.945 to
    0.963 for n = 16 and 0.928 to 0.970 for n = 40 (slope, inverse, r2, MAE).

    Parameters
    ----------
    frame_sums
        Per material an array of shape (n_frames, k), rows additive over frames.
    statistic
        From sums of shape (..., k) to values of shape (...).
    replicates
        Number of bootstrap replicates.

    Returns
    -------
    Estimate
        The median of the per-material values with its interval.
    """
    n = len(frame_sums)
    values = np.array([statistic(sums.sum(axis=0)) for sums in frame_sums], dtype=np.float64)
    if n < BOOTSTRAP_FROM:
        return median_estimate(values)
    rng = np.random.default_rng(SEED)
    drawn = rng.integers(n, size=replicates * n)
    # Slots sorted by the material drawn into them: all draws of one material are made at once.
    counts = np.bincount(drawn, minlength=n)
    slots = np.split(np.argsort(drawn, kind="stable"), np.cumsum(counts)[:-1])
    resampled = np.empty(replicates * n)
    for own, sums in zip(slots, frame_sums, strict=True):
        frames = rng.integers(len(sums), size=(len(sums), len(own)))
        # Drawn frames may all have zero forces by symmetry: that draw of the material has no
        # slope, and the replicate's median leaves it out.
        with np.errstate(divide="ignore", invalid="ignore"):
            resampled[own] = statistic(sums[frames].sum(axis=0))
    by_replicate = resampled.reshape(replicates, n)
    undefined = bool(np.isnan(by_replicate).any())
    medians = np.nanmedian(by_replicate, axis=1) if undefined else np.median(by_replicate, axis=1)
    tail = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile(medians, [tail, 1.0 - tail])
    return Estimate(float(np.median(per_material(values))), float(low), float(high), n, BOOTSTRAP)


def share_estimate(count: int, n: int) -> Estimate:
    """Share of materials with a property, with the Clopper-Pearson interval.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26, 404 (1934). Its coverage is at least
    95 % for every n and share, 0.95 to 1.00 where it was summed up.

    Parameters
    ----------
    count
        Materials with the property.
    n
        All materials.

    Raises
    ------
    DataError
        Unless ``0 <= count <= n``.
    """
    if not 0 <= count <= n:
        raise DataError(f"{count} of {n} materials is not a share")
    if n == 0:
        return Estimate(float("nan"), None, None, 0, NO_VALUE)
    ends = scipy.stats.binomtest(count, n).proportion_ci(CONFIDENCE, method="exact")
    return Estimate(count / n, float(ends.low), float(ends.high), n, CLOPPER_PEARSON)


def pooled_estimate(
    material_sums: ArrayLike,
    statistic: Statistic,
    weights: ArrayLike | None,
    scale: Scale = IDENTITY,
) -> Estimate:
    """Statistic of the sums over all materials, with a delete-one-material jackknife interval.

    On `scale`, the interval is value +- t se with se^2 = (n - 1) / n sum((value_without_i -
    value)^2) and t of m - 1 degrees of freedom, m = (sum w)^2 / sum(w^2) being the effective
    number of materials (Kish): the pooled ratio rests on those with the largest weights. Without weights the
    degrees of freedom are sum(d^2)^2 / sum(d^4), d = value_without_i - value, as if each d^2 were one
    (Satterthwaite). Sources: B. Efron and C. Stein, Ann. Stat. 9, 586 (1981); F. E. Satterthwaite,
    Biometrics Bull. 2, 110 (1946); A. C. Cameron and D. L. Miller, J. Human Resources 50, 317 (2015) on few
    and unequal clusters.

    Coverage measured with forces of log-normal size (sigma 0.3, 0.6, 0.9 between materials) and
    slopes that scatter by 0.08, for n = 6, 10, 15, 16 and 40, where there is an interval: slope
    0.945 to 0.973, inverse 0.943 to 0.972, r2 0.955 to 0.966, MAE 0.931 to 0.965. With one value per
    material or 1 to 6, as energies are, the same, and mean errors 0.94 to 0.96 (0.92 to 0.94 for a
    sigma of 0.9). With sums of squared residuals as weights that of r2 was 0.915 to 0.96.

    Slopes that correlate with the logarithm of the force lower it: at a correlation of 0.3 of either
    sign to 0.92 to 0.96, at 0.6 to 0.86 to 0.91 for slope and inverse. Every other method tried does
    worse there. Medians over materials have no such weakness: prefer them.

    Parameters
    ----------
    material_sums
        Sums of each material, shape (n, k).
    statistic
        From sums of shape (..., k) to values of shape (...).
    weights
        Non-negative weight of each material in the statistic, shape (n,): sum(xx) for the slope, the
        MAE and the mean error, sum(yy) for the inverse; ``None`` for r2.
    scale
        Scale on which the jackknife is made.

    Returns
    -------
    Estimate
        No interval below six materials, below two effective ones, or where the value has no finite
        image on the scale (an r2 of exactly one).
    """
    sums = np.asarray(material_sums, dtype=np.float64)
    n = len(sums)
    if n == 0:
        return Estimate(float("nan"), None, None, 0, NO_VALUE)
    total = sums.sum(axis=0)
    value = float(statistic(total))
    if n < JACKKNIFE_FROM:
        return Estimate(value, None, None, n, JACKKNIFE)
    with np.errstate(divide="ignore", invalid="ignore"):
        full = float(scale.forward(np.asarray(value)))
        deviations = scale.forward(statistic(total - sums)) - full
    if not np.isfinite(deviations).all():
        return Estimate(value, None, None, n, JACKKNIFE)
    error = float(np.sqrt((n - 1) / n * np.sum(deviations**2)))
    effective = (
        1.0 + effective_number(deviations**2) if weights is None else effective_number(weights)
    )
    if effective < EFFECTIVE_FROM:
        return Estimate(value, None, None, n, JACKKNIFE)
    half = error * float(scipy.stats.t.ppf((1.0 + CONFIDENCE) / 2.0, effective - 1.0))
    ends = scale.backward(np.array([full - half, full + half]))
    return Estimate(value, float(ends.min()), float(ends.max()), n, JACKKNIFE)


def effective_number(weights: ArrayLike) -> float:
    """Kish's effective number of materials, (sum w)^2 / sum(w^2), of non-negative weights; 0 for none."""
    weight = np.asarray(weights, dtype=np.float64)
    square = float(np.sum(weight**2))
    return float(weight.sum() ** 2) / square if square > 0.0 else 0.0


def per_material(values: ArrayLike) -> FloatArray:
    """Values of materials, shape (n,).

    Raises
    ------
    DataError
        If one is nan or the array is not one-dimensional.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(f"values of shape {array.shape}: one per material is needed")
    if np.isnan(array).any():
        raise DataError("a material's value is nan: leave out materials without the metric")
    return array
