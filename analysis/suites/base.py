"""What the analysis knows of a suite: its numbers, its files, what is plotted, what a factor does to it.

A run folder is read with these alone: no model and no reference data is needed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.metric import PairedMetricEstimate
from umlip_bench.analysis.paired import PairedCase, PairedMetric
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation

R = TypeVar("R")

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Quantity:
    """What a parity plot shows.

    Parameters
    ----------
    name
        In words, in the singular: ``"force component"``.
    unit
        Of both axes.
    slope
        Metric of the summary that is the slope of the line through the points; ``None`` if there is
        none.
    """

    name: str
    unit: str
    slope: str | None


@dataclass(frozen=True, eq=False)
class Parity:
    """DFT and the model, value by value.

    Parameters
    ----------
    quantity
        What the values are.
    reference, model
        Shape (n,), in the unit of the quantity; finite.
    """

    quantity: Quantity
    reference: FloatArray
    model: FloatArray


NO_RESULT = "no result in this geometry"


@dataclass(frozen=True)
class Headline:
    """A number by which a suite says how soft a model is: 1 is right, below 1 is soft.

    Parameters
    ----------
    metric
        Its metric in the summary, over all cases.
    inverse
        The metric that is the best factor on the model; ``None`` if the suite has none.
    label
        What it is a scale of: ``"forces"``.
    """

    metric: str
    inverse: str | None
    label: str
    error: str = ""


class SuiteAnalysis(ABC, Generic[R]):
    """A suite, seen from its results.

    Attributes
    ----------
    name
        As given to ``umlip-bench run``.
    presentation
        How its rows are shown.
    variants
        Ways of measuring that it knows.
    headlines
        Its scales, the most telling first.
    paired_metrics
        What is compared case by case between two models: its scales and its errors, of the metrics that
        its tables show.
    """

    name: ClassVar[str]
    presentation: ClassVar[Presentation]
    variants: ClassVar[tuple[str, ...]]
    headlines: ClassVar[tuple[Headline, ...]]
    paired_metrics: ClassVar[tuple[PairedMetric, ...]]

    result: ClassVar[object] = None
    beside_headlines: ClassVar[Mapping[str, str]] = {}
    errors: ClassVar[tuple[str, ...]] = ()

    @property
    def variant_names(self) -> tuple[str, ...]:
        """As of `DeclaredSuite`."""
        return tuple(map(str, self.variants))

    def numbers(self, result: R) -> Mapping[str, float | int]:
        """As of `DeclaredSuite`."""
        return self.metrics(result)

    def scale(self, result: R, variant: str, headline: Headline) -> float:
        """As of `DeclaredSuite`."""
        return self.old_scale(self.metrics(result), variant, headline)

    def paired(
        self, pairs: Sequence[tuple[R, R]], first: str, second: str
    ) -> Iterator[PairedMetricEstimate]:
        """As of `DeclaredSuite`."""
        cases = [
            PairedCase(self.system(one), self.metrics(one), self.metrics(other))
            for one, other in pairs
        ]
        labels = dict(self.presentation.labels)
        for metric in self.paired_metrics:
            estimate = metric.compare(cases, first, second)
            if estimate is not None:
                yield PairedMetricEstimate(
                    metric.metric, labels[metric.metric], metric.unit, estimate
                )

    @abstractmethod
    def metrics(self, result: R) -> Mapping[str, float | int]:
        """The numbers of one case, for cases.jsonl."""

    @abstractmethod
    def to_arrays(self, result: R) -> Mapping[str, np.ndarray]:
        """Everything the result consists of but its name, for the run folder's predictions."""

    @abstractmethod
    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> R:
        """The result again."""

    @abstractmethod
    def rows(self, model: str, data: str, results: Sequence[R], n_failed: int) -> list[Row]:
        """Summary over the cases that succeeded."""

    def case_table(self, results: Sequence[R]) -> CaseTable | None:
        """Cases of one model, one by one; ``None`` where there is more to a case than a line holds."""
        return None

    def faults(self, result: R, variant: str) -> tuple[str, ...]:
        """What went wrong in a case, in words, whether or not there is a reference to compare with.

        `NO_RESULT` for a geometry that was to be measured and has no result; ``"imaginary modes"`` and
        the like otherwise.
        """
        return ()

    @abstractmethod
    def system(self, result: R) -> str:
        """The material: results of one material are not independent."""

    @abstractmethod
    def old_scale(
        self, metrics: Mapping[str, float | int], variant: str, headline: Headline
    ) -> float:
        """What a headline is in one case, from the case's `metrics`; nan if the case has none.

        Values that the summary leaves out, as not comparable say, are nan here too.
        """

    @abstractmethod
    def parities(self, result: R, variant: str) -> tuple[Parity, ...]:
        """What can be plotted against DFT; empty if nothing is comparable."""

    @abstractmethod
    def scaled(self, result: R, factor: float) -> R:
        """The result of the same model with its energy surface multiplied by a factor.

        Exact, without another evaluation: geometries that were relaxed at zero pressure, paths and
        reference values stay as they are.

        Parameters
        ----------
        factor
            Positive.
        """
