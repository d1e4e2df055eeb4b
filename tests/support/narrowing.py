"""What an optional value or an outcome must hold, for the reader and for mypy."""

from typing import TypeVar

from umlip_bench.engine import Done, Failed
from umlip_bench.ground.errors import UmlipBenchError

K = TypeVar("K")
T = TypeVar("T")


def some(value: T | None) -> T:
    """A value that must be there."""
    assert value is not None
    return value


def result_of(outcome: Done[K, T] | Failed[K]) -> T:
    """The result of a measurement that must have come to its end."""
    assert isinstance(outcome, Done), outcome
    return outcome.result


def error_of(outcome: Done[K, T] | Failed[K]) -> UmlipBenchError:
    """The error of a measurement that must have failed."""
    assert isinstance(outcome, Failed), outcome
    return outcome.error
