"""How a factor follows from labels, by name; nothing heavy is imported to know that."""

from __future__ import annotations

from enum import StrEnum


class Estimator(StrEnum):
    """How the factor follows from the labels."""

    ROTATE = "rotate"
    MSE = "mse"
    SHRUNK = "shrunk"


DEFAULT_ESTIMATOR = Estimator.SHRUNK
"""The one with the smallest held-out error for every number of labels; see the README's table."""
