"""The suites, seen from their results."""

from __future__ import annotations

from typing import Any

from umlip_bench.analysis.suites.base import NO_RESULT, Headline, Parity, Quantity, SuiteAnalysis
from umlip_bench.analysis.suites.elastic import ElasticAnalysis
from umlip_bench.analysis.suites.energies import (
    DefectsAnalysis,
    MigrationAnalysis,
    SolidSolutionsAnalysis,
    SurfacesAnalysis,
)
from umlip_bench.analysis.suites.eos import EosAnalysis
from umlip_bench.analysis.suites.high_energy import HighEnergyAnalysis
from umlip_bench.analysis.suites.phonons import PhononAnalysis
from umlip_bench.ground.errors import UmlipBenchError

__all__ = [
    "ANALYSES",
    "NO_RESULT",
    "Headline",
    "Parity",
    "Quantity",
    "SuiteAnalysis",
    "analysis_of",
]

ANALYSES: dict[str, SuiteAnalysis[Any]] = {
    each.name: each
    for each in (
        HighEnergyAnalysis(),
        SurfacesAnalysis(),
        DefectsAnalysis(),
        SolidSolutionsAnalysis(),
        EosAnalysis(),
        MigrationAnalysis(),
        PhononAnalysis(),
        ElasticAnalysis(),
    )
}
"""By name of the suite."""


def analysis_of(suite: str) -> SuiteAnalysis[Any]:
    """The analysis of a suite.

    Raises
    ------
    UmlipBenchError
        If there is no suite of that name.
    """
    if suite not in ANALYSES:
        raise UmlipBenchError(f"unknown suite {suite!r}; there are {', '.join(ANALYSES)}")
    return ANALYSES[suite]
