"""Reference data: `load` gives a data set by id or from a user's own files."""

from __future__ import annotations

from pathlib import Path

from umlip_bench.datasets import embedded, published, userfiles
from umlip_bench.datasets.dataset import Dataset, Manifest
from umlip_bench.datasets.frame import Frame
from umlip_bench.ground.errors import DataError

__all__ = ["Dataset", "Frame", "Manifest", "load"]


def load(name: str, *, trust_order: bool = False) -> Dataset:
    """Load a data set.

    Parameters
    ----------
    name
        Id of the embedded set (``pbe-mini``) or of a published one (``umlip-bench data list``), or a
        path to one's own data: extended XYZ with ``REF_`` keys, an ASE database, VASP's vasprun.xml,
        or a folder of them.
    trust_order
        Whether forces of one's own force sets are taken to be in the order of phonopy's supercell even
        where they do not look it.

    Raises
    ------
    DataError
        If there is no such set or file, or its content is not as expected.
    """
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
    return userfiles.read(path, trust_order=trust_order)
