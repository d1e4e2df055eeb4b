"""Writing files, and folders of files, that are whole or not there.

A file is written under another name in the same folder, synced and renamed, so that no reader and no
crash ever sees half of it. What a command that was killed left under such a name is removed by the next
write into the folder.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
import socket
import stat
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from umlip_bench.ground.errors import OutputError

PREFIX = ".umlip-bench-"
SUFFIX = ".part"
"""Names of temporary files: ``.umlip-bench-HOST-PROCESS-RANDOM.part``."""
LEFT_AFTER = 3600.0
"""Seconds after which a temporary file that nobody adds to is a leftover, whosever it is."""
LOOKED_EVERY = 60.0
"""Seconds between two times that a process looks for leftovers in a folder."""
_LOOKED: dict[str, float] = {}

NEW_MODE = 0o666
"""Mode of a new file, of which the system takes away the umask."""


def write_atomically(path: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file so that it is there as a whole or as it was before.

    A link is kept, and the file that it leads to is written. A new file has the mode that the umask
    leaves, one that is replaced keeps its own, and its owner where that is allowed. Other hard links to
    a replaced file keep the old content. Leftovers of killed commands in the folder are removed.

    Parameters
    ----------
    path
        Of the file; its folder exists.
    write
        Gets the open file, in binary and seekable.

    Raises
    ------
    OutputError
        If the file cannot be written: its folder is missing or read-only, the disk is full, or the name
        is that of a folder or a device.
    """
    target = destination(path)
    try:
        remove_leftovers(target.parent)
        with _temporary(target.parent) as (part, file):
            write(file)
            file.flush()
            _take_over_mode(file.fileno(), target)
            os.fsync(file.fileno())
            os.replace(part, target)
        _sync(target.parent)
    except OSError as error:
        raise _unwritable(path, _reason(error)) from error


def check_writable(path: Path) -> None:
    """Check that `write_atomically` will be able to write a file; to be asked before long work.

    Nothing is written to a file that is there.

    Raises
    ------
    OutputError
        As of `write_atomically`, but for a disk that fills up later.
    """
    target = destination(path)
    try:
        with _temporary(target.parent):
            pass
    except OSError as error:
        raise _unwritable(path, _reason(error)) from error


def write_folder_atomically(path: Path, build: Callable[[Path], object]) -> None:
    """Write a folder so that it appears whole or not at all; folders above it are made.

    Parameters
    ----------
    path
        Of the folder, which must not exist.
    build
        Gets an empty folder to put files into. They are written anew, so that they need no care of
        their own.

    Raises
    ------
    OutputError
        If the folder exists or cannot be written. What `build` raises otherwise is left as it is.
    """
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path} exists; remove it or choose another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(path.parent) as part:
            build(part)
            for each in part.rglob("*"):
                if each.is_file():
                    _sync(each)
            os.rename(part, path)
        _sync(path.parent)
    except OSError as error:
        raise _unwritable(path, _reason(error)) from error


@contextlib.contextmanager
def temporary_folder(above: Path) -> Iterator[Path]:
    """A new folder of ours in another, gone at the end; leftovers of killed commands are removed.

    Raises
    ------
    OSError
        If it cannot be made.
    """
    remove_leftovers(above)
    part = _temporary_name(above)
    part.mkdir()
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def check_new_folder(path: Path) -> None:
    """Check that `write_folder_atomically` will be able to write a folder; to be asked before long work.

    Raises
    ------
    OutputError
        As of `write_folder_atomically`, but for a disk that fills up later.
    """
    if path.exists() or path.is_symlink():
        raise OutputError(f"{path} exists; remove it or choose another name")
    above = next(each for each in path.absolute().parents if each.exists() or each.is_symlink())
    try:
        remove_leftovers(above)
        with _temporary(above):
            pass
    except OSError as error:
        raise _unwritable(path, _reason(error)) from error


def destination(path: Path) -> Path:
    """The file that is written for a name: where a link leads to, else the name itself.

    Raises
    ------
    OutputError
        If nothing can be written there.
    """
    try:
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise _unwritable(path, "it is a link that leads to itself")
        if target.is_dir():
            raise _unwritable(path, "it is a folder; a file is to be written")
        if not target.parent.is_dir():
            there = target.parent.exists()
            said = "is a file, not a folder" if there else "does not exist; make it first"
            raise _unwritable(path, f"{target.parent} {said}")
        if target.exists():
            if not target.is_file():
                raise _unwritable(path, "it is not a regular file")
            if not os.access(target, os.W_OK):
                raise _unwritable(path, "it is read-only")
    except (OSError, ValueError) as error:  # a name that is too long or has a zero byte
        raise _unwritable(path, _reason(error)) from error
    return target


def files_below(folder: Path) -> list[Path]:
    """All files in a folder and below it, in order.

    What disappears meanwhile, as where a calculation goes on, and folders that may not be read are left out.
    """
    found = (Path(above, name) for above, _, names in os.walk(folder) for name in names)
    return sorted(path for path in found if path.is_file())


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files of processes that are no more; looked for once in a while."""
    # A folder of 100,000 files takes longer to list than a file to write.
    name, now = str(folder), time.monotonic()
    if now - _LOOKED.get(name, -math.inf) < LOOKED_EVERY:
        return
    _LOOKED[name] = now
    with os.scandir(folder) as entries:
        found = [e.name for e in entries if e.name.startswith(PREFIX) and e.name.endswith(SUFFIX)]
    for name in found:
        # Another process may have removed it, and what cannot be removed does no harm.
        with contextlib.suppress(OSError):
            if _is_left(folder / name):
                _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _temporary_name(folder: Path) -> Path:
    return folder / f"{PREFIX}{_host()}-{os.getpid()}-{secrets.token_hex(8)}{SUFFIX}"


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """A new file of ours, gone at the end if it still has its name."""
    part = _temporary_name(folder)
    # Exclusive creation follows no link that somebody may have laid there.
    descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, NEW_MODE)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield part, file
    finally:
        part.unlink(missing_ok=True)


def _take_over_mode(descriptor: int, target: Path) -> None:
    """Give a new file the owner and mode of the one that it replaces."""
    try:
        old = target.stat()
    except FileNotFoundError:
        return
    new = os.fstat(descriptor)
    if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
        # Only the superuser may give files away.
        with contextlib.suppress(PermissionError):
            os.fchown(descriptor, old.st_uid, old.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))


def _sync(path: Path) -> None:
    """Have a file, or the names in a folder, survive a crash; some file systems cannot sync a folder."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_left(part: Path) -> bool:
    """Whether the process that wrote a temporary file has ended, as far as can be seen from here."""
    if time.time() - part.lstat().st_mtime > LEFT_AFTER:
        return True
    host, _, rest = part.name.removeprefix(PREFIX).partition("-")
    number = rest.partition("-")[0]
    return host == _host() and number.isdecimal() and not _lives(int(number))


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def _host() -> str:
    """Name of the machine in eight characters that may stand in a file name."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _unwritable(path: Path, reason: str) -> OutputError:
    return OutputError(f"{path} cannot be written ({reason}); choose another place")
