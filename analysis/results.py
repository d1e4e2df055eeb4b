"""What results of all suites have: a name, ways in which they were measured, and what they cluster with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

NO_RESULT = "no result in this geometry"


class Named(Protocol):
    """A result: a frozen dataclass of numbers, texts, arrays, and others like it."""

    @property
    def name(self) -> str:
        """Of the case."""
        ...


@dataclass(frozen=True)
class Variant:
    """A way of measuring.

    Parameters
    ----------
    name
        ``"fixed-geometry"``.
    prefix
        Of its columns in tables of cases.
    """

    name: str
    prefix: str


def clusters(result: Named) -> str:
    """What a result clusters with, as it says; by name, alone."""
    return getattr(result, "system", "") or result.name
