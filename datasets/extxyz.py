"""The standard form on disk: extended XYZ with ``REF_`` keys."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import ase.io
from ase import Atoms

from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.labels import FORMAT, frame, structure_of
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.structures import READER_ERRORS, check_content

OF_GPUMD = re.compile(r"(?<!\S)(lattice|properties)(?==)")
"""Keywords that ASE only knows with a capital."""


class ReadingError(DataError):
    """A file that is missing, empty, damaged or of another kind."""


def read_frames(path: Path) -> Iterator[Frame]:
    """Read labelled frames one by one.

    Parameters
    ----------
    path
        A file in the standard form.

    Raises
    ------
    DataError
        If the file is missing, empty or unreadable, or a label is not as it should be; names the frame
        and what is expected.
    """
    for labelled, _ in read_described(path):
        yield labelled


def read_described(path: Path) -> Iterator[tuple[Frame, dict[str, object]]]:
    """Read labelled frames one by one, each with all that its comment line says.

    Parameters, errors: as `read_frames`.
    """
    for index, atoms in enumerate(read_structures(path)):
        yield frame(f"{path}, frame {index}", index, atoms), atoms.info


def read_structures(path: Path) -> Iterator[Atoms]:
    """Read structures one by one with whatever labels they have, unchecked.

    Parameters
    ----------
    path
        An extended XYZ file.

    Raises
    ------
    DataError
        If the file is missing, empty or unreadable.
    """
    if not path.is_file():
        raise ReadingError(f"{path}: no such file; expected {FORMAT}")
    try:
        check_content(path)
    except DataError as error:
        raise ReadingError(str(error)) from error
    with path.open("rb") as stream:
        if not stream.read(4096).strip():
            raise ReadingError(f"{path} is empty; expected {FORMAT}")
    empty = True
    for atoms in _read_atoms(path):
        empty = False
        yield atoms
    if empty:
        raise ReadingError(f"{path} holds no frame; expected {FORMAT}")


def write_frames(path: Path, frames: Iterable[Frame]) -> int:
    """Write frames in the standard form and return how many there were.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    return write_structures(path, map(structure_of, frames))


def holds(path: Path, frames: Iterable[Frame]) -> bool:
    """Whether a file is what `write_frames` makes of these frames, byte for byte."""
    return holds_structures(path, map(structure_of, frames))


def write_structures(path: Path, structures: Iterable[Atoms]) -> int:
    """As `write_frames`, of structures that have their labels in ``info`` and ``arrays``."""
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        for each in structures:
            file.write(_text(each))
            count += 1

    write_atomically(path, write)
    return count


def holds_structures(path: Path, structures: Iterable[Atoms]) -> bool:
    """Whether a file is what `write_structures` makes of these structures, byte for byte."""
    with path.open("rb") as file:
        for each in structures:
            content = _text(each)
            if file.read(len(content)) != content:
                return False
        return not file.read(1)


def _text(atoms: Atoms) -> bytes:
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return text.getvalue().encode()


def readable(path: Path) -> Path | io.StringIO:
    """The file, or its text with ``Lattice`` and ``Properties`` as ASE wants them: GPUMD takes any case."""
    with path.open(encoding="utf-8", errors="replace") as stream:
        stream.readline()
        comment = stream.readline()
    if not OF_GPUMD.search(comment):
        return path
    text = path.read_text(encoding="utf-8", errors="replace")
    return io.StringIO(OF_GPUMD.sub(lambda found: found.group().capitalize(), text))


def _read_atoms(path: Path) -> Iterator[Atoms]:
    frame = 0
    try:
        for atoms in ase.io.iread(readable(path), index=":", format="extxyz"):
            yield atoms
            frame += 1
    except READER_ERRORS as error:
        raise ReadingError(
            f"{path}, frame {frame}: not readable ({type(error).__name__}: {error}); expected {FORMAT}"
        ) from error
