"""Data sets that ship with the package."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.resources import as_file, files

import yaml

from umlip_bench.datasets import pbe_mini_cases
from umlip_bench.datasets.dataset import Dataset, Manifest
from umlip_bench.errors import DataError
from umlip_bench.potentials.card import LevelOfTheory

PBE_MINI = "pbe-mini"

_FOLDERS = {PBE_MINI: "pbe_mini"}


def names() -> tuple[str, ...]:
    """Ids of the embedded sets."""
    return tuple(_FOLDERS)


def read(name: str) -> Dataset:
    """Read an embedded set and check its files against the hashes in its manifest.

    Raises
    ------
    DataError
        If an installed file is not the one that was published.
    """
    folder = files("umlip_bench.datasets") / _FOLDERS[name]
    entry = yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))
    for file, published in entry["files"].items():
        digest = hashlib.sha256((folder / file).read_bytes()).hexdigest()
        if digest != published:
            raise DataError(
                f"the installed file {file} of {name} has sha256 {digest}, published was {published}; "
                "reinstall umlip-bench"
            )
    manifest = Manifest(
        id=entry["id"],
        title=entry["title"],
        level_of_theory=LevelOfTheory(**entry["level_of_theory"]),
        settings=entry["settings"],
        source=entry["source"],
        licence=entry["licence"],
        citation=entry["citation"],
        caveats=tuple(entry["caveats"]),
    )
    with as_file(folder) as path:
        found = tuple(pbe_mini_cases.cases(path, entry["files"], manifest.level_of_theory))
    return Dataset(manifest, found, _digest(entry["files"]))


def _digest(published: Mapping[str, str]) -> str:
    """One digest over all files: that of lines as ``sha256sum`` writes them."""
    lines = [f"{digest}  {file}\n" for file, digest in published.items()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
