"""The benchmark suites by name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from umlip_bench.ground.errors import UmlipBenchError

SUITES = {
    "high-energy": "umlip_bench.benchmarks.high_energy:HighEnergySuite",
    "surfaces": "umlip_bench.benchmarks.surfaces:SurfacesSuite",
    "defects": "umlip_bench.benchmarks.defects:DefectsSuite",
    "solid-solutions": "umlip_bench.benchmarks.solid_solutions:SolidSolutionsSuite",
    "eos": "umlip_bench.benchmarks.eos:EosSuite",
    "migration": "umlip_bench.benchmarks.migration:MigrationSuite",
    "phonons": "umlip_bench.benchmarks.phonons:PhononSuite",
    "elastic": "umlip_bench.benchmarks.elastic:ElasticSuite",
}
"""Where each suite lives; imported when it is run."""


def load_suite(name: str) -> Any:
    """A suite by name.

    Raises
    ------
    UmlipBenchError
        If there is none of that name.
    """
    if name not in SUITES:
        raise UmlipBenchError(f"unknown suite {name!r}; there are {', '.join(SUITES)}")
    module, _, attribute = SUITES[name].partition(":")
    return getattr(import_module(module), attribute)()
