"""A user's own reference data: extended XYZ, ASE databases, VASP output, or a folder of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import ase.db
import ase.io

from umlip_bench.datasets import extxyz
from umlip_bench.datasets.dataset import Dataset, Frame, Manifest
from umlip_bench.datasets.labels import FORMAT, SYSTEM, frame, frames_cases, from_calculator
from umlip_bench.errors import DataError
from umlip_bench.potentials.card import LevelOfTheory


def read(path: Path) -> Dataset:
    """Read a user's file or folder.

    Parameters
    ----------
    path
        A file of one of `READERS`, or a folder, searched with all below it.

    Raises
    ------
    DataError
        If there is nothing to read, or something cannot be read; names the file.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; expected {allowed()}")
    files = [path]
    if path.is_dir():
        files = [f for f in sorted(path.rglob("*")) if f.is_file() and _reader(f) is not None]
        if not files:
            raise DataError(f"{path} holds no file to read; expected {allowed()}")
    frames = tuple(
        Frame(f.atoms, f.energy, f.forces, f.stress, f.system, index)
        for index, f in enumerate(chain.from_iterable(map(_read_file, files)))
    )
    level = LevelOfTheory("unknown")
    manifest = Manifest(
        id=path.name,
        title=f"user's data {path.name}",
        level_of_theory=level,
        settings="not stated",
        source=str(path),
        licence="not stated",
        citation="not stated",
    )
    return Dataset(manifest, frames_cases(frames, level), _digest(files))


def allowed() -> str:
    """What can be read, for messages."""
    return (
        f"{FORMAT}; or an ASE database (*.db), VASP output (vasprun.xml, vasprun.xml.gz), or a folder "
        "of such files"
    )


def _read_file(path: Path) -> Iterator[Frame]:
    reader = _reader(path) or extxyz.read_frames
    return reader(path)


def _read_database(path: Path) -> Iterator[Frame]:
    with ase.db.connect(path) as database:
        for index, row in enumerate(database.select()):
            system = row.get(SYSTEM)
            atoms = from_calculator(row.toatoms(), None if system is None else str(system))
            yield frame(f"{path}, row {row.id}", index, atoms)


def _read_vasprun(path: Path) -> Iterator[Frame]:
    try:
        steps = ase.io.read(path, index=":", format="vasp-xml")
    # What ASE's reader raises on files that VASP left unfinished or that are something else.
    except (OSError, ValueError, KeyError, IndexError, AttributeError, SyntaxError) as error:
        raise DataError(
            f"{path} is not readable as VASP output ({type(error).__name__}: {error}); "
            "expected the vasprun.xml of a finished calculation"
        ) from error
    for index, atoms in enumerate(steps):
        yield frame(f"{path}, ionic step {index}", index, from_calculator(atoms))


READERS: tuple[tuple[str, Callable[[Path], Iterator[Frame]]], ...] = (
    (".xyz", extxyz.read_frames),
    (".extxyz", extxyz.read_frames),
    (".db", _read_database),
    ("vasprun.xml", _read_vasprun),
    ("vasprun.xml.gz", _read_vasprun),
)
"""Endings of file names and what reads them."""


def _reader(path: Path) -> Callable[[Path], Iterator[Frame]] | None:
    return next((reader for end, reader in READERS if path.name.endswith(end)), None)


def _digest(files: list[Path]) -> str:
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
