"""Tables that can be sorted and saved: rows of the run folders' files."""

from __future__ import annotations

import math
from collections.abc import Sequence

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.report.suite_content import Table, Value
from umlip_bench.analysis.report.wording import slug
from umlip_bench.analysis.run_files import CaseRecord
from umlip_bench.analysis.suite import AnySuite

_DIFFERENCE = (
    "difference",
    "low",
    "high",
    "unit",
    "cases",
    "materials",
    "metric",
    "difference is",
)
"""Columns of a paired row, after what it is of."""


def case_table(suite: str, everyone: Sequence[Side]) -> Table:
    """cases.jsonl, a row for each model and case."""
    found: list[tuple[Side, CaseRecord]] = [
        (side, record)
        for side in everyone
        for record in side.run.records
        if (record.suite, record.model) == (suite, side.model)
    ]
    metrics = list(dict.fromkeys(name for _, record in found for name in record.metrics))
    return Table(
        name=f"{suite}-cases",
        title="Cases",
        columns=("case", "model", "elements", "status", *metrics),
        rows=tuple(
            (
                record.case,
                side.label,
                " ".join(record.elements),
                record.status if record.reason is None else f"{record.status}: {record.reason}",
                *(_finite(record.metrics.get(name)) for name in metrics),
            )
            for side, record in found
        ),
        filter_by=0,
    )


def summary_table(analysis: AnySuite, everyone: Sequence[Side]) -> Table:
    """summary.json, a row for each of its rows."""
    labels = dict(analysis.presentation.labels)
    return Table(
        name=f"{analysis.name}-summary",
        title="Summary",
        columns=(
            "metric",
            "in words",
            "variant",
            "model",
            "value",
            "low",
            "high",
            "unit",
            "cases",
            "of them by rank",
            "failed",
            "amplitude",
        ),
        rows=tuple(
            (
                row.metric,
                labels.get(row.metric, ""),
                row.variant,
                side.label,
                _finite(row.value),
                _finite(row.ci_low),
                _finite(row.ci_high),
                row.unit,
                row.n_cases,
                row.n_below + row.n_above,
                row.n_failed,
                row.amplitude,
            )
            for side in everyone
            for row in side.run.rows
            if (row.suite, row.model) == (analysis.name, side.model)
        ),
    )


def pair_table(first: Side, second: Side, rows: Sequence[PairedRow]) -> Table:
    """Paired differences of two models."""
    return Table(
        name=slug(f"{second.label}-minus-{first.label}"),
        title=f"{second.label} minus {first.label}",
        columns=(
            "suite",
            "variant",
            "in words",
            first.label,
            second.label,
            *_DIFFERENCE,
        ),
        rows=tuple(_paired(row) for row in rows),
    )


def relaxation_table(found: Sequence[tuple[Side, Sequence[PairedRow]]]) -> Table:
    """Paired differences of models after and before their own relaxation."""
    return Table(
        name="relaxed-minus-fixed-geometry",
        title="Relaxed minus fixed geometry",
        columns=(
            "model",
            "suite",
            "variant",
            "in words",
            "fixed geometry",
            "relaxed",
            *_DIFFERENCE,
        ),
        rows=tuple((side.label, *_paired(row)) for side, rows in found for row in rows),
    )


def _paired(row: PairedRow) -> tuple[Value, ...]:
    return (
        row.suite,
        row.variant,
        row.label,
        _finite(row.first),
        _finite(row.second),
        _finite(row.difference),
        row.ci_low,
        row.ci_high,
        row.unit,
        row.n_cases,
        row.n_systems,
        row.metric,
        row.difference_is,
    )


def _finite(value: float | int | None) -> Value:
    return value if value is not None and math.isfinite(value) else None
