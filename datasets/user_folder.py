"""What a user's file or folder holds: labels, force sets, bands, and files that no reader knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from umlip_bench.datasets import manifests, neb_folders, phonon_files
from umlip_bench.datasets.readers import code_of, sources_of, told_elsewhere
from umlip_bench.datasets.values_table import Table, is_table, read_table
from umlip_bench.ground.files import files_below


@dataclass(frozen=True)
class Contents:
    """Files of a user's data.

    Parameters
    ----------
    labels
        Files with labels, by their names.
    phonons
        phonopy's, by the name of the case: the folder that they are in.
    bands
        Folders of VASP's bands, by the name of the path.
    tables
        Tables of values.
    skipped
        Files that no reader knows, relative to the folder.
    """

    labels: tuple[Path, ...]
    phonons: Mapping[str, Path]
    bands: Mapping[str, Path]
    tables: tuple[Table, ...]
    skipped: tuple[Path, ...]

    @property
    def sources(self) -> Iterator[Path]:
        """Files that labels, force sets and tables come from; bands know theirs."""
        yield from chain.from_iterable(table.sources for table in self.tables)
        yield from chain.from_iterable(map(sources_of, self.labels))
        yield from chain.from_iterable(map(phonon_files.sources, self.phonons.values()))

    def __bool__(self) -> bool:
        return bool(self.labels or self.phonons or self.bands or self.tables)


def contents(path: Path) -> Contents:
    """What there is at a path, or anywhere below it."""
    if path.is_file():
        cells = phonon_files.cells_beside(path)
        if cells.suffix in (".yaml", ".yml"):
            return Contents((), {path.resolve().parent.name: cells}, {}, (), ())
        if is_table(path):
            return Contents((), {}, {}, (read_table(path),), ())
        return Contents((path,), {}, {}, (), ())
    everything = files_below(path)
    phonons = {_name(f.parent, path): f for f in phonon_files.chosen(everything)}
    bands = {_name(folder, path): folder for folder in neb_folders.find(everything)}
    of_bands = {f for f in everything if f.parent.parent in bands.values()}
    tables = tuple(read_table(f) for f in everything if is_table(f))
    of_tables = {source.resolve() for table in tables for source in table.sources}
    elsewhere = {*of_bands, *(f for f in everything if f.resolve() in of_tables)}
    labels = tuple(f for f in everything if f not in elsewhere and _is_labels(f))
    found = Contents(labels, phonons, bands, tables, ())
    known = {*found.sources, *elsewhere}
    skipped = (f for f in everything if f not in known and f.name != manifests.NAME)
    return Contents(labels, phonons, bands, tables, tuple(f.relative_to(path) for f in skipped))


def _name(folder: Path, path: Path) -> str:
    """Of a case that is a folder."""
    return path.resolve().name if folder == path else str(folder.relative_to(path))


def _is_labels(path: Path) -> bool:
    """Whether a file of a folder is one to read; not what a calculation left beside its label."""
    code = code_of(path)
    return code is not None and not told_elsewhere(path, code)
