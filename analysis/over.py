"""How the values of cases become rows of the summary, each with its interval, and paired differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import (
    IDENTITY,
    LOG,
    LOG_COMPLEMENT,
    NO_VALUE,
    Estimate,
    Scale,
    Statistic,
    clustered_median_estimate,
    median_estimate,
    pooled_estimate,
    share_estimate,
)
from umlip_bench.analysis.paired import (
    PairedEstimate,
    paired_median_estimate,
    paired_pooled_estimate,
)
from umlip_bench.analysis.softening import (
    SUM_XX,
    SUM_YY,
    inverse_of,
    mae_of,
    r2_of,
    slope_of,
)

FloatArray = NDArray[np.float64]
Value: TypeAlias = float | int | FloatArray
"""A number of a case, or sums over it, shape (k,) or (frames, k)."""

WITHOUT_INTERVAL = "value without interval"
"""Method of an `Estimate` that has none."""


@dataclass(frozen=True)
class Over(ABC):
    """How a metric is summarised over materials.

    Parameters
    ----------
    label
        What tables call the row; empty for a row that only files have.
    name
        Of the row; made of the metric's key if empty.
    unit
        Of the row; ``None`` for the metric's.
    size
        That unit in the metric's.
    always
        Whether the row is there even without a case.
    paired
        Whether two models are compared by it, case by case.
    headline
        What it is a scale of, if it is one by which a suite says how soft a model is: ``"forces"``.
    scale_of
        What it is a scale of without being a headline: 1 is right.
    inverse
        With `headline`: the row that is the best factor on the model.
    error_of_case
        With `inverse`: the column of a case's error that such a factor should lessen.
    error
        Whether the report draws it beside others as an error before and after a correction.
    """

    label: str = ""
    _: KW_ONLY
    name: str = ""
    unit: str | None = None
    size: float = 1.0
    always: bool = False
    paired: bool = False
    headline: str = ""
    scale_of: str = ""
    inverse: str = ""
    error_of_case: str = ""
    error: bool = False

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """Names and labels of the rows that are made of the metric of this key."""
        return ((self.name or key, self.label),)

    def estimates(
        self, key: str, systems: Sequence[str], values: Sequence[Value]
    ) -> list[tuple[str, Estimate]]:
        """Names of rows and what they say, in the metric's unit."""
        return [(self.names(key)[0][0], self.estimate(systems, values))]

    @abstractmethod
    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Value and interval over all cases, each with its material and its value."""

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Both values and their difference; ``None`` if no case has a value on both sides."""
        raise NotImplementedError(f"{type(self).__name__} of {self.label!r} is not compared")

    def of_case(self, value: Value) -> float:
        """What the row would be of a single case."""
        return float(value) / self.size

    def in_unit(self, estimate: Estimate) -> Estimate:
        """An estimate in the metric's unit in the row's."""

        def converted(value: float | None) -> float | None:
            return None if value is None else value / self.size

        return replace(
            estimate,
            value=estimate.value / self.size,
            low=converted(estimate.low),
            high=converted(estimate.high),
        )


def _known(systems: Sequence[str], values: Sequence[Value]) -> tuple[list[str], FloatArray]:
    """Cases that have a value or a rank."""
    array = np.array(values, dtype=np.float64).reshape(-1)
    there: list[bool] = (~np.isnan(array)).tolist()
    return [name for name, known in zip(systems, there, strict=True) if known], array[there]


def _finite(systems: Sequence[str], values: Sequence[Value]) -> FloatArray:
    """Values of the cases that have one."""
    known = _known(systems, values)[1]
    return np.asarray(known[np.isfinite(known)])


def _if_independent(systems: Sequence[str], estimate: Estimate) -> Estimate:
    """Without the interval where cases share a material: it would be too narrow."""
    return estimate if len(set(systems)) == len(systems) else replace(estimate, low=None, high=None)


