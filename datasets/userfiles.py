"""A user's own reference data: extended XYZ, ASE databases, VASP and phonopy output, or a folder of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import ase.db
import ase.io

from umlip_bench.datasets import extxyz, manifests, phonopy_files
from umlip_bench.datasets.cases import MigrationCase, PhononCase
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.labels import FORMAT, SYSTEM, frame, frames_cases, from_calculator
from umlip_bench.datasets.paths import PATH_FORMAT, PathFrame, is_image, migration_cases, path_frame
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory


def read(path: Path, *, trust_order: bool = False) -> Dataset:
    """Read a user's file or folder.

    Parameters
    ----------
    path
        A file of one of `READERS` or of phonopy's, or a folder, searched with all below it; the level of
        theory is that of the manifest beside or in it, if there is one
        (`umlip_bench.datasets.manifests`).
    trust_order
        As in `umlip_bench.datasets.load`.

    Raises
    ------
    DataError
        If there is nothing to read, or something cannot be read; names the file.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; expected {allowed()}")
    files, force_sets = _files(path)
    if not files and not force_sets:
        raise DataError(f"{path} holds no file to read; expected {allowed()}")
    frames: list[Frame] = []
    images: list[PathFrame] = []
    for index, f in enumerate(chain.from_iterable(map(_read_file, files))):
        if isinstance(f, PathFrame):
            images.append(f)
        else:
            frames.append(Frame(f.atoms, f.energy, f.forces, f.stress, f.system, index))
    manifest = manifests.of_users_data(path)
    level = manifest.level_of_theory
    try:
        paths = migration_cases(images, level)
    except DataError as error:
        raise DataError(f"{path} has migration paths that cannot be used:\n{error}") from error
    phonons, left_out = _read_force_sets(force_sets, level, trust_order=trust_order)
    if left_out and not (frames or paths or phonons):
        raise DataError("\n".join(left_out.values()))
    manifest = replace(
        manifest,
        caveats=(*manifest.caveats, *_told(paths), *_told_of_phonons(phonons, left_out)),
    )
    sources = [*files, *chain.from_iterable(map(phonopy_files.sources, force_sets.values()))]
    return Dataset(manifest, (*frames_cases(frames, level), *paths, *phonons), _digest(sources))


def _files(path: Path) -> tuple[list[Path], dict[str, Path]]:
    """Files of `READERS`, and phonopy's by the name of the case: the folder that they are in."""
    if path.is_file():
        if path.suffix in (".yaml", ".yml"):
            return [], {path.resolve().parent.name: path}
        return [path], {}
    everything = [f for f in sorted(path.rglob("*")) if f.is_file()]
    force_sets = {
        path.resolve().name if f.parent == path else str(f.parent.relative_to(path)): f
        for f in phonopy_files.chosen(everything)
    }
    return [f for f in everything if _reader(f) is not None], force_sets


def _told(paths: Sequence[MigrationCase]) -> Iterator[str]:
    """What was mended or is missing, each thing once, with the paths that it is true of."""
    said: dict[str, list[str]] = {}
    for case in paths:
        for note in case.notes:
            said.setdefault(note, []).append(case.name)
    for note, names in said.items():
        yield f"path{'' if len(names) == 1 else 's'} {', '.join(names)}: {note}."


def _read_force_sets(
    force_sets: Mapping[str, Path], level: LevelOfTheory, *, trust_order: bool
) -> tuple[list[PhononCase], dict[str, str]]:
    """Cases, and why others cannot be used, by name."""
    cases: list[PhononCase] = []
    left_out: dict[str, str] = {}
    for name, path in force_sets.items():
        try:
            cases.append(phonopy_files.read(path, level, name, trust_order=trust_order))
        except DataError as error:
            left_out[name] = str(error)
    return cases, left_out


def _told_of_phonons(phonons: Sequence[PhononCase], left_out: Mapping[str, str]) -> Iterator[str]:
    if phonons:
        names = ", ".join(case.name for case in phonons)
        yield f"cells of {names} are taken to be relaxed in DFT, as nothing in phonopy's files says."
    for case in phonons:
        yield from (f"{case.name}: {note}." for note in case.notes)
    number = len(phonons) + len(left_out)
    for count, reason in enumerate(left_out.values(), start=1):
        yield f"force sets left out, {count} of {len(left_out)} (there are {number}): {reason}."


def allowed() -> str:
    """What can be read, for messages."""
    return (
        f"{FORMAT}; or {PATH_FORMAT}; or an ASE database (*.db), VASP output (vasprun.xml, "
        f"vasprun.xml.gz), {phonopy_files.FORMAT}, or a folder of such files"
    )


def _read_file(path: Path) -> Iterator[Frame | PathFrame]:
    reader = _reader(path) or _read_xyz
    return reader(path)


def _read_xyz(path: Path) -> Iterator[Frame | PathFrame]:
    for index, atoms in enumerate(extxyz.read_structures(path)):
        where = f"{path}, frame {index}"
        yield path_frame(where, atoms) if is_image(atoms) else frame(where, index, atoms)


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


READERS: tuple[tuple[str, Callable[[Path], Iterator[Frame | PathFrame]]], ...] = (
    (".xyz", _read_xyz),
    (".extxyz", _read_xyz),
    (".db", _read_database),
    ("vasprun.xml", _read_vasprun),
    ("vasprun.xml.gz", _read_vasprun),
)
"""Endings of file names and what reads them."""


def _reader(path: Path) -> Callable[[Path], Iterator[Frame | PathFrame]] | None:
    return next((reader for end, reader in READERS if path.name.endswith(end)), None)


def _digest(files: list[Path]) -> str:
    if len(files) == 1:
        return hashlib.sha256(files[0].read_bytes()).hexdigest()
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    return hashlib.sha256("".join(digests).encode()).hexdigest()
