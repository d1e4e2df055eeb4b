"""What installed packages add under an entry-point group: one rule for every group.

This package registers its own in pyproject.toml as others do in theirs. A name of ours stays ours: another
package's of the same name is left out, and so is one that cannot be imported, each with the reason.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

T = TypeVar("T")

OURS = "umlip-bench"
"""Name of this distribution."""


@dataclass(frozen=True)
class Plugins(Generic[T]):
    """What was found of a group.

    Parameters
    ----------
    found
        By name.
    left_out
        What was not taken and why, a sentence each.
    """

    found: Mapping[str, T]
    left_out: tuple[str, ...]


def installed(group: str) -> Plugins[EntryPoint]:
    """Entry points of a group by name, ours first; nothing is imported."""
    return _installed(group, tuple(sys.path))


@cache
def _installed(group: str, _: tuple[str, ...]) -> Plugins[EntryPoint]:
    """Once for each path that modules are looked for on: it reads what every package says of itself."""
    found: dict[str, EntryPoint] = {}
    left_out = []
    for point in sorted(entry_points(group=group), key=lambda p: (_package(p) != OURS, p.name)):
        if point.name in found:
            left_out.append(
                f"{point.name} ({point.value} of {_package(point)}) is left out: {group} has one of "
                f"that name, of {_package(found[point.name])}"
            )
        else:
            found[point.name] = point
    return Plugins(found, tuple(left_out))


def load(group: str, take: Callable[[str, object], T]) -> Plugins[T]:
    """Import all that is installed under a group.

    Parameters
    ----------
    group
        Of entry points.
    take
        Gets the name and what the entry point leads to; gives what is wanted, or raises TypeError with the
        reason why it is none.
    """
    points = installed(group)
    found: dict[str, T] = {}
    left_out = list(points.left_out)
    for name, point in points.found.items():
        try:
            found[name] = take(name, point.load())
        except Exception as error:  # whatever other people's modules raise is theirs, and is named
            if _package(point) == OURS:
                raise
            left_out.append(
                f"{name} ({point.value} of {_package(point)}) is left out: {type(error).__name__}: "
                f"{error}"
            )
    return Plugins(found, tuple(left_out))


def _package(point: EntryPoint) -> str:
    """Normalised name of the distribution that an entry point is of."""
    return "?" if point.dist is None else re.sub(r"[-_.]+", "-", point.dist.name).lower()
