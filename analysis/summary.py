"""The tidy table: one row per model, data set, suite, variant and metric."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from umlip_bench.analysis.intervals import Estimate


@dataclass(frozen=True)
class Row:
    """One value of one metric for one model.

    Parameters
    ----------
    model
        Name and version of the model, e.g. ``"chgnet-0.3.0"``.
    data
        Name of the reference data.
    suite
        Benchmark, e.g. ``"high-energy"``.
    variant
        Protocol within the suite, e.g. ``"fixed-geometry"``.
    metric
        Name of the metric, e.g. ``"slope_median"``.
    value
        In `unit`; nan if no case has the metric, and `n_cases` is then 0; infinite if the median is of a
        case that has no value but a rank.
    unit
        E.g. ``"eV/Å"``; empty for dimensionless values.
    ci_low, ci_high
        Ends of the 95 % interval in `unit`; ``None`` if there are too few cases for an interval
        whose coverage is known; infinite like `value`.
    n_cases
        Cases (materials) that the value rests on.
    n_failed
        Cases of the suite that gave no result for this model.
    amplitude
        How far from equilibrium the model was measured, e.g. ``"strain 0.5 %"``; empty where that is the
        data's own.
    n_below, n_above
        How many of the cases have no value but a rank, below or above all values: a modulus of an
        unstable crystal is below all.
    n_systems
        Independent systems that the cases of the suite and variant belong to: materials, formulas or
        elements; 0 in files from before they were counted.
    """

    model: str
    data: str
    suite: str
    variant: str
    metric: str
    value: float
    unit: str
    ci_low: float | None
    ci_high: float | None
    n_cases: int
    n_failed: int
    amplitude: str = ""
    n_below: int = 0
    n_above: int = 0
    n_systems: int = 0

    def to_json(self) -> dict[str, str | float | int | None]:
        """Return the JSON object of the row: its fields by name, in order.

        JSON knows neither nan nor infinity: such a value, and an interval's end, become ``None``.
        `from_json` knows them again.
        """
        return {
            "model": self.model,
            "data": self.data,
            "suite": self.suite,
            "variant": self.variant,
            "metric": self.metric,
            "value": finite_or_none(self.value),
            "unit": self.unit,
            "ci_low": finite_or_none(self.ci_low),
            "ci_high": finite_or_none(self.ci_high),
            "n_cases": self.n_cases,
            "n_failed": self.n_failed,
            "amplitude": self.amplitude,
            "n_below": self.n_below,
            "n_above": self.n_above,
            "n_systems": self.n_systems,
        }

    @classmethod
    def from_json(cls, entry: Mapping[str, object]) -> Row:
        """The row again.

        An end that is missing while the other is there is infinite, and so is a value that is missing where
        cases have but a rank: most of those that have one say on which side.

        Raises
        ------
        TypeError
            If the entry has other fields.
        """
        # What it holds is what was written of a row.
        given: dict[str, Any] = dict(entry)
        row = cls(**{**given, "value": math.nan if given["value"] is None else given["value"]})
        low, high, value = row.ci_low, row.ci_high, row.value
        if (low is None) != (high is None):
            low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
        if math.isnan(value) and row.n_cases:
            sides = row.n_above - row.n_below
            value = math.copysign(math.inf, sides) if sides else value
        return replace(row, value=value, ci_low=low, ci_high=high)


@dataclass(frozen=True)
class RowHead:
    """What all rows of one evaluation share.

    Parameters
    ----------
    model, data, suite, variant, n_failed, amplitude, n_systems
        As in `Row`.
    """

    model: str
    data: str
    suite: str
    variant: str
    n_failed: int
    amplitude: str = ""
    n_systems: int = 0

    def row(self, metric: str, unit: str, estimate: Estimate) -> Row:
        """Return the row of one metric.

        Parameters
        ----------
        metric
            Its name.
        unit
            Unit of the estimate.
        estimate
            Value and interval over the cases.
        """
        return Row(
            model=self.model,
            data=self.data,
            suite=self.suite,
            variant=self.variant,
            metric=metric,
            value=estimate.value,
            unit=unit,
            ci_low=estimate.low,
            ci_high=estimate.high,
            n_cases=estimate.n,
            n_failed=self.n_failed,
            amplitude=self.amplitude,
            n_below=estimate.n_below,
            n_above=estimate.n_above,
            n_systems=self.n_systems,
        )


def finite_or_none(value: float | None) -> float | None:
    """The value, unless JSON has none of its kind, and charts no place for it."""
    return value if value is not None and math.isfinite(value) else None
