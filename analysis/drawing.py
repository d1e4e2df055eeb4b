"""Curves on common axes: what suites draw of single cases, and the report shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

DFT = "DFT"
"""Label of the reference among the models'."""


@dataclass(frozen=True, eq=False)
class Line:
    """A curve.

    Parameters
    ----------
    side
        Label of the model, or `DFT`.
    x, y
        Shape (n,).
    points
        Whether the points themselves are marked.
    """

    side: str
    x: FloatArray
    y: FloatArray
    points: bool = False


@dataclass(frozen=True, eq=False)
class Drawing:
    """Curves on common axes.

    Parameters
    ----------
    title
        What tells it from the other drawings of its case.
    x_label, y_label
        With units; an empty one of x is of a path through reciprocal space.
    lines
        DFT's first.
    ticks
        Names at places on the x axis; empty for numbers.
    narrow
        Whether it needs little width: the abscissa is then the dependent one.
    y_range
        Ends of the y axis, which drawings beside each other share; ``None`` for those of the lines.
    comparable
        Whether DFT's line is what the models' are to be; else it is dotted.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    narrow: bool = False
    y_range: tuple[float, float] | None = None
    comparable: bool = True

    @property
    def size(self) -> int:
        """How many numbers it consists of."""
        return sum(2 * len(line.x) for line in self.lines)
