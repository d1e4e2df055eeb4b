"""The benchmark suites, each in a folder of its own, by name."""

from __future__ import annotations

from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.benchmarks.suite import AnyBenchmark, Suite
from umlip_bench.ground.errors import UmlipBenchError


def load_suite(name: str) -> AnyBenchmark:
    """A suite by name, ready to measure.

    Raises
    ------
    UmlipBenchError
        If there is none of that name, or it only reads results.
    """
    suite = suite_of(name)
    if not isinstance(suite, Suite):
        raise UmlipBenchError(f"the suite {name!r} declares no measurement")
    return suite


def load_suites() -> list[AnyBenchmark]:
    """All suites, in their order."""
    return [load_suite(name) for name in all_suites()]
