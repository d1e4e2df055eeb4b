"""What was computed, entry by entry, so that an interrupted command goes on where it was.

A journal is a folder. Every writer has a file of its own in it, of one line for each entry, so that any
number of processes can add to one journal at the same time; readers merge the files. A line is on disk
before `Journal.append` returns, after the arrays that belong to it. An entry that cannot be read, or whose
arrays are not those that were written with it, counts as not done: it is computed again.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import io
import json
import os
import secrets
import socket
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import numpy as np

from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.errors import JournalError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.packed import in_short, pack, unpack
from umlip_bench.ground.plain import load_as, load_json, to_plain
from umlip_bench.ground.version import __version__

T = TypeVar("T")

ENDING, ARRAY_ENDING = ".jsonl", ".npz"
ARRAYS, CHECK = "arrays", "crc32"
_MARK = f', "{CHECK}": '.encode()
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)
"""What reading a damaged line raises."""


@dataclass(frozen=True, eq=False)
class JournalLine(Generic[T]):
    """An entry with what was noted beside it.

    Parameters
    ----------
    key
        Of the entry.
    entry
        What was appended.
    arrays
        sha256 of the file of its arrays; ``None`` for an entry without any.
    version
        Of the package that wrote it.
    at
        When, in UTC, as ISO 8601 has it.
    """

    key: str
    entry: T
    arrays: str | None
    version: str
    at: str


class JournalWriter(Generic[T]):
    """Adds entries to a journal, without reading what is there.

    Parameters
    ----------
    folder, arrays
        As of `Journal`.
    name
        What the name of its file begins with; of a chunk of work that several may have begun.
    """

    def __init__(self, folder: Path, *, arrays: Path | None = None, name: str = "") -> None:
        self.folder = folder
        self.array_folder = folder / ARRAYS if arrays is None else arrays
        self._name = name
        self._file: io.BufferedWriter | None = None

    def append(
        self, key: str, entry: T, arrays: Mapping[str, np.ndarray] | None = None
    ) -> JournalLine[T]:
        """Add an entry; it is on disk when this returns.

        Parameters
        ----------
        key
            Digest of all that the entry depends on (`umlip_bench.ground.identity`). Of a key that is
            there already the later entry counts.
        entry
            An instance of the journal's dataclass.
        arrays
            Large numbers, by name; none of dtype object.

        Raises
        ------
        JournalError
            If it cannot be written: names path and reason.
        """
        digest = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            if arrays is not None:
                digest = self._write_arrays(key, arrays)
            at = datetime.now(UTC).isoformat(timespec="microseconds")
            line: JournalLine[T] = JournalLine(key, entry, digest, __version__, at)
            content = {
                "key": key,
                "entry": to_plain(entry),
                "arrays": digest,
                "version": line.version,
                "at": line.at,
            }
            text = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
            file = self._open()
            file.write(b"%s%s%d}\n" % (text[:-1], _MARK, zlib.crc32(text)))
            file.flush()
            os.fsync(file.fileno())
        except OSError as error:
            raise JournalError(
                f"{error.filename or self.folder} cannot be written ({error.strerror}); what was computed "
                "before is kept: mend this and rerun the command to resume"
            ) from error
        return line

    def ended(self) -> frozenset[str]:
        """Keys in files of this writer's name, its own or another's."""
        return keys_in(self.folder, self._name)

    def close(self) -> None:
        """Close the file; a later `append` opens another."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write_arrays(self, key: str, arrays: Mapping[str, np.ndarray]) -> str:
        content = pack(arrays)
        self.array_folder.mkdir(parents=True, exist_ok=True)
        write_atomically(array_file(self.array_folder, key), lambda file: file.write(content))
        return hashlib.sha256(content).hexdigest()

    def _open(self) -> io.BufferedWriter:
        if self._file is None:
            host = "".join(c if c.isalnum() else "-" for c in socket.gethostname())[:40]
            parts = [self._name] if self._name else []
            parts += [host, str(os.getpid()), secrets.token_hex(4)]
            self._file = (self.folder / ("-".join(parts) + ENDING)).open("xb")
        return self._file


