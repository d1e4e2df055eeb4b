"""Frozen dataclasses as named arrays, as npz files hold them, and back.

A field is an array by its name, one inside another by both: ``fixed/volumes``. All instances of one
class in a tuple share the arrays of its fields, end to end, so that many small ones take no more room than
one large one. ``NAME.n`` says how much of an array belongs to each, ``NAME.there`` which of them are not
``None``; both only where it is not plain.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from itertools import chain
from types import UnionType
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

import numpy as np

T = TypeVar("T")

COUNT, PRESENT = ".n", ".there"


def to_arrays(value: object) -> dict[str, np.ndarray]:
    """A dataclass of numbers, texts, arrays, tuples and dataclasses as arrays.

    Raises
    ------
    TypeError
        If a field is annotated as something else.
    """
    arrays: dict[str, np.ndarray] = {}
    _write(type(value), [value], "", arrays)
    return arrays


def from_arrays(kind: type[T], arrays: Mapping[str, np.ndarray]) -> T:
    """The dataclass that arrays were made of.

    Parameters
    ----------
    kind
        Its class.
    arrays
        As of `to_arrays`.

    Raises
    ------
    KeyError
        If an array is missing. A field that has a default takes it where nothing was written of it: it is
        younger than the arrays.
    ValueError
        If one does not fit.
    """
    (found,) = _read(kind, 1, "", arrays)
    return cast(T, found)


def _write(hint: Any, column: Sequence[Any], path: str, arrays: dict[str, np.ndarray]) -> None:
    """Write what several instances have in one place."""
    if (inner := _optional(hint)) is not None:
        there = np.array([value is not None for value in column], dtype=bool)
        if not there.all():
            arrays[path + PRESENT] = there
        if there.any():
            _write(inner, [value for value in column if value is not None], path, arrays)
    elif is_dataclass(hint):
        for name, of_field in _hints(cast(Any, hint)).items():
            _write(of_field, [getattr(value, name) for value in column], _in(path, name), arrays)
    elif get_origin(hint) is tuple:
        _write_tuples(get_args(hint), column, path, arrays)
    elif get_origin(hint) is np.ndarray:
        arrays[path] = np.concatenate(column) if len(column) > 1 else np.asarray(column[0])
        if len(column) > 1:
            arrays[path + COUNT] = np.array([len(value) for value in column])
    elif isinstance(hint, type) and issubclass(hint, Enum | str):
        texts = [str(value.value if isinstance(value, Enum) else value) for value in column]
        arrays[path] = np.array(texts, dtype=str)
    elif hint in (bool, int, float):
        arrays[path] = np.array(column, dtype=hint)
    else:
        raise TypeError(f"{path}: {hint} has no form as arrays")


def _read(hint: Any, n: int, path: str, arrays: Mapping[str, np.ndarray]) -> list[Any]:
    """What `n` instances have in one place."""
    if (inner := _optional(hint)) is not None:
        there = arrays.get(path + PRESENT, np.ones(n, dtype=bool))
        found = iter(_read(inner, int(there.sum()), path, arrays) if there.any() else ())
        return [next(found) if here else None for here in there]
    if is_dataclass(hint):
        defaults = _defaults(cast(Any, hint))
        columns = {
            name: [defaults[name]] * n
            if name in defaults and not _is_there(_in(path, name), arrays)
            else _read(of_field, n, _in(path, name), arrays)
            for name, of_field in _hints(cast(Any, hint)).items()
        }
        kind = cast(Any, hint)
        return [kind(**{name: column[k] for name, column in columns.items()}) for k in range(n)]
    if get_origin(hint) is tuple:
        return _read_tuples(get_args(hint), n, path, arrays)
    if get_origin(hint) is np.ndarray:
        return _split(arrays[path], arrays[path + COUNT]) if n > 1 else [arrays[path]]
    if len(arrays[path]) != n:
        raise ValueError(f"{path} has {len(arrays[path])} values, not {n}")
    return [hint(value) for value in arrays[path].tolist()]


def _write_tuples(
    args: Sequence[Any], column: Sequence[Any], path: str, arrays: dict[str, np.ndarray]
) -> None:
    if args[-1] is not Ellipsis:
        for k, hint in enumerate(args):
            _write(hint, [value[k] for value in column], _in(path, str(k)), arrays)
        return
    arrays[path + COUNT] = np.array([len(value) for value in column], dtype=int)
    members = list(chain.from_iterable(column))
    if members:
        _write(args[0], members, path, arrays)


def _read_tuples(
    args: Sequence[Any], n: int, path: str, arrays: Mapping[str, np.ndarray]
) -> list[Any]:
    if args[-1] is not Ellipsis:
        parts = [_read(hint, n, _in(path, str(k)), arrays) for k, hint in enumerate(args)]
        return list(zip(*parts, strict=True))
    counts = arrays[path + COUNT]
    members = iter(_read(args[0], int(counts.sum()), path, arrays) if counts.any() else ())
    return [tuple(next(members) for _ in range(count)) for count in counts]


def _split(array: np.ndarray, counts: np.ndarray) -> list[np.ndarray]:
    if counts.sum() != len(array):
        raise ValueError(f"{len(array)} values for {counts.sum()} places")
    return np.split(array, np.cumsum(counts)[:-1])


def _is_there(path: str, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether anything was written of a field."""
    own = {path, path + PRESENT, path + COUNT}
    return any(key in own or key.startswith(f"{path}/") for key in arrays)


@cache
def _defaults(kind: Any) -> dict[str, Any]:
    return {field.name: field.default for field in fields(kind) if field.default is not MISSING}


def _in(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _optional(hint: Any) -> Any:
    """What a hint may be besides ``None``; ``None`` if it may not be ``None``."""
    if get_origin(hint) not in (UnionType, Union) or type(None) not in get_args(hint):
        return None
    others = [each for each in get_args(hint) if each is not type(None)]
    if len(others) > 1:
        raise TypeError(f"{hint} has no form as arrays: one type or None is needed")
    return others[0]


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
