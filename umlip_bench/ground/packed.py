"""Arrays as the content of a file, always the same for the same arrays."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from umlip_bench.ground.errors import JournalError


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays as the content of an npz file; the same arrays give the same bytes.

    Raises
    ------
    TypeError
        For an array of objects, which only a pickle could hold.
    """
    for name, array in arrays.items():
        if np.asarray(array).dtype.hasobject:
            raise TypeError(f"{name} holds objects, which would be written as a pickle")
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **dict(arrays))
    return stream.getvalue()


def unpack(content: bytes) -> Mapping[str, np.ndarray]:
    """Arrays of an npz file, read only.

    Raises
    ------
    JournalError
        If the content is damaged.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            found = dict(stored)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise JournalError(f"arrays cannot be read ({in_short(error)})") from error
    for array in found.values():
        array.flags.writeable = False
    return MappingProxyType(found)


def in_short(error: Exception) -> str:
    """An error in one line."""
    return f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]
