"""Metrics, declared once each: how one follows from a result, and how it is summarised over materials.

Rows of the summary, tables, paired differences, columns of exports, panels of the report and sentences of the
card follow from a suite's table of metrics. Nothing here knows a suite.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import Estimate
from umlip_bench.analysis.over import WITHOUT_INTERVAL, Over, Value
from umlip_bench.analysis.paired import PairedEstimate
from umlip_bench.analysis.summary import Row, RowHead

V = TypeVar("V")

FloatArray = NDArray[np.float64]
NAN = float("nan")


@dataclass(frozen=True)
class Spread:
    """How the report shows a metric case by case.

    Parameters
    ----------
    label
        What it is: ``"highest frequency, model over DFT"``.
    target
        What would be right.
    """

    label: str
    target: float


@dataclass(frozen=True)
class Metric(Generic[V]):
    """A number of one case in one variant.

    Parameters
    ----------
    key
        Its column in tables of cases, after the variant's prefix.
    of
        From what a suite makes of a result for a variant (`DeclaredSuite.view`); nan where there is none.
        Sums, shape (k,) or (frames, k), where `over` pools them.
    unit
        Of the number.
    over
        How it is summarised over materials: rows of the summary, in the order of the tables.
    ranked
        For a case without a value its rank, minus or plus infinity for below or above all values; nan where
        it has none. Medians and shares count it: left out, the more unstable crystals a model has, the
        better it would look.
    column
        Whether tables of cases have it.
    only
        Variants that have it; empty for all.
    spread
        How the report shows it case by case; ``None`` if it does not.
    """

    key: str
    of: Callable[[V], Value]
    unit: str = ""
    over: tuple[Over, ...] = ()
    _: KW_ONLY
    ranked: Callable[[V], float] | None = None
    column: bool = True
    only: tuple[str, ...] = ()
    spread: Spread | None = None

    def rows(self, head: RowHead, systems: Sequence[str], views: Sequence[V]) -> Iterator[Row]:
        """Rows of the summary, those without a case only where they are wanted.

        Parameters
        ----------
        head
            What all rows of the variant share.
        systems
            The material of each case; cases of one are not independent.
        views
            Cases.
        """
        values = [self._ranked(view) for view in views] if self.over else []
        for over in self.over:
            for name, estimate in over.estimates(self.key, systems, values):
                if estimate.n or over.always:
                    unit = self.unit if over.unit is None else over.unit
                    yield head.row(name, unit, over.in_unit(estimate))

    def _ranked(self, view: V) -> Value:
        value = self.of(view)
        return self.ranked(view) if self.ranked is not None and np.isnan(value) else value

    def compare(
        self, systems: Sequence[str], first: Sequence[V], second: Sequence[V]
    ) -> Iterator[PairedMetricEstimate]:
        """Paired differences of the same cases, second minus first; of those that have values on both sides.

        Parameters
        ----------
        systems, first, second
            As of `rows`, in the same order.
        """
        compared = [over for over in self.over if over.paired]
        if not compared or not systems:
            return
        both = [[self.of(view) for view in side] for side in (first, second)]
        n_ranked = self._by_rank_alone(first, second)
        for over in compared:
            estimate = over.compare(systems, *both)
            if estimate is None and n_ranked:
                estimate = PairedEstimate(NAN, NAN, NAN, None, None, 0, 0, WITHOUT_INTERVAL, None)
            if estimate is not None:
                name, label = over.names(self.key)[0]
                unit = self.unit if over.unit is None else over.unit
                found = _in_unit(replace(estimate, n_ranked=n_ranked), over.size)
                yield PairedMetricEstimate(name, label, unit, found)

    def _by_rank_alone(self, first: Sequence[V], second: Sequence[V]) -> int:
        """Cases with a value or a rank on both sides, and on one of them no value."""
        if any(isinstance(self.of(view), np.ndarray) for view in first[:1]):
            return 0
        both = np.array(
            [[self._ranked(view) for view in side] for side in (first, second)], dtype=float
        )
        return int((~np.isnan(both).any(axis=0) & np.isinf(both).any(axis=0)).sum())


@dataclass(frozen=True)
class Together(Generic[V]):
    """Rows of the summary that follow from all cases of a variant together.

    Parameters
    ----------
    of
        Estimates, one for each row; none where nothing follows.
    rows
        Name, label (empty for rows that only files have) and unit of each.
    """

    of: Callable[[Sequence[V]], Sequence[Estimate]]
    rows: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class PairedMetricEstimate:
    """A paired difference with the row of the summary that it is of; see `Over`."""

    metric: str
    label: str
    unit: str
    estimate: PairedEstimate


@dataclass(frozen=True)
class Headline(Generic[V]):
    """A number by which a suite says how soft a model is: 1 is right, below 1 is soft.

    Parameters
    ----------
    metric
        Its row of the summary.
    inverse
        The row that is the best factor on the model; ``None`` if the suite has none.
    label
        What it is a scale of: ``"forces"``.
    of_case
        What it is in one case; nan if the case has none.
    inverse_of_case
        The best factor on the model there, likewise.
    error
        The metric that such a factor should lessen in a case; empty if it is not known.
    """

    metric: str
    inverse: str | None
    label: str
    of_case: Callable[[V], float]
    inverse_of_case: Callable[[V], float]
    error: str


def numbers(metrics: Sequence[Metric[V]], prefix: str, view: V) -> Mapping[str, float | int]:
    """Columns of one case in one variant."""
    return {prefix + metric.key: _plain(metric.of(view)) for metric in metrics if metric.column}


def _plain(value: Value) -> float | int:
    return value if isinstance(value, int) else float(value)


def _in_unit(estimate: PairedEstimate, size: float) -> PairedEstimate:
    def converted(value: float | None) -> float | None:
        return None if value is None else value / size

    return replace(
        estimate,
        first=estimate.first / size,
        second=estimate.second / size,
        difference=estimate.difference / size,
        low=converted(estimate.low),
        high=converted(estimate.high),
    )
