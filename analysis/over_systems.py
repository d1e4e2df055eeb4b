"""Summaries that no single large value decides: ratios by system, and what a pooled slope rests on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import Estimate, median_estimate, middle
from umlip_bench.analysis.over import WITHOUT_INTERVAL, Over, Value
from umlip_bench.analysis.over_sums import pooled_slope
from umlip_bench.analysis.paired import PairedEstimate, paired_median_estimate
from umlip_bench.analysis.softening import SUM_XX

FloatArray = NDArray[np.float64]

LEVERAGE = 0.5
"""Share of sum(xx) above which one value decides a pooled slope."""


def _grouped(systems: Sequence[str], values: FloatArray) -> list[FloatArray]:
    """Sorted values of each system."""
    names = np.array(systems, dtype=str)
    return [np.sort(values[names == name]) for name in dict.fromkeys(names.tolist())]


@dataclass(frozen=True)
class MedianOfSystems(Over):
    """Median over systems of the median of each one's cases, by order statistics; counts cases.

    Each system counts once, however many cases it has and however large they are.
    """

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """``KEY_median``, if it has no other name."""
        return ((self.name or f"{key}_median", self.label),)

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """Of the systems with a case that has a value or a rank."""
        array = np.array(values, dtype=np.float64).reshape(-1)
        known = ~np.isnan(array)
        groups = _grouped(np.array(systems, dtype=str)[known].tolist(), array[known])
        medians = np.array([middle(group) for group in groups])
        sizes = np.array([len(group) for group in groups], dtype=int)
        below, above = medians == -np.inf, medians == np.inf
        estimate = median_estimate(
            medians[np.isfinite(medians)], below=int(below.sum()), above=int(above.sum())
        )
        return replace(
            estimate,
            n=int(sizes.sum()),
            n_below=int(sizes[below].sum()),
            n_above=int(sizes[above].sum()),
        )

    def compare(
        self, systems: Sequence[str], first: Sequence[Value], second: Sequence[Value]
    ) -> PairedEstimate | None:
        """Medians over systems, and the median of the differences, of cases with values on both sides."""
        both = np.array([first, second], dtype=np.float64)
        known = np.isfinite(both).all(axis=0)
        if not known.any():
            return None
        names = np.array(systems, dtype=str)[known].tolist()
        before, after = ([middle(group) for group in _grouped(names, side[known])] for side in both)
        return replace(paired_median_estimate(before, after), n_cases=int(known.sum()))


@dataclass(frozen=True)
class Leverage(Over):
    """The share of sum(xx) of the one value with the largest, and the pooled slope without it.

    Only there where that share is above `LEVERAGE`: then the slope is that value's.

    Parameters
    ----------
    without
        Name and label of the row of the slope without it.
    """

    _: KW_ONLY
    without: tuple[str, str]

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """Of the share, and of the slope."""
        return ((self.name, self.label), self.without)

    def estimates(
        self, key: str, systems: Sequence[str], values: Sequence[Value]
    ) -> list[tuple[str, Estimate]]:
        """Both, or nothing; counts the cases that are pooled, and those that are left."""
        sums = np.array(values, dtype=np.float64)
        known = np.isfinite(sums).all(axis=1) if len(sums) else np.zeros(0, dtype=bool)
        found = leverage(sums[known, SUM_XX]) if known.any() else None
        if found is None:
            return []
        largest, share = found
        rest = np.delete(np.flatnonzero(known), largest).tolist()
        slope = pooled_slope().estimate([systems[k] for k in rest], list(sums[rest]))
        whole = Estimate(share, None, None, int(known.sum()), WITHOUT_INTERVAL)
        return [(self.name, whole), (self.without[0], slope)]

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """The share, where one value decides."""
        return self.estimates("", systems, values)[0][1]


def leverage(squares: FloatArray) -> tuple[int, float] | None:
    """Which of the values decides a pooled slope, and its share of sum(xx); ``None`` if none does.

    Parameters
    ----------
    squares
        xx of each value, shape (n,).
    """
    total = float(np.sum(squares))
    if len(squares) < 2 or not total > 0.0:
        return None
    largest = int(np.argmax(squares))
    share = float(squares[largest]) / total
    return (largest, share) if share > LEVERAGE else None
