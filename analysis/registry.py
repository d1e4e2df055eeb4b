"""Suites by name, found through the entry-point group ``umlip_bench.suites``.

An entry point resolves to what a suite declares. The package registers its own in pyproject.toml the same way
as third parties do in theirs; a name of ours is ours.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

from umlip_bench.analysis.suite import AnySuite, DeclaredSuite
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.plugins import load

GROUP = "umlip_bench.suites"

_log = logging.getLogger(__name__)


@cache
def all_suites() -> Mapping[str, AnySuite]:
    """Installed suites by name, in their order, imported now.

    What is left out (`umlip_bench.ground.plugins`) a warning of this module's logger names with the reason.

    Raises
    ------
    UmlipBenchError
        If not even our own are installed.
    """
    plugins = load(GROUP, _take)
    for said in plugins.left_out:
        _log.warning("%s", said)
    if not plugins.found:
        raise UmlipBenchError(
            f"no suite is installed (entry-point group {GROUP}): the package was installed before it had "
            "any; install it again"
        )
    ordered = sorted(plugins.found.values(), key=lambda suite: (suite.place, suite.name))
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


def _take(name: str, found: object) -> AnySuite:
    if not isinstance(found, DeclaredSuite):
        raise TypeError(f"it is {found!r}, not a declared suite")
    if found.name != name:
        raise TypeError(f"it calls itself {found.name!r}")
    return found
