"""Which of many states to label: those that are far from each other, and strong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Pick:
    """A chosen row.

    Parameters
    ----------
    index
        Of the row.
    distance
        To the nearest row chosen before, or to the nearest of those known from the start.
    among
        Rows that could have been chosen, itself included.
    """

    index: int
    distance: float
    among: tuple[int, ...]


def farthest_points(
    features: np.ndarray,
    n: int,
    *,
    known: np.ndarray,
    weights: np.ndarray | None = None,
    groups: Sequence[str] | None = None,
    most: Mapping[str, int] | None = None,
) -> list[Pick]:
    """Choose rows one after the other, each the one with the largest weight times distance.

    The distance is that to the nearest row that is chosen or known already. Without weights this is
    the greedy solution of the k-center problem (T. F. Gonzalez, Theor. Comput. Sci. 38, 293 (1985), doi
    10.1016/0304-3975(85)90224-5): no row is farther from a chosen one than twice what the best choice
    would leave. Equal scores are settled in favour of the first row.

    Parameters
    ----------
    features
        Shape (m, d).
    n
        How many to choose.
    known
        Shape (k, d), k at least 1: what need not be chosen.
    weights
        Shape (m,), not negative; 1 if not given.
    groups
        Of each row, a group that it belongs to.
    most
        Largest number of rows from a group; no limit for those not named.

    Returns
    -------
    list of Pick
        In the order of choice; fewer than `n` if the groups do not allow more.

    Raises
    ------
    ValueError
        If there are fewer rows than are to be chosen, or nothing is known.
    """
    if not 0 <= n <= len(features):
        raise ValueError(f"{n} rows to choose of {len(features)}")
    if len(known) == 0:
        raise ValueError("there must be at least one known row to measure distances from")
    weights = np.ones(len(features)) if weights is None else np.asarray(weights, dtype=float)
    groups = [""] * len(features) if groups is None else groups
    left = dict(most or {})
    distances = np.min([np.linalg.norm(features - row, axis=1) for row in known], axis=0)
    allowed = np.ones(len(features), dtype=bool)
    picks: list[Pick] = []
    while len(picks) < n:
        allowed &= [left.get(group, 1) > 0 for group in groups]
        if not allowed.any():
            break
        index = int(np.where(allowed, weights * distances, -1.0).argmax())
        among = tuple(int(k) for k in np.flatnonzero(allowed))
        picks.append(Pick(index, float(distances[index]), among))
        allowed[index] = False
        if groups[index] in left:
            left[groups[index]] -= 1
        distances = np.minimum(distances, np.linalg.norm(features - features[index], axis=1))
    return picks
