"""For mypy and the reader: what is there although its type allows for nothing."""

from typing import TypeVar

T = TypeVar("T")


def some(value: T | None) -> T:
    """A value that must be there."""
    assert value is not None
    return value