@dataclass(frozen=True)
class Median(Over):
    """Median over cases, with the order statistic interval; ``KEY_median``.

    Parameters
    ----------
    absolute
        Whether sizes are taken: for errors that have a sign.
    """

    _: KW_ONLY
    absolute: bool = False

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """``KEY_median``, if it has no other name."""
        return ((self.name or f"{key}_median", self.label),)

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the cases that have a value or a rank."""
        of, known = _known(systems, values)
        ranked = np.abs(known) if self.absolute else known
        estimate = median_estimate(
            ranked[np.isfinite(ranked)],
            below=int(np.sum(ranked == -np.inf)),
            above=int(np.sum(ranked == np.inf)),
        )
        return _if_independent(of, estimate)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Medians, and the median of the differences."""
        both = np.array([first, second], dtype=np.float64)
        known = np.isfinite(both).all(axis=0)
        if not known.any():
            return None
        estimate = paired_median_estimate(*(np.abs(both) if self.absolute else both)[:, known])
        materials = set(np.array(systems, dtype=str)[known].tolist())
        if len(materials) == estimate.n_cases:
            return estimate
        # Cases of one material are not independent: order statistics of cases would be too narrow.
        return replace(estimate, low=None, high=None, n_systems=len(materials))


@dataclass(frozen=True)
class Mean(Over):
    """Mean over cases of sizes, without an interval."""

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the cases that have a value."""
        sizes = np.abs(_finite(systems, values))
        mean = float(np.mean(sizes)) if len(sizes) else float("nan")
        return Estimate(mean, None, None, len(sizes), WITHOUT_INTERVAL)


@dataclass(frozen=True)
class Largest(Over):
    """The largest value of all cases, without an interval; ``KEY_largest``."""

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """``KEY_largest``, if it has no other name."""
        return ((self.name or f"{key}_largest", self.label),)

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the cases that have a value; those above all values are counted."""
        _, known = _known(systems, values)
        finite = known[np.isfinite(known)]
        largest = finite.max() if len(finite) else known.max(initial=-np.inf)
        above = int(np.sum(known == np.inf))
        value = float(largest) if len(known) else float("nan")
        return Estimate(value, None, None, len(known), WITHOUT_INTERVAL, n_above=above)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Both values, of the cases that have one on both sides."""
        return _compared(np.max, systems, first, second)


@dataclass(frozen=True)
class Quantiles(Over):
    """Quantiles over cases, without intervals; ``KEY_q10`` and so on.

    Parameters
    ----------
    percents
        Which.
    least
        Cases from which on there are any.
    """

    _: KW_ONLY
    percents: tuple[int, ...]
    least: int = 1

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """One for each; labels where there is one, with the share in it."""
        return tuple(
            (f"{key}_q{percent}", f"{self.label}, {percent}%" if self.label else "")
            for percent in self.percents
        )

    def estimates(
        self, key: str, systems: Sequence[str], values: Sequence[Value]
    ) -> list[tuple[str, Estimate]]:
        """Of the cases that have a value."""
        known = _finite(systems, values)
        if len(known) < self.least:
            return []
        found = np.percentile(known, self.percents).tolist()
        return [
            (name, Estimate(value, None, None, len(known), WITHOUT_INTERVAL))
            for (name, _), value in zip(self.names(key), found, strict=True)
        ]

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """The first of them."""
        return self.estimates("", systems, values)[0][1]


@dataclass(frozen=True)
class Share(Over):
    """Share of the cases that something is true of, with the Clopper-Pearson interval.

    Parameters
    ----------
    holds
        Whether it is, from a value that is not nan.
    fault
        What it is called on the card if it is a fault of the model that only a reference can tell.
    if_any
        Whether the row is only there if the share is not zero.
    """

    _: KW_ONLY
    holds: Callable[[float], bool] = bool
    unit: str | None = ""
    fault: str = ""
    if_any: bool = False

    def estimates(
        self, key: str, systems: Sequence[str], values: Sequence[Value]
    ) -> list[tuple[str, Estimate]]:
        """Nothing where nobody need know."""
        found = super().estimates(key, systems, values)
        return [] if self.if_any and not found[0][1].value > 0.0 else found

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the cases that have a value or a rank."""
        of, known = _known(systems, values)
        holding = sum(bool(self.holds(float(value))) for value in known)
        return _if_independent(of, share_estimate(holding, len(known)))

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Both shares, of the cases that have a value on both sides; without an interval."""

        def share(values: FloatArray) -> float:
            return float(np.mean([bool(self.holds(float(value))) for value in values]))

        return _compared(share, systems, first, second)


def _compared(
    summary: Callable[[FloatArray], float],
    systems: Sequence[str],
    first: Sequence[Value],
    second: Sequence[Value],
) -> PairedEstimate | None:
    """A summary of either side and their difference, without an interval."""
    both = np.array([first, second], dtype=np.float64)
    known = np.isfinite(both).all(axis=0)
    if not known.any():
        return None
    one, other = (float(summary(side)) for side in both[:, known])
    n_systems = len(set(np.array(systems, dtype=str)[known].tolist()))
    n = int(known.sum())
    return PairedEstimate(one, other, other - one, None, None, n, n_systems, WITHOUT_INTERVAL)


def below_one(value: float) -> bool:
    """Whether a scale is that of a soft model."""
    return value < 1.0


@dataclass(frozen=True)
class Count(Over):
    """How many cases something is true of: the sum of their values.

    Parameters
    ----------
    left_out
        Why these cases are not compared, through no fault of the model, in words for the card.
    """

    _: KW_ONLY
    unit: str | None = ""
    always: bool = True
    left_out: str = ""

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of all cases."""
        return Estimate(float(sum(values)), None, None, len(values), WITHOUT_INTERVAL)


