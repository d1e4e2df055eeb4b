"""Which cases a quick run takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

C = TypeVar("C")


def cheapest(cases: Sequence[C], n: int, cost: Callable[[C], float]) -> list[C]:
    """The `n` cheapest cases, in the order in which they were.

    Parameters
    ----------
    cases
        All of them.
    n
        How many to keep; all if there are fewer.
    cost
        Of one case, in any unit; of equals the first are kept.
    """
    chosen = sorted(range(len(cases)), key=lambda k: cost(cases[k]))[:n]
    return [cases[k] for k in sorted(chosen)]