def array_file(folder: Path, key: str) -> Path:
    """File of the arrays of an entry, in the folder of all of them."""
    return folder / f"{key}{ARRAY_ENDING}"


def keys_in(folder: Path, name: str) -> frozenset[str]:
    """Keys of the entries in a journal's files of a writer's name; what cannot be read is left out."""
    found: set[str] = set()
    for path in folder.glob(f"{name}-*{ENDING}"):
        for text in path.read_bytes().split(b"\n")[:-1]:
            with contextlib.suppress(*UNREADABLE):
                found.add(_content_of(text)["key"])
    return frozenset(found)


def durations(folder: Path) -> Iterator[tuple[str, float]]:
    """Keys of a journal with the seconds since the entry before them in the same file.

    The first of a file has none, and what cannot be read is left out.
    """
    for path in folder.glob(f"*{ENDING}"):
        before: datetime | None = None
        for text in path.read_bytes().split(b"\n")[:-1]:
            with contextlib.suppress(*UNREADABLE):
                content = _content_of(text)
                at = datetime.fromisoformat(content["at"])
                if before is not None:
                    yield content["key"], (at - before).total_seconds()
                before = at


class Journal(Generic[T]):
    """Entries by key.

    Parameters
    ----------
    folder
        Made with the first entry if it is not there.
    kind
        Dataclass of the entries; whatever `umlip_bench.ground.plain` can write and read.
    arrays
        Folder of the arrays; by default ``arrays`` in the journal's own.

    Attributes
    ----------
    damaged
        What could not be read, a sentence each; it counts as not done. A last line that was cut off is
        what a killed writer leaves, and is not told.

    Raises
    ------
    JournalError
        If the folder is a file, or cannot be read.
    """

    def __init__(self, folder: Path, kind: type[T], *, arrays: Path | None = None) -> None:
        self.folder = folder
        self.array_folder = folder / ARRAYS if arrays is None else arrays
        self._array_folder = f"{self.array_folder}{os.sep}"
        self._kind = kind
        self._lines: dict[str, list[JournalLine[T]]] = {}
        self._whole: dict[str, JournalLine[T]] = {}
        self._writer: JournalWriter[T] = JournalWriter(folder, arrays=self.array_folder)
        self.damaged: tuple[str, ...] = ()
        if folder.exists() and not folder.is_dir():
            raise JournalError(f"{folder} is a file, not the folder of results that it should be")
        try:
            with _uncollected():
                for path in sorted(folder.glob(f"*{ENDING}")):
                    self._read(path)
        except OSError as error:
            raise JournalError(f"{error.filename} cannot be read ({error.strerror})") from error

    def keys(self) -> tuple[str, ...]:
        """Keys of the entries that are whole, in the order of their times."""
        found = [
            (line.at, key) for key in list(self._lines) if (line := self._line(key)) is not None
        ]
        return tuple(key for _, key in sorted(found, key=lambda pair: pair[0]))

    def get(self, key: str) -> T | None:
        """The entry of a key; ``None`` if it is not there, or not whole."""
        line = self._line(key)
        return None if line is None else line.entry

    def line(self, key: str) -> JournalLine[T] | None:
        """The entry with its provenance; ``None`` as of `get`."""
        return self._line(key)

    def noted(self, key: str) -> JournalLine[T] | None:
        """The latest entry of a key; whether its arrays are there and whole is not looked at."""
        lines = self._lines.get(key, ())
        return lines[0] if len(lines) == 1 else max(lines, key=lambda line: line.at, default=None)

    def __contains__(self, key: str) -> bool:
        return self._line(key) is not None

    def __len__(self) -> int:
        return len(self.keys())

    def items(self) -> Iterator[tuple[str, T]]:
        """Keys and entries, in the order of `keys`."""
        for key in self.keys():
            yield key, self._whole[key].entry

    def append(self, key: str, entry: T, arrays: Mapping[str, np.ndarray] | None = None) -> None:
        """Add an entry, as `JournalWriter.append`."""
        line = self._writer.append(key, entry, arrays)
        self._lines.setdefault(key, []).append(line)
        self._whole[key] = line

    def arrays(self, key: str) -> Mapping[str, np.ndarray]:
        """Arrays of an entry, read only; empty for an entry without any.

        Raises
        ------
        JournalError
            If there is no such entry, or its arrays are no longer what they were.
        """
        line = self._line(key)
        if line is None:
            raise JournalError(f"{self.folder} has no whole entry {key}; give the command again")
        if line.arrays is None:
            return MappingProxyType({})
        content = self._content(key)
        if hashlib.sha256(content).hexdigest() != line.arrays:
            raise JournalError(f"{self.path_of(key)} has changed; give the command again")
        return unpack(content)

    def path_of(self, key: str) -> Path:
        """File of an entry's arrays."""
        return array_file(self.array_folder, key)

    def close(self) -> None:
        """Close the file of this writer; a later `append` opens another."""
        self._writer.close()

    def _read(self, path: Path) -> None:
        of_kind = JournalLine[self._kind]  # type: ignore[name-defined]
        # Not splitlines, which takes other characters for line breaks that may stand in a name.
        for number, text in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            try:
                if not _is_whole(text):
                    _content_of(text)
                line = load_as(of_kind, text)
            except UNREADABLE as error:
                self._tell(f"{path}, line {number} cannot be read ({in_short(error)})")
                continue
            self._lines.setdefault(line.key, []).append(line)

    def _line(self, key: str) -> JournalLine[T] | None:
        """The latest entry of a key whose arrays are what was written with it."""
        if key in self._whole:
            return self._whole[key]
        lines = self._lines.get(key)
        if not lines:
            return None
        digest = None
        if any(line.arrays is not None for line in lines):
            try:
                digest = hashlib.sha256(self._content(key)).hexdigest()
            except JournalError as error:
                self._tell(str(error))
        whole = [line for line in lines if line.arrays in (None, digest)]
        if not whole:
            if digest is not None:
                self._tell(f"{self.path_of(key)} is not the file that was written with its entry")
            del self._lines[key]
            return None
        self._whole[key] = max(whole, key=lambda line: line.at)
        return self._whole[key]

    def _content(self, key: str) -> bytes:
        try:
            # A path of pathlib and a buffer take longer than reading, of which there are a hundred thousand.
            with open(f"{self._array_folder}{key}{ARRAY_ENDING}", "rb", buffering=0) as file:
                return file.read()
        except OSError as error:
            raise JournalError(f"{self.path_of(key)} cannot be read ({error.strerror})") from error

    def _tell(self, text: str) -> None:
        if text not in self.damaged:
            self.damaged = (*self.damaged, text)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Look for no garbage among many new objects that all stay: it takes as long as making them."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _is_whole(text: bytes) -> bool:
    """Whether a line is what was written, to the byte."""
    start, _, check = text.rpartition(_MARK)
    return check == b"%d}" % zlib.crc32(start + b"}")


def _content_of(text: bytes) -> dict[str, Any]:
    """What a line says, but for its check sum; one of `UNREADABLE` for one that is damaged."""
    content: dict[str, Any] = as_mapping(load_json(text))
    check = content.pop(CHECK)
    # In lines of older versions the check sum is of the content, whatever its spaces and order.
    if not _is_whole(text) and check != _check_sum(content):
        raise ValueError("its check sum is another's")
    return content


def _check_sum(content: Mapping[str, Any]) -> int:
    """CRC-32 of a line's content: a flipped bit may leave good JSON with another number in it."""
    return zlib.crc32(json.dumps(content, sort_keys=True).encode())
