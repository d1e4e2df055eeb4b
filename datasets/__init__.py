"""Reference data: `load` gives a data set by id or from a user's own files.

What reads them is imported when something is read: to list sets takes neither ASE nor scipy.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.ground.errors import DataError
from umlip_bench.ground.label_reading import AS_FOUND, LabelReading

if TYPE_CHECKING:
    from umlip_bench.datasets.dataset import Dataset, Manifest
    from umlip_bench.datasets.frame import Frame

_HOME = {
    "Dataset": "umlip_bench.datasets.dataset",
    "Frame": "umlip_bench.datasets.frame",
    "Manifest": "umlip_bench.datasets.dataset",
}

__all__ = ["Dataset", "Frame", "LabelReading", "Manifest", "load"]


def load(name: str, *, trust_order: bool = False, reading: LabelReading = AS_FOUND) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name
        Id of the embedded set (``pbe-mini``) or of a published one (``umlip-bench data list``), or a
        path to one's own data, in any form of `umlip_bench.datasets.userfiles`, or a folder of such files.
    trust_order
        Whether forces of one's own force sets are taken to be in the order of phonopy's supercell even
        where they do not look it.
    reading
        How labels of one's own are to be read, where their files do not say it.

    Raises
    ------
    DataError
        If there is no such set or file, or its content is not as expected; if `reading` is given for a
        set that is known by id.
    """
    from umlip_bench.datasets import embedded, published, userfiles

    if name in (*embedded.names(), *published.names()) and reading != AS_FOUND:
        raise DataError(
            f"{name} says itself how its labels are to be read; options for labels are for files of one's own"
        )
    if name in embedded.names():
        return embedded.read(name)
    if name in published.names():
        return published.read(name)
    path = Path(name)
    if not path.exists() and not path.suffix:
        known = ", ".join([*embedded.names(), *published.names()])
        raise DataError(
            f"{name!r} is neither a data set ({known}) nor an existing file; "
            f"expected {userfiles.allowed()}"
        )
    return userfiles.read(path, trust_order=trust_order, reading=reading)


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'umlip_bench.datasets' has no attribute {name!r}")
