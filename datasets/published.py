"""Published data sets of the catalogue: found or fetched, checked, and read by their importers."""

from __future__ import annotations

import hashlib
from pathlib import Path

from umlip_bench.datasets.catalogue import DatasetCard, card, catalogue
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.importers import importer
from umlip_bench.datasets.store import DataStore


def names() -> tuple[str, ...]:
    """Ids of the published sets."""
    return tuple(catalogue())


def read(name: str, store: DataStore | None = None) -> Dataset:
    """Read a published set; files that are not on this machine are downloaded.

    Parameters
    ----------
    name
        Id of the catalogue.
    store
        Where to look; by default the user's.

    Raises
    ------
    DataError
        If the set cannot be had, fails its check or cannot be read.
    """
    entry = card(name)
    folder, digest = Path(), hashlib.sha256(name.encode()).hexdigest()
    if entry.files:
        located = (store or DataStore()).fetch(entry)
        folder, digest = located.folder, _digest(entry, dict(located.paths))
    cases = tuple(importer(name)(folder, entry.level_of_theory))
    return Dataset(entry.manifest, cases, digest)


def _digest(entry: DatasetCard, paths: dict[str, Path]) -> str:
    """One digest over all files; published ones have just been checked."""
    lines = []
    for file in entry.files:
        if file.path in paths:
            content = file.sha256 or hashlib.sha256(paths[file.path].read_bytes()).hexdigest()
            lines.append(f"{content}  {file.path}\n")
    return hashlib.sha256("".join(lines).encode()).hexdigest()
