"""DFT and the model, value by value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
V = TypeVar("V")


@dataclass(frozen=True)
class Plotted:
    """What a parity plot shows.

    Parameters
    ----------
    name
        In words, in the singular: ``"force component"``.
    unit
        Of both axes.
    slope
        Row of the summary that is the slope of the line through the points; ``None`` if there is none.
    """

    name: str
    unit: str
    slope: str | None


@dataclass(frozen=True)
class Quantity(Plotted, Generic[V]):
    """What a parity plot shows, and how it follows from a case.

    Parameters
    ----------
    name, unit, slope
        As of `Plotted`.
    values
        DFT's and the model's of a case, shape (n,), in the unit; ``None`` where they are not comparable.
    """

    values: Callable[[V], tuple[FloatArray, FloatArray] | None] = field(compare=False, repr=False)


@dataclass(frozen=True, eq=False)
class Parity:
    """DFT and the model, value by value.

    Parameters
    ----------
    quantity
        What the values are.
    reference, model
        Shape (n,), in the unit of the quantity; finite.
    """

    quantity: Plotted
    reference: FloatArray
    model: FloatArray
