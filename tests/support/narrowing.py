"""For mypy and the reader: what is there although its type allows for nothing."""

from collections.abc import Callable, Iterable
from typing import TypeVar, cast

T = TypeVar("T")


def some(value: T | None) -> T:
    """A value that must be there."""
    assert value is not None
    return value


def as_a(kind: Callable[..., T], value: object) -> T:
    """A value that must be of this class (a callable to mypy, which takes no abstract one as a type)."""
    assert isinstance(kind, type)
    assert isinstance(value, kind)
    return cast(T, value)


def each_as_a(kind: Callable[..., T], values: Iterable[object]) -> list[T]:
    """Values that must all be of this kind."""
    return [as_a(kind, value) for value in values]
