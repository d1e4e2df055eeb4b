"""What a factor on the energy surface does to a result, field by field.

A result says it of its own fields, and everything computed from it follows exactly:

>>> @dataclass(frozen=True, eq=False)
... class Curve:
...     volumes: FloatArray
...     energies: Annotated[FloatArray, Power(1.0)]
>>> scaled(Curve(np.array([9.0, 11.0]), np.array([0.0, 2.0])), 1.5)
Curve(volumes=array([ 9., 11.]), energies=array([0., 3.]))
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_type_hints

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Power:
    """Power of the factor that a field is multiplied by: 1 for energies and forces, 0.5 for frequencies."""

    value: float


Energies = Annotated[FloatArray, Power(1.0)]
"""An array of the model's energies, forces, stresses or force constants, or of their differences."""
Frequencies = Annotated[FloatArray, Power(0.5)]
OF_DFT = Power(0.0)
"""Of a field that is DFT's, with all that is in it: it stays as it is."""


def scaled(value: T, factor: float) -> T:
    """A result of the same model with its energy surface multiplied by a factor.

    Exact, without another evaluation: geometries that were relaxed at zero pressure, paths and reference
    values stay as they are.

    Parameters
    ----------
    value
        A dataclass, or a tuple of some; fields without a `Power` are searched for more inside.
    factor
        Positive.
    """
    if isinstance(value, tuple):
        return cast(T, tuple(scaled(each, factor) for each in value))
    if not is_dataclass(value) or isinstance(value, type):
        return value
    changed: dict[str, Any] = {}
    for name, power in _powers(type(value)).items():
        old = getattr(value, name)
        if power is None:
            changed[name] = scaled(old, factor)
        elif power.value and old is not None:
            changed[name] = factor**power.value * old
    return cast(T, replace(cast(Any, value), **changed))


@cache
def _powers(kind: Any) -> dict[str, Power | None]:
    """Of the fields that may change."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: _power(hints[field.name]) for field in fields(kind)}


def _power(hint: Any) -> Power | None:
    marks = [mark for mark in getattr(hint, "__metadata__", ()) if isinstance(mark, Power)]
    # What may be missing has its mark inside: ``Energies | None``.
    inside = (_power(each) for each in getattr(hint, "__args__", ()) if hint is not None)
    return marks[0] if marks else next((mark for mark in inside if mark is not None), None)
