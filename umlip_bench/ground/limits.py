"""Numbers within limits, said once where a setting is declared.

What a setting may be stands in its type, ``epochs: Count``. Settings check themselves with `check_limits`;
the command line takes the same types, and says the same.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from umlip_bench.ground.errors import UmlipBenchError

LARGEST = 2**63 - 1
"""Whole numbers beyond this fit into no array and no generator of random numbers."""

Count = Annotated[int, Ge(1)]
"""A whole number of at least 1."""
Index = Annotated[int, Ge(0)]
"""A whole number of at least 0."""
Finite = Annotated[float, Gt(-math.inf)]
"""Any number but nan and the infinite ones."""
Positive = Annotated[float, Gt(0)]
"""A finite number above 0."""
NotNegative = Annotated[float, Ge(0)]
"""A finite number of at least 0."""
Share = Annotated[float, Ge(0), Lt(1)]
"""A share of which something is left: from 0 to below 1."""
Decay = Annotated[float, Gt(0), Lt(1)]
"""A number between 0 and 1."""


@dataclass(frozen=True)
class Limits:
    """What a number may be; nan and the infinite ones are never allowed.

    Parameters
    ----------
    whole
        Whether it must be a whole number.
    above, least, below, most
        Limits; above and below are left out themselves.
    """

    whole: bool = False
    above: float = -math.inf
    least: float = -math.inf
    below: float = math.inf
    most: float = math.inf

    def allow(self, value: float) -> bool:
        """Whether a number is within the limits."""
        return (
            math.isfinite(value)
            and not (self.whole and (value != int(value) or abs(value) > LARGEST))
            and self.above < value < self.below
            and self.least <= value <= self.most
        )

    def read(self, text: str) -> float:
        """The number that a text says.

        Raises
        ------
        ValueError
            If it says none, or one that is not allowed; names the text and what is allowed.
        """
        try:
            # Python's own 1_000 is no number elsewhere.
            number = math.nan if "_" in text else float(text)
            if self.whole:
                number = int(text) if re.fullmatch(r"[+-]?[0-9]{1,19}", text) else math.nan
        except ValueError:
            number = math.nan
        if not self.allow(number):
            raise ValueError(f"{text!r} is not {self}")
        return number

    def __str__(self) -> str:
        words = (
            ("above", self.above),
            ("of at least", self.least),
            ("below", self.below),
            ("of at most", self.most),
        )
        limits = [f"{word} {limit:g}" for word, limit in words if math.isfinite(limit)]
        kind = "a whole number" if self.whole else "a finite number"
        return " ".join([kind, " and ".join(limits)]).strip()


def limits_of(kind: object) -> Limits | None:
    """Limits that a type states; ``None`` for one that is no number. Of ``X | None``: those of X."""
    marks: list[Any] = []
    while get_origin(kind) in (Annotated, Union, UnionType):
        if get_origin(kind) is Annotated:
            kind, *more = get_args(kind)
            marks += more
        else:
            kind = next(each for each in get_args(kind) if each is not type(None))
    if kind not in (int, float):
        return None
    named = {Gt: "above", Ge: "least", Lt: "below", Le: "most"}
    found = {
        word: getattr(mark, mark_type.__name__.lower())
        for mark_type, word in named.items()
        for mark in marks
        if isinstance(mark, mark_type)
    }
    return Limits(whole=kind is int, **found)


def check_limits(settings: object, error: Callable[[str], UmlipBenchError]) -> None:
    """Check the numbers of a dataclass, and those in its tuples, against the limits in their types.

    Raises
    ------
    UmlipBenchError
        Made by `error`, if one is not allowed; names the field, the value and what is allowed.
    """
    for name, (limits, optional) in _limited(type(settings)).items():  # type: ignore[arg-type]
        value = getattr(settings, name)
        for each in value if isinstance(value, tuple) else (value,):
            if not (optional and each is None) and not limits.allow(each):
                otherwise = ", or none" if optional else ""
                raise error(f"{name} is {each}; it must be {limits}{otherwise}")


@cache
def _limited(kind: type) -> dict[str, tuple[Limits, bool]]:
    found = {}
    for name, hint in get_type_hints(kind, include_extras=True).items():
        items = get_args(hint)
        limits = limits_of(items[0] if get_origin(hint) is tuple else hint)
        if limits is not None:
            found[name] = limits, type(None) in items
    return found
