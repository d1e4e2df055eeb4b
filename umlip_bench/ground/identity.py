"""Digests of everything that a result depends on."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Protocol

import numpy as np
from ase import Atoms
from ase.data import atomic_masses

DIGITS = 32
"""Hexadecimal digits of an identity: 128 bits."""


def identity(*things: object) -> str:
    """Digest of any values that a result depends on; equal values have equal digests on every machine.

    Parameters
    ----------
    things
        ``None``, truth values, numbers, text, bytes, members of an `Enum`, arrays, ASE structures
        (elements, positions, cell, periodicity, masses other than the natural ones, magnetic moments),
        and mappings, sequences, sets and dataclasses of these. A dataclass counts with the name of
        its class and all fields.

    Returns
    -------
    str
        32 hexadecimal digits. Neither the order of a mapping nor the number format of an integer
        array counts; every bit of a float does.

    Raises
    ------
    TypeError
        For anything else: what cannot be told apart must not become part of a key.
    """
    digest = hashlib.sha256()
    _sequence(digest, things)
    return digest.hexdigest()[:DIGITS]


class _Digest(Protocol):
    def update(self, data: bytes, /) -> None: ...


def _put(digest: _Digest, kind: bytes, content: bytes) -> None:
    """Add a value with its kind and length, so that values cannot run into each other."""
    digest.update(kind + struct.pack("<q", len(content)) + content)


def _add(digest: _Digest, value: object) -> None:
    match value:
        case None:
            _put(digest, b"0", b"")
        case Enum():
            _add(digest, value.value)
        case bool() | np.bool_():
            _put(digest, b"b", bytes([bool(value)]))
        case int() | np.integer():
            _put(digest, b"i", str(int(value)).encode())
        case float() | np.floating():
            number = float(value)
            _put(digest, b"f", b"nan" if math.isnan(number) else struct.pack("<d", number))
        case str():
            _put(digest, b"s", value.encode("utf-8", "surrogatepass"))
        case bytes():
            _put(digest, b"y", value)
        case np.ndarray():
            _array(digest, value)
        case Atoms():
            _atoms(digest, value)
        case Mapping():
            _put(digest, b"m", str(len(value)).encode())
            for key in sorted(value, key=str):
                _sequence(digest, (key, value[key]))
        case Set():
            _sequence(digest, sorted(value, key=str))
        case Sequence():
            _sequence(digest, value)
        case _ if is_dataclass(value) and not isinstance(value, type):
            _put(digest, b"d", type(value).__qualname__.encode())
            for field in fields(value):
                _sequence(digest, (field.name, getattr(value, field.name)))
        case _:
            raise TypeError(f"{value!r} of type {type(value).__name__} has no identity")


def _sequence(digest: _Digest, values: Sequence[object]) -> None:
    _put(digest, b"q", str(len(values)).encode())
    for value in values:
        _add(digest, value)


def _array(digest: _Digest, array: np.ndarray) -> None:
    kind = array.dtype.kind
    if kind in "iub":
        array = array.astype("<i8")
    elif kind == "f":
        # A nan has many bit patterns.
        array = np.where(np.isnan(array), np.nan, array).astype("<f8")
    elif kind == "U":
        _add(digest, [kind, list(array.shape), array.ravel().tolist()])
        return
    else:
        raise TypeError(f"an array of {array.dtype} has no identity")
    _put(digest, kind.replace("u", "i").encode(), repr(array.shape).encode())
    _put(digest, b"a", np.ascontiguousarray(array).tobytes())


def _atoms(digest: _Digest, atoms: Atoms) -> None:
    own: dict[str, np.ndarray] = {}
    # Natural masses are the same crystal, stated or not.
    if not np.array_equal(atoms.get_masses(), atomic_masses[atoms.numbers]):
        own["masses"] = atoms.get_masses()
    if atoms.has("initial_magmoms"):
        own["initial_magmoms"] = atoms.arrays["initial_magmoms"]
    parts = (atoms.numbers, atoms.positions, atoms.cell.array, np.asarray(atoms.pbc), own)
    _sequence(digest, ("Atoms", *parts))
