"""Model against model and run against run: paired differences over the cases that both have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.paired import PAIRED_JACKKNIFE
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.run_files import CaseRecord
from umlip_bench.analysis.suite import AnySuite

if TYPE_CHECKING:
    import pandas as pd


COLUMNS = (
    "first_run",
    "first_model",
    "second_run",
    "second_model",
    "suite",
    "variant",
)
"""Columns of `to_frame` that say what a row is of."""
MEDIAN_OF_DIFFERENCES = "median of the differences"
DIFFERENCE_OF_VALUES = "difference of the values"


@dataclass(frozen=True)
class PairedRow:
    """One metric of two sides, over the cases that both have.

    Parameters
    ----------
    suite, variant, metric
        As in the summary; both values are what the summary would have for these cases.
    label
        The metric in words, as in the tables.
    unit
        Of both values and of the difference; empty for dimensionless ones.
    first, second
        Values of the two sides.
    difference
        Second minus first, as `difference_is` says: where the metric is a median it is the median of the
        differences, which is not the difference of the medians and may even have another sign.
    ci_low, ci_high
        Ends of the 95 % interval of the difference; ``None`` if there are too few systems for an interval
        whose coverage is known.
    n_cases
        Cases that have the metric on both sides.
    n_systems
        Materials that these belong to, the independent unit of the interval.
    method
        How the interval was made, or would be made with more systems.
    p_value
        Two-sided, of no difference, of this row alone; ``None`` without an interval. Of many rows some are
        small by chance: `umlip_bench.analysis.paired.holm`.
    n_ranked
        Cases that are left out since on a side they have no value but a rank, as unstable crystals do.
    """

    suite: str
    variant: str
    metric: str
    label: str
    unit: str
    first: float
    second: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    n_cases: int
    n_systems: int
    method: str
    p_value: float | None
    n_ranked: int = 0

    @property
    def difference_is(self) -> str:
        """How the difference was made of the two sides."""
        pooled = self.method == PAIRED_JACKKNIFE
        return DIFFERENCE_OF_VALUES if pooled else MEDIAN_OF_DIFFERENCES

    @property
    def second_minus_first(self) -> float:
        """Difference of the two values themselves, as they stand beside each other in tables."""
        return self.second - self.first

    @property
    def against_values(self) -> bool:
        """Whether the difference has another sign than that of the values beside it."""
        return self.second_minus_first * self.difference < 0.0

    @property
    def resolved(self) -> bool:
        """Whether there is an interval and zero is not in it."""
        if self.ci_low is None or self.ci_high is None:
            return False
        return self.ci_low > 0.0 or self.ci_high < 0.0


@dataclass(frozen=True)
class Overlap:
    """Which cases of a suite two sides have a result of.

    Parameters
    ----------
    suite
        The suite.
    common
        Names of the cases that both have, with the same DFT values.
    only_first, only_second
        Names of those that only one has: the other did not run them, or failed.
    other_reference
        Names of those that both have, but with different DFT values: they are not compared.
    """

    suite: str
    common: tuple[str, ...]
    only_first: tuple[str, ...]
    only_second: tuple[str, ...]
    other_reference: tuple[str, ...]


def compare(first: Side, second: Side) -> list[PairedRow]:
    """Compare two models, or a model in two runs, case by case.

    Cases are paired by suite and name. If the two runs are of different data, only those whose DFT values
    are the same are compared (see `overlaps`).

    Parameters
    ----------
    first, second
        A model in a run folder each. Exchanging them changes the sign of every difference.

    Returns
    -------
    list of PairedRow
        By suite, variant and metric, in the order of the tables; metrics that no common case has are left
        out. Intervals as in `umlip_bench.analysis.paired`.

    Raises
    ------
    RunFolderError
        If a result cannot be read.
    """
    rows: list[PairedRow] = []
    for overlap in overlaps(first, second):
        analysis = all_suites()[overlap.suite]
        pairs = _pairs(overlap, first, second)
        for variant in analysis.variant_names:
            rows += _rows(analysis, pairs, variant, variant)
    return rows


def compare_variants(side: Side) -> list[PairedRow]:
    """What relaxing changes: a model at fixed geometry against itself after relaxation, case by case.

    Parameters
    ----------
    side
        A model in a run folder.

    Returns
    -------
    list of PairedRow
        ``variant`` is that of ``second``; ``first`` is of the suite's first variant, DFT's geometry. Only
        cases that can be compared with DFT in both are in it, so suites whose reference is of one
        geometry have no rows. Intervals as in `compare`.

    Raises
    ------
    RunFolderError
        If a result cannot be read.
    """
    rows: list[PairedRow] = []
    for suite, analysis in all_suites().items():
        pairs = [(result, result) for result in side.run.results(suite, side.model)]
        for variant in analysis.variant_names[1:]:
            rows += _rows(analysis, pairs, analysis.variant_names[0], variant)
    return rows


def compare_frame(first: Side, second: Side) -> pd.DataFrame:
    """The rows of `compare` as a data frame, with columns as in `to_frame`."""
    return to_frame(first, second, compare(first, second))


def to_frame(first: Side, second: Side, rows: Sequence[PairedRow]) -> pd.DataFrame:
    """Rows of one pair as a data frame.

    Parameters
    ----------
    first, second
        The pair.
    rows
        As from `compare`.

    Returns
    -------
    pandas.DataFrame
        ``first_run``, ``first_model``, ``second_run``, ``second_model`` (folders as given, and names), then
        the fields of `PairedRow`, ``difference_is`` and ``second_minus_first``; the ends of an interval that
        there is not are nan.
    """
    import pandas as pd

    pair = {
        "first_run": str(first.run.path),
        "first_model": first.model,
        "second_run": str(second.run.path),
        "second_model": second.model,
    }
    derived = ("difference_is", "second_minus_first")
    frame = pd.DataFrame(
        [{**pair, **asdict(row), **{name: getattr(row, name) for name in derived}} for row in rows],
        columns=[*pair, *PairedRow.__dataclass_fields__, *derived],
    )
    # A column of nothing but None would be one of objects.
    return frame.astype({"ci_low": float, "ci_high": float, "p_value": float})


def overlaps(first: Side, second: Side) -> list[Overlap]:
    """Which cases two sides have in common, suite by suite, of suites that at least one of them has."""
    found = []
    for suite in all_suites():
        left, right = _records(first, suite), _records(second, suite)
        if not left and not right:
            continue
        both = [name for name in left if name in right]
        changed = {name for name in both if not _same_reference(first, left, second, right, name)}
        found.append(
            Overlap(
                suite=suite,
                common=tuple(name for name in both if name not in changed),
                only_first=tuple(name for name in left if name not in right),
                only_second=tuple(name for name in right if name not in left),
                other_reference=tuple(name for name in both if name in changed),
            )
        )
    return found


def _records(side: Side, suite: str) -> Mapping[str, CaseRecord]:
    return {record.case: record for record in side.run.of(suite, side.model)}


def _same_reference(
    first: Side,
    left: Mapping[str, CaseRecord],
    second: Side,
    right: Mapping[str, CaseRecord],
    name: str,
) -> bool:
    """Whether a case has the same DFT values on both sides."""
    if first.run.config.identity["data"] == second.run.config.identity["data"]:
        return True
    analysis = all_suites()[left[name].suite]
    one, other = first.run.result(left[name]), second.run.result(right[name])
    return all(
        _equal(_references(analysis, one, variant), _references(analysis, other, variant))
        for variant in analysis.variant_names
    )


def _references(analysis: AnySuite, result: Any, variant: str) -> list[np.ndarray]:
    return [parity.reference for parity in analysis.parities(result, variant)]


def _equal(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> bool:
    # Of a variant that one side could not measure nothing is compared, whatever the reference.
    if not one or not other:
        return True
    # Not to the last digit: frames that went through a file have lost some.
    return len(one) == len(other) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9)
        for a, b in zip(one, other, strict=True)
    )


def _pairs(overlap: Overlap, first: Side, second: Side) -> list[tuple[Any, Any]]:
    """Results of the cases that both have."""
    left, right = _records(first, overlap.suite), _records(second, overlap.suite)
    return [
        (first.run.result(left[name]), second.run.result(right[name])) for name in overlap.common
    ]


def _rows(
    analysis: AnySuite, pairs: Sequence[tuple[Any, Any]], first: str, second: str
) -> Iterator[PairedRow]:
    """Rows of the first side in one variant and the second in another or the same."""
    for found in analysis.paired(pairs, first, second):
        estimate = found.estimate
        yield PairedRow(
            suite=analysis.name,
            variant=second,
            metric=found.metric,
            label=found.label,
            unit=found.unit,
            first=estimate.first,
            second=estimate.second,
            difference=estimate.difference,
            ci_low=estimate.low,
            ci_high=estimate.high,
            n_cases=estimate.n_cases,
            n_systems=estimate.n_systems,
            method=estimate.method,
            p_value=estimate.p_value,
            n_ranked=estimate.n_ranked,
        )
