"""Content that YAML or JSON gave, taken apart; what it is made of is checked, not believed."""

from __future__ import annotations

from typing import SupportsFloat


def as_mapping(value: object) -> dict[str, object]:
    """The names and values that content from outside is.

    Raises
    ------
    TypeError
        If it is anything else.
    """
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return value
    raise TypeError(f"{value!r:.80} is no mapping of names to values")


def as_list(value: object) -> list[object]:
    """The list that content from outside is; errors as of `as_mapping`."""
    if isinstance(value, list):
        return value
    raise TypeError(f"{value!r:.80} is no list")


def as_float(value: object) -> float:
    """The number that content from outside is, or has written in digits; errors as of `as_mapping`."""
    if isinstance(value, SupportsFloat | str):
        return float(value)
    raise TypeError(f"{value!r:.80} is no number")
