"""Frames: a header in JSON and arrays, as bytes (`umlip_bench.environments.worker`)."""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

PROTOCOL = 1
LARGEST_FRAME = 2**29
"""Bytes; a million atoms have a tenth of that."""
LARGEST_HEADER = 2**20
LENGTH = struct.Struct("<I")
NESTING = re.compile(r'[\[\]{}]|"(?:[^"\\]|\\.)*"')
"""Brackets, and texts, whose brackets do not count."""
DEEPEST = 100
TYPES = ("<f8", "<i8")
"""Number formats of arrays."""


class FrameError(ValueError):
    """Bytes that are no frame of this protocol."""


def encode(header: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> bytes:
    """One frame.

    Parameters
    ----------
    header
        Plain content, without ``arrays``.
    arrays
        Of floats or integers; they travel as float64 and int64.

    Raises
    ------
    FrameError
        If it would be larger than `LARGEST_FRAME`.
    """
    packed = {
        name: np.ascontiguousarray(array, dtype="<f8" if array.dtype.kind == "f" else "<i8")
        for name, array in arrays.items()
    }
    described = [
        {"name": name, "dtype": array.dtype.str, "shape": list(array.shape)}
        for name, array in packed.items()
    ]
    text = json.dumps({**header, "arrays": described}).encode()
    body = b"".join([LENGTH.pack(len(text)), text, *(array.tobytes() for array in packed.values())])
    if len(text) > LARGEST_HEADER or len(body) > LARGEST_FRAME:
        raise FrameError(f"a frame of {len(body)} bytes, of at most {LARGEST_FRAME}")
    return LENGTH.pack(len(body)) + body


def read_frame(read: Callable[[int], bytes]) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Header and arrays of the next frame; whatever is wrong with it is an error, before it is believed.

    Parameters
    ----------
    read
        Gives exactly as many bytes as asked for.

    Raises
    ------
    FrameError
        If what comes is no frame, or too large.
    """
    (length,) = LENGTH.unpack(read(LENGTH.size))
    if not LENGTH.size <= length <= LARGEST_FRAME:
        raise FrameError(f"a frame of {length} bytes, of at most {LARGEST_FRAME}")
    return _decode(read(length))


def _json(text: str) -> Any:
    """Values of a JSON text, or a ``ValueError``, also if it is nested deeply.

    Python's reader recurses, and where a library has raised the limit of recursion (symfc does, by being
    imported) it ends the process.
    """
    depth = 0
    for token in NESTING.finditer(text):
        first = token.group()[0]
        depth += (first in "[{") - (first in "]}")
        if depth > DEEPEST:
            raise ValueError(f"nested deeper than {DEEPEST}")
    return json.loads(text)


def _decode(body: bytes) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    (size,) = LENGTH.unpack_from(body)
    start = LENGTH.size + size
    if size > LARGEST_HEADER or start > len(body):
        raise FrameError(f"a header of {size} bytes in a frame of {len(body)}")
    try:
        header = _json(body[LENGTH.size : start].decode("utf-8"))
    except ValueError as error:
        raise FrameError(f"a header that is no JSON ({type(error).__name__})") from None
    described = header.pop("arrays", None) if isinstance(header, dict) else None
    if not isinstance(described, list):
        raise FrameError("a header that does not say which arrays follow")
    arrays = {}
    for each in described:
        name, dtype, shape = _described(each)
        n_bytes = 8 * math.prod(shape)
        if n_bytes > len(body) - start:
            raise FrameError(f"an array {name!r} of shape {shape} that is not all there")
        count = math.prod(shape)
        arrays[name] = np.frombuffer(body, dtype, count, start).reshape(shape)
        start += n_bytes
    if start != len(body):
        raise FrameError(f"{len(body) - start} bytes beyond the last array")
    return header, arrays


def _described(entry: object) -> tuple[str, str, tuple[int, ...]]:
    """Name, type and shape of an array."""
    if isinstance(entry, dict):
        name, dtype, shape = (entry.get(key) for key in ("name", "dtype", "shape"))
        sound = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
        if isinstance(name, str) and dtype in TYPES and sound and len(shape or ()) <= 4:
            return name, str(dtype), tuple(shape or ())
    raise FrameError(f"an array described as {str(entry)[:100]}")
