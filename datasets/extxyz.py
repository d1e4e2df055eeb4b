"""The standard form on disk: extended XYZ with ``REF_`` keys."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

import ase.io
from ase import Atoms

from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.labels import ENERGY, FORCES, FORMAT, STRESS, SYSTEM, frame
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.structures import READER_ERRORS, check_content


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
    count = 0

    def write(file: IO[bytes]) -> None:
        nonlocal count
        for each in frames:
            file.write(_in_standard_form(each))
            count += 1

    write_atomically(path, write)
    return count


def holds(path: Path, frames: Iterable[Frame]) -> bool:
    """Whether a file is what `write_frames` makes of these frames, byte for byte."""
    with path.open("rb") as file:
        for each in frames:
            content = _in_standard_form(each)
            if file.read(len(content)) != content:
                return False
        return not file.read(1)


def _in_standard_form(frame: Frame) -> bytes:
    """A frame's structure with its labels by the names of the standard form."""
    atoms = Atoms(
        numbers=frame.atoms.numbers,
        positions=frame.atoms.positions,
        cell=frame.atoms.cell,
        pbc=frame.atoms.pbc,
    )
    atoms.info = {SYSTEM: frame.system, ENERGY: frame.energy}
    if frame.stress is not None:
        atoms.info[STRESS] = frame.stress
    atoms.arrays[FORCES] = frame.forces
    text = io.StringIO()
    ase.io.write(text, atoms, format="extxyz")
    return text.getvalue().encode()


def _read_atoms(path: Path) -> Iterator[Atoms]:
    frame = 0
    try:
        for atoms in ase.io.iread(path, index=":", format="extxyz"):
            yield atoms
            frame += 1
    except READER_ERRORS as error:
        raise ReadingError(
            f"{path}, frame {frame}: not readable ({type(error).__name__}: {error}); expected {FORMAT}"
        ) from error
