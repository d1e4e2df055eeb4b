"""Reference data: `load` gives a data set by id or from a user's own file."""

from __future__ import annotations

from pathlib import Path

from umlip_bench.datasets import embedded, extxyz
from umlip_bench.datasets.dataset import Dataset, Frame, Manifest
from umlip_bench.errors import DataError

__all__ = ["Dataset", "Frame", "Manifest", "load"]


def load(name: str) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name
        Id of an embedded set (``pbe-mini``), or a path to an extended XYZ file with ``REF_`` keys.

    Raises
    ------
    DataError
        If there is no such set or file, or its content is not as expected.
    """
    if name in embedded.names():
        return embedded.read(name)
    path = Path(name)
    if not path.exists() and not path.suffix:
        raise DataError(
            f"{name!r} is neither a data set ({', '.join(embedded.names())}) nor an existing file; "
            f"a file must be {extxyz.FORMAT}"
        )
    return extxyz.read(path)
