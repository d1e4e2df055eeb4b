"""Files that would take all time or memory if a reader believed them: refused before one does."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import zlib
from collections import deque
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import IO

from umlip_bench.ground.errors import DataError

OPENED: dict[str, Callable[[Path], IO[bytes]]] = {
    ".gz": gzip.open,  # type: ignore[dict-item]
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
"""What decompresses a file, by its ending."""
UNCOMPRESSED_FREELY = 64 * 2**20
"""Bytes that any compressed file may hold."""
RATIO = 100
"""Beyond them a file holds at most so many times its size; outputs of codes are compressed by 4 to 20."""
SMALLEST_LINE = 2
"""Bytes of a line that is not empty."""
HEAD = 2**16
"""Bytes at the start of a file in which it states how many atoms it has."""
COLUMNS = re.compile(rb'Properties="?([^\s"]*)')
"""Of extended XYZ: name, type and number of columns, in turns."""
DUMPED = re.compile(rb"ITEM: NUMBER OF ATOMS\s+(\d+)")
"""Of LAMMPS's dumps."""
DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What is raised where a compressed file is not whole."""
CHUNK = 2**20


def check_content(path: Path) -> None:
    """Refuse a file that is a bomb, states absurd counts, or has no end.

    A file that is not as its name says is left to its reader, which will say so.

    Raises
    ------
    DataError
        If it is no regular file, holds more than `RATIO` times its size, or an XYZ file states more atoms
        than it can have.
    """
    if path.is_dir():
        return
    if path.exists() and not path.is_file():
        raise DataError(f"{path} is a device or a pipe, not a file; save what it gives to a file")
    opened = OPENED.get(path.suffix.lower())
    size = path.stat().st_size
    if opened is not None:
        size = _size_within(path, opened, max(UNCOMPRESSED_FREELY, RATIO * size))
    name = path.name.lower().removesuffix(path.suffix.lower() if opened else "")
    try:
        with path.open("rb") if opened is None else opened(path) as stream:
            if name.endswith((".xyz", ".extxyz")):
                _check_frames(path, stream, size)
            else:
                _check_head(path, name, stream.read(HEAD), size)
    except DAMAGED:
        return


def _size_within(path: Path, opened: Callable[[Path], IO[bytes]], limit: int) -> int:
    """Size of what a compressed file holds; of what can be read, if it is damaged."""
    size = 0
    try:
        with opened(path) as stream:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > limit:
                    raise DataError(
                        f"{path} holds more than {limit >> 20} MB, of {path.stat().st_size} bytes: more than "
                        f"{RATIO} times its size is not read; decompress it, if that is meant"
                    )
    except DAMAGED:
        pass
    return size


def _check_frames(path: Path, stream: IO[bytes], size: int) -> None:
    """Go from frame to frame of an XYZ file by the numbers of atoms that they state."""
    while line := stream.readline(CHUNK):
        words = line.split()
        if not words or not words[0].isdigit():
            return
        _check_count(path, words[0], size)
        comment = stream.readline(CHUNK)
        if len(comment) == CHUNK:
            raise DataError(
                f"{path} has a line of more than {CHUNK >> 20} MB, where a comment stands"
            )
        if columns := COLUMNS.search(comment):
            for number in columns[1].split(b":")[2::3]:
                _check_count(path, number, size)
        deque(islice(stream, int(words[0])), maxlen=0)


def _check_head(path: Path, name: str, head: bytes, size: int) -> None:
    """Check the numbers of atoms at the start of other files."""
    counts = DUMPED.findall(head)
    if re.search(r"poscar|contcar|\.vasp$", name):
        lines = (line.split() for line in head.splitlines()[5:7])
        counts += [
            each for line in lines if line and all(map(bytes.isdigit, line)) for each in line
        ]
    for count in counts:
        _check_count(path, count, size)


def _check_count(path: Path, number: bytes, size: int) -> None:
    if number.isdigit() and (
        len(number) > len(str(size)) + 1 or int(number) * SMALLEST_LINE > size
    ):
        raise DataError(
            f"{path} states a number of {number[:20].decode()}, more than its {size} bytes can hold; mend "
            "the line that says how many atoms or columns there are"
        )