@dataclass(frozen=True)
class Systems(Over):
    """How many materials the cases that have a value belong to."""

    unit: str | None = ""
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """The number."""
        of, sums = _by_system(systems, values)
        return Estimate(float(len(of)), None, None, sum(map(len, sums)), WITHOUT_INTERVAL)


# ---- of sums


def _by_system(
    systems: Sequence[str], values: Sequence[Value]
) -> tuple[list[str], list[list[FloatArray]]]:
    """Sums of the cases of each material that have any."""
    found: dict[str, list[FloatArray]] = {}
    for name, value in zip(systems, values, strict=True):
        sums = np.asarray(value, dtype=np.float64)
        if np.isfinite(sums).all():
            found.setdefault(name, []).append(sums if sums.ndim == 1 else sums.sum(axis=0))
    return list(found), list(found.values())


@dataclass(frozen=True)
class Pooled(Over):
    """A statistic of sums over all cases, with the jackknife interval over materials.

    Parameters
    ----------
    statistic
        From sums of shape (..., k) to values of shape (...).
    weight
        Column of the sums that says how much a material counts; ``None`` as in `pooled_estimate`.
    on
        Scale on which the jackknife is made.
    ratio
        Whether it is one of x and y, which there is not where either is zero throughout.
    """

    _: KW_ONLY
    statistic: Statistic
    weight: int | None = SUM_XX
    on: Scale = IDENTITY
    ratio: bool = True
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Counts cases."""
        _, cases = _by_system(systems, values)
        sums = np.array([np.sum(of_system, axis=0) for of_system in cases])
        if not len(sums) or (self.ratio and not (sums[:, SUM_XX].any() and sums[:, SUM_YY].any())):
            return Estimate(float("nan"), None, None, 0, NO_VALUE)
        weights = None if self.weight is None else sums[:, self.weight]
        estimate = pooled_estimate(sums, self.statistic, weights, self.on)
        return replace(estimate, n=sum(map(len, cases)))

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """By the paired jackknife."""
        assert self.weight is not None
        sums, n = _both(systems, first, second)
        if sums is None:
            return None
        estimate = paired_pooled_estimate(*sums, self.statistic, self.weight)
        return replace(estimate, n_cases=n) if np.isfinite(estimate.difference) else None

    def of_case(self, value: Value) -> float:
        """The statistic of its own sums; nan if it has none."""
        return _statistic_of(self.statistic, value) / self.size


pooled_slope = partial(Pooled, statistic=slope_of)
"""Slope of the model on DFT through the origin."""
pooled_inverse = partial(Pooled, statistic=inverse_of, weight=SUM_YY)
"""Best factor on the model."""
# What is left unexplained moves r2 away from one, by the few materials where most of it is: which those are
# the jackknife tells itself.
pooled_r2 = partial(Pooled, statistic=r2_of, weight=None, on=LOG_COMPLEMENT)
"""Uncentred r2."""
pooled_mae = partial(Pooled, statistic=mae_of, on=LOG, ratio=False)
"""Mean absolute error."""


@dataclass(frozen=True)
class SystemMedian(Over):
    """Median over materials of a statistic of each one's sums, by order statistics; counts cases."""

    _: KW_ONLY
    statistic: Statistic
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the materials that have the statistic."""
        # Not by the hierarchical bootstrap: of few cases it draws the scatter within a system a second time,
        # and covers 0.99 for 40 systems of 1 to 6.
        _, cases = _by_system(systems, values)
        totals = [np.sum(of_system, axis=0) for of_system in cases]
        known = [float(self.statistic(total)) for total in totals if total[SUM_XX] > 0.0]
        n = sum(map(len, cases))
        return replace(median_estimate(known), n=n)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """By order statistics, of the materials that have the statistic on both sides."""
        sums, n = _both(systems, first, second)
        if sums is None:
            return None
        with np.errstate(divide="ignore", invalid="ignore"):
            values = np.array([self.statistic(side) for side in sums])
        known = np.isfinite(values).all(axis=0)
        if not known.any():
            return None
        return replace(paired_median_estimate(*values[:, known]), n_cases=n)

    def of_case(self, value: Value) -> float:
        """The statistic of its own sums."""
        return _statistic_of(self.statistic, value) / self.size


@dataclass(frozen=True)
class ClusteredMedian(Median):
    """Median over materials of a statistic of each one's sums over frames, by the hierarchical bootstrap.

    Each case is a material, its value sums of shape (frames, k).
    """

    _: KW_ONLY
    statistic: Statistic
    always: bool = True

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """With the scatter among frames in the interval, where there are enough materials."""
        return clustered_median_estimate([np.asarray(sums) for sums in values], self.statistic)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Medians, and the median of the differences, of the materials as they are."""
        sides = ([self.of_case(sums) for sums in side] for side in (first, second))
        return super().compare(systems, *sides)

    def of_case(self, value: Value) -> float:
        """The statistic over all its frames."""
        return _statistic_of(self.statistic, value) / self.size


def _both(
    systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
) -> tuple[tuple[FloatArray, FloatArray] | None, int]:
    """Sums of each material on both sides, and number of cases, of those with sums on both."""
    pairs = np.array(list(zip(first, second, strict=True)), dtype=np.float64)
    known = np.isfinite(pairs).all(axis=(1, 2)) if len(pairs) else np.zeros(0, dtype=bool)
    if not known.any():
        return None, 0
    names = np.array(systems, dtype=str)[known]
    sums = np.array([pairs[known][names == n].sum(axis=0) for n in dict.fromkeys(names.tolist())])
    return (sums[:, 0], sums[:, 1]), int(known.sum())


def _statistic_of(statistic: Statistic, value: Value) -> float:
    sums = np.asarray(value, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(statistic(sums if sums.ndim == 1 else sums.sum(axis=0)))
