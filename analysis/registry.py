"""Suites by name, found through the entry-point group ``umlip_bench.suites``.

An entry point resolves to what a suite declares. The package registers its own in pyproject.toml the same way
as third parties do in theirs; a name of ours is ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType

from umlip_bench.analysis.suite import AnySuite, DeclaredSuite
from umlip_bench.ground.errors import UmlipBenchError

GROUP = "umlip_bench.suites"
OURS = "umlip_bench."
"""How modules of this package begin."""

_log = logging.getLogger(__name__)


def suite_names() -> tuple[str, ...]:
    """Names of the installed suites, by alphabet; nothing is imported."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


@cache
def all_suites() -> Mapping[str, AnySuite]:
    """Installed suites by name, in their order, imported now.

    One that cannot be imported, or has the name of one of ours, is left out; a warning of the logger
    ``umlip_bench`` names it with the reason.

    Raises
    ------
    UmlipBenchError
        If not even our own are installed.
    """
    found: dict[str, AnySuite] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda each: not _is_ours(each)):
        try:
            if point.name in found:
                raise UmlipBenchError("there is one of that name already")
            found[point.name] = _load(point)
        except Exception as error:  # whatever other people's modules raise
            if _is_ours(point):
                raise
            _log.warning(
                "the suite %r of %s is left out: %s: %s",
                point.name,
                point.value,
                type(error).__name__,
                error,
            )
    if not found:
        raise UmlipBenchError(
            f"no suite is installed (entry-point group {GROUP}): the package was installed before it had "
            "any; install it again"
        )
    ordered = sorted(found.values(), key=lambda suite: (suite.place, suite.name))
    return MappingProxyType({suite.name: suite for suite in ordered})


def suite_of(name: str) -> AnySuite:
    """A suite by name.

    Raises
    ------
    UmlipBenchError
        If there is no suite of that name.
    """
    if name not in all_suites():
        raise UmlipBenchError(f"unknown suite {name!r}; there are {', '.join(all_suites())}")
    return all_suites()[name]


def _is_ours(point: EntryPoint) -> bool:
    return point.value.startswith(OURS)


def _load(point: EntryPoint) -> AnySuite:
    suite = point.load()
    if not isinstance(suite, DeclaredSuite):
        raise UmlipBenchError(f"{point.value} is {type(suite).__name__}, not a declared suite")
    if suite.name != point.name:
        raise UmlipBenchError(f"it calls itself {suite.name!r}")
    return suite
