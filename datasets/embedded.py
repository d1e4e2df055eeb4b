"""Data sets that ship with the package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import as_file, files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from umlip_bench.ground.errors import DataError

if TYPE_CHECKING:
    from umlip_bench.datasets.dataset import Dataset

PBE_MINI = "pbe-mini"

_FOLDERS = {PBE_MINI: "pbe_mini", "debye-mini": "debye_mini", "r2scan-mini": "r2scan_mini"}


def names() -> tuple[str, ...]:
    """Ids of the embedded sets."""
    return tuple(_FOLDERS)


def manifest_text(name: str) -> str:
    """What an embedded set says of itself, with the hashes of all its files."""
    return (_folder(name) / "manifest.yaml").read_text(encoding="utf-8")


def _folder(name: str) -> Traversable:
    return files("umlip_bench.datasets") / _FOLDERS[name]


def read(name: str) -> Dataset:
    """Read an embedded set and check its files against the hashes in its manifest.

    Raises
    ------
    DataError
        If an installed file is not the one that was published.
    """
    from umlip_bench.datasets import manifests, pbe_mini_cases
    from umlip_bench.datasets.dataset import Dataset

    folder = _folder(name)
    manifest, hashes = manifests.parse(manifest_text(name), f"the manifest of {name}")
    for file, published in hashes.items():
        digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        if digest != published:
            raise DataError(
                f"the installed file {file} of {name} has sha256 {digest}, published was {published}; "
                "reinstall umlip-bench"
            )
    with as_file(folder) as path:
        found = tuple(pbe_mini_cases.cases(path, hashes, manifest.level_of_theory))
    return Dataset(manifest, found, _digest(hashes))


def _digest(published: Mapping[str, str]) -> str:
    """One digest over all files: that of lines as ``sha256sum`` writes them."""
    lines = [f"{digest}  {file}\n" for file, digest in published.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
