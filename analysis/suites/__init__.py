"""The suites, seen from their results."""

from __future__ import annotations

from typing import Any

from umlip_bench.errors import UmlipBenchError

from .base import Headline, Parity, Quantity, SuiteAnalysis
from .elastic import ElasticAnalysis
from .energies import (
    DefectsAnalysis,
    MigrationAnalysis,
    SolidSolutionsAnalysis,
    SurfacesAnalysis,
)
from .eos import EosAnalysis
from .high_energy import HighEnergyAnalysis
from .phonons import PhononAnalysis

__all__ = ["ANALYSES", "Headline", "Parity", "Quantity", "SuiteAnalysis", "analysis_of"]

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
