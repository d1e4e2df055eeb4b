"""Data sets that ship with the package."""

from __future__ import annotations

import hashlib
from importlib.resources import as_file, files

import yaml

from umlip_bench.datasets import extxyz
from umlip_bench.datasets.dataset import Dataset, Manifest
from umlip_bench.datasets.labels import frames_cases
from umlip_bench.errors import DataError
from umlip_bench.potentials.card import LevelOfTheory

PBE_MINI = "pbe-mini"

_FOLDERS = {PBE_MINI: "pbe_mini"}


def names() -> tuple[str, ...]:
    """Ids of the embedded sets."""
    return tuple(_FOLDERS)


def read(name: str) -> Dataset:
    """Read an embedded set and check it against the hash in its manifest.

    Raises
    ------
    DataError
        If the installed file is not the one that was published.
    """
    folder = files("umlip_bench.datasets") / _FOLDERS[name]
    entry = yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))
    resource = folder / entry["file"]
    digest = hashlib.sha256(resource.read_bytes()).hexdigest()
    if digest != entry["sha256"]:
        raise DataError(
            f"the installed file of {name} has sha256 {digest}, published was {entry['sha256']}; "
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
    with as_file(resource) as path:
        frames = list(extxyz.read_frames(path))
    return Dataset(manifest, frames_cases(frames, manifest.level_of_theory), digest)
