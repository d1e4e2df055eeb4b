"""Files of published sets that are read as a whole."""

from __future__ import annotations

from pathlib import Path

from umlip_bench.ground.errors import DataError


def present(path: Path) -> Path:
    """The path of a file that exists.

    Raises
    ------
    DataError
        If it does not.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file; `umlip-bench data fetch` gets it")
    return path
