"""The suites, seen from their results."""

from __future__ import annotations

from typing import Any

from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.suites.elastic import ElasticAnalysis
from umlip_bench.analysis.suites.energies import MigrationAnalysis

__all__ = [
    "ANALYSES",
    "NO_RESULT",
    "Headline",
    "Parity",
    "Quantity",
    "SuiteAnalysis",
]

ANALYSES: dict[str, SuiteAnalysis[Any]] = {
    each.name: each
    for each in (
        MigrationAnalysis(),
        ElasticAnalysis(),
    )
}
"""By name of the suite."""
