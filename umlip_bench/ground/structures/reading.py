"""Reading structures from files: one reader, one list of what readers raise, one set of checks."""

from __future__ import annotations

import json
import lzma
import re
import sqlite3
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import ase.io
from ase import Atoms
from ase.calculators.calculator import CalculatorError
from ase.io import ParseError
from ase.io.formats import UnknownFileTypeError, string2index
from ase.spacegroup.spacegroup import SpacegroupError

from umlip_bench.ground.errors import DataError, StructureError
from umlip_bench.ground.structures.checks import check_input
from umlip_bench.ground.structures.content import check_content
from umlip_bench.ground.structures.pymatgen_json import from_pymatgen_json

READER_ERRORS: tuple[type[Exception], ...] = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    CalculatorError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NameError,
    OSError,
    ParseError,
    RuntimeError,
    SpacegroupError,
    StopIteration,
    SyntaxError,
    TypeError,
    UnknownFileTypeError,
    ValueError,
    lzma.LZMAError,
    sqlite3.Error,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
"""What ASE's and pymatgen's readers raise on files that are damaged, cut off or of another kind.

Found by giving them such files; there is no common base. A damaged length makes ``MemoryError``, XML a
``SyntaxError``, a missing optional package ``ImportError``, a local name that no line has set ``NameError``.
"""

EXPECTED = "expected a structure file that ASE knows, such as extended XYZ, CIF or POSCAR"
OF_PYMATGEN = (".mcif", ".cssr")
"""Endings that ASE does not know and pymatgen does; pymatgen's JSON is told by what is in it."""


@dataclass(frozen=True)
class RefusedStructure:
    """A structure of a file that nothing is measured on.

    Parameters
    ----------
    where
        File, and frame if it has several.
    reason
        Why.
    """

    where: str
    reason: str


def read_structure(path: Path | str) -> Atoms:
    """Read the one structure of a file.

    Parameters
    ----------
    path
        A file, or one of its frames as ``file.xyz@3``, counted from 0, or from the end as ``@-1``.

    Raises
    ------
    DataError
        If it cannot be read, or holds several structures: none is chosen without a word.
    StructureError
        If the structure does not pass `check_input`.
    """
    found = read_structures(path)
    if len(found) > 1:
        raise DataError(
            f"{path} holds {len(found)} structures where one is wanted; choose one of them, e.g. {path}@0, "
            f"the first, or {path}@-1, the last"
        )
    return found[0]


def read_structures(path: Path | str) -> list[Atoms]:
    """Read all structures of a file; none is left out.

    Parameters
    ----------
    path
        A file, or some of its frames as ``file.xyz@3`` or ``file.xyz@10:20:2``.

    Returns
    -------
    list of Atoms
        At least one, with masses, magnetic moments, ``info`` and results as far as the file has them.

    Raises
    ------
    DataError
        If it cannot be read to its end.
    StructureError
        If a structure does not pass `check_input`.
    """
    found = []
    for each in scan_structures(path):
        if isinstance(each, RefusedStructure):
            raise StructureError(f"{each.where}: {each.reason}")
        found.append(each)
    return found


def scan_structures(path: Path | str) -> Iterator[Atoms | RefusedStructure]:
    """Read the structures of a file one by one, and say of those that are refused why.

    Parameters
    ----------
    path
        As of `read_structures`.

    Raises
    ------
    DataError
        If there is no such file, or its first structure cannot be read. Damage further on is the last
        thing yielded, as refused.
    """
    file, frames = split_frames(path)
    if not file.exists():
        raise DataError(f"{path}: no such file")
    if file.is_file() and file.stat().st_size == 0:
        raise DataError(f"{path} is empty; {EXPECTED}")
    count = 0
    try:
        check_content(file)
        for atoms in _read(file, frames):
            where = str(path) if count == 0 else f"{path}, structure {count}"
            count += 1
            try:
                check_input(atoms)
            except StructureError as error:
                yield RefusedStructure(where, str(error))
            else:
                yield atoms
    except READER_ERRORS as error:
        reason = f"cannot be read as a structure ({type(error).__name__}: {error}); {EXPECTED}"
        if count == 0:
            raise DataError(f"{path} {reason}") from error
        yield RefusedStructure(f"{path}, structure {count}", reason)
    if count == 0:
        chosen = "" if frames is None else f" {frames}"
        raise DataError(f"{path} holds no structure{chosen}; {EXPECTED}")


def split_frames(path: Path | str) -> tuple[Path, str | None]:
    """The file that is meant, and which of its frames: ``None`` for all, else as in ``file.xyz@3``."""
    path = Path(path)
    name, _, frames = path.name.rpartition("@")
    if path.exists() or not name or not re.fullmatch(r"-?\d+|(-?\d*:){1,2}-?\d*", frames):
        return path, None
    return path.with_name(name), frames


def _read(path: Path, frames: str | None) -> Iterator[Atoms]:
    if path.suffix.lower() in OF_PYMATGEN or _is_pymatgen_json(path):
        yield _read_pymatgen(path)
        return
    every = ase.io.iread(path, index=":", do_not_split_by_at_sign=True)
    if frames is None:
        yield from every
    elif ":" in frames:
        yield from list(every)[string2index(frames)]
    else:
        yield list(every)[int(frames)]


def _is_pymatgen_json(path: Path) -> bool:
    if path.suffix.lower() != ".json":
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return '"pymatgen.' in stream.read(100_000)


def _read_pymatgen(path: Path) -> Atoms:
    if path.suffix.lower() == ".json":
        return from_pymatgen_json(json.loads(path.read_bytes()))
    from pymatgen.core import Structure

    structure = Structure.from_file(str(path))
    sites = {str(k): site.species.as_dict() for k, site in enumerate(structure)}
    first = [next(iter(site.species.elements)).Z for site in structure]
    atoms = Atoms(
        numbers=first,
        cell=structure.lattice.matrix,
        scaled_positions=structure.frac_coords,
        pbc=structure.lattice.pbc,
    )
    if not structure.is_ordered:
        atoms.info["occupancy"] = sites
    return atoms
