"""Frozen dataclasses as JSON has them, and back.

JSON has no not-a-number and no infinity: they are written as ``"nan"``, ``"inf"`` and ``"-inf"``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a JSON text holds."""

MAX_DEPTH = 50
_NESTING = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
"""Texts, which may hold any brackets, and brackets."""


def to_plain(value: object) -> Json:
    """A dataclass, or whatever else JSON can hold once it is taken apart, as plain values.

    Raises
    ------
    TypeError
        For a value that has no plain form.
    """
    return _apart(value, str)


def readable(value: object) -> Json:
    """As `to_plain`, for people and other programs: what is no finite number becomes ``None``."""
    return _apart(value, lambda number: None)


def _apart(value: object, not_finite: Callable[[float], Json]) -> Json:
    match value:
        case None | bool() | str():
            return value.value if isinstance(value, Enum) else value
        case Enum():
            return _apart(value.value, not_finite)
        case np.bool_():
            return bool(value)
        case int() | np.integer():
            return int(value)
        case float() | np.floating():
            number = float(value)
            return number if math.isfinite(number) else not_finite(number)
        case np.ndarray():
            return _apart(value.tolist(), not_finite)
        case Mapping():
            return {str(key): _apart(entry, not_finite) for key, entry in value.items()}
        case Sequence() | Set():
            return [_apart(entry, not_finite) for entry in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {
                field.name: _apart(getattr(value, field.name), not_finite)
                for field in fields(value)
            }
    raise TypeError(f"{value!r} of type {type(value).__name__} has no plain form")


def from_plain(kind: type[T], content: object) -> T:
    """The dataclass that plain values were made of.

    Parameters
    ----------
    kind
        Its class.
    content
        As of `to_plain`.

    Raises
    ------
    ValueError
        If the content does not fit the class; names the field.
    """
    found: T = _adapter(kind).validate_python(content)  # type: ignore[arg-type]
    return found


def load_json(text: bytes | str) -> Json:
    """Values of a JSON text that is nested no deeper than what people and programs write.

    Raises
    ------
    ValueError
        If it is not JSON, or nested deeper than `MAX_DEPTH`: Python's reader recurses, and where a library
        has raised the limit of recursion it ends the process.
    """
    from pydantic_core import from_json

    content = text.encode() if isinstance(text, str) else text
    _check_depth(content)
    # A third of the time of Python's reader, which matters for a journal of 100,000 lines.
    found: Json = from_json(content)
    return found


def load_as(kind: type[T], text: bytes) -> T:
    """As `from_plain` of `load_json`, in one pass: half of its time.

    Parameters
    ----------
    kind
        The dataclass; fields of the text that it has not are left out.
    text
        JSON, in UTF-8.

    Raises
    ------
    ValueError
        As of both.
    """
    _check_depth(text)
    found: T = _adapter(kind).validate_json(text)  # type: ignore[arg-type]
    return found


def _check_depth(text: bytes) -> None:
    # So few brackets cannot be nested deeper.
    if text.count(b"[") + text.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    for token in _NESTING.finditer(text.decode("utf-8")):
        first = token.group()[0]
        depth += (first in "[{") - (first in "]}")
        if depth > MAX_DEPTH:
            raise ValueError(f"nested deeper than {MAX_DEPTH}")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    # Takes a third of a second to import, which help and lists need not wait for.
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
