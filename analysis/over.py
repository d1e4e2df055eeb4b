"""How the values of cases become rows of the summary, each with its interval, and paired differences."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.clusters import median_over_clusters, share_over_clusters
from umlip_bench.analysis.intervals import (
    Estimate,
)
from umlip_bench.analysis.paired import (
    PairedEstimate,
    paired_median_estimate,
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


@dataclass(frozen=True)
class Median(Over):
    """Median over cases, with the order statistic interval over materials; ``KEY_median``.

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
        return median_over_clusters(ranked, of)

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Medians, and the median of the differences."""
        both = np.array([first, second], dtype=np.float64)
        known = np.isfinite(both).all(axis=0)
        if not known.any():
            return None
        materials = np.array(systems, dtype=str)[known].tolist()
        sides = (np.abs(both) if self.absolute else both)[:, known]
        return paired_median_estimate(sides[0], sides[1], materials)


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
    """Share of the cases that something is true of, with the Clopper-Pearson interval over materials.

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
        return share_over_clusters([bool(self.holds(float(value))) for value in known], of)

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
    return PairedEstimate(one, other, other - one, None, None, n, n_systems, WITHOUT_INTERVAL, None)


ROUNDING = 1e-6
"""A scale nearer to one is one: files hold labels to eight decimals."""


def below_one(value: float) -> bool:
    """Whether a scale is that of a soft model."""
    return value < 1.0 - ROUNDING


def above_one(value: float) -> bool:
    """Whether a scale is that of a stiff model, or the best factor on a soft one."""
    return value > 1.0 + ROUNDING


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
