"""One store for all that is published elsewhere: where its files lie, and how they come.

An entry (a model, a data set) is a folder of files. It is looked for in a folder of the user's, in the
installed package that ships it, and in the cache, the only place that is ever written to. What is
downloaded goes to a ``.part`` file first, under a lock per entry, and takes its place once it has
passed its check (`integrity`): no reader ever meets half a file.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

import platformdirs
from filelock import FileLock

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.store.integrity import (
    FileRefused,
    PublishedFile,
    check,
    fault_of,
    pin_of,
    write_pin,
)

CACHE_VARIABLE = "UMLIP_BENCH_CACHE"

# Longer than any download that another process may be busy with, shorter than for ever.
LOCK_TIMEOUT = 3600.0

IN_PACKAGE, IN_CACHE = "installed package", "user cache"

F = TypeVar("F", bound=PublishedFile)


@dataclass(frozen=True)
class Place:
    """A place and what it has of an entry; the content has not been looked at.

    Parameters
    ----------
    source
        `IN_PACKAGE`, `IN_CACHE` or the variable that names the user's folder.
    folder
        The entry's folder; that of the first file in a package.
    paths
        Of the files that are there, by name.
    missing
        Names of the others.
    """

    source: str
    folder: Path
    paths: Mapping[str, Path]
    missing: tuple[str, ...]


class Store:
    """Entries of one kind.

    Parameters
    ----------
    root
        Folder of the downloads; by default that of `kind` in ``$UMLIP_BENCH_CACHE`` or, where that is
        not set, in the user's cache folder.
    """

    kind: ClassVar[str]
    variable: ClassVar[str]  # names the user's folder, which holds `contents`
    contents: ClassVar[str]
    error: ClassVar[type[UmlipBenchError]]
    whole: ClassVar[bool]
    """Whether an entry is of no use without all of its files: then none is kept where one fails.
    Otherwise each comes for itself, and one that broke off is gone on with the next time."""

    def __init__(self, root: Path | None = None) -> None:
        self.root = cache_folder(self.kind) if root is None else root

    def folder(self, entry: str) -> Path:
        """Where the files of an entry go."""
        return self.root / entry

    def places(
        self, entry: str, files: Sequence[PublishedFile], packaged: Sequence[str] = ()
    ) -> Iterator[Place]:
        """Places that an entry may lie in, first the one that counts first.

        Parameters
        ----------
        entry
            Its folder's name.
        files
            Its files.
        packaged
            ``"package:path/in/package"`` for each of them, if an installed package may have them.

        Raises
        ------
        UmlipBenchError
            Of the store's kind, if the variable of the user's folder names none.
        """
        users = self._folder_of_user()
        if users is not None:
            yield _place(self.variable, users / entry, files)
        if shipped := _in_package(packaged):
            yield _place(IN_PACKAGE, shipped[0].parent, files, shipped)
        yield _place(IN_CACHE, self.folder(entry), files)

    def bring(
        self, entry: str, files: Sequence[F], here: Sequence[tuple[F, Path]] = ()
    ) -> dict[F, str | None]:
        """Download files into the cache, except those that have come there meanwhile.

        Parameters
        ----------
        entry
            Its folder's name.
        files
            Those that are needed.
        here
            Further ones, in a folder of the user's: they are copied beside what came, since readers
            want an entry in one folder.

        Returns
        -------
        dict
            Why a file did not come, ``None`` for one that did.
        """
        folder = self.folder(entry)
        outer = sys.exception()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # It lies beside, so that the folder holds nothing else.
            lock = folder.with_name(f"{folder.name}.lock")
            with FileLock(lock, timeout=LOCK_TIMEOUT):
                outcome = self._bring_locked(folder, files)
                if not all(outcome.get(file) for file in files):  # something is there now
                    for file, path in here:
                        _copy(file, path, folder / file.name)
                return outcome
        except OSError as error:
            return dict.fromkeys(files, _root_cause(error, outer))

    def by_hand(self, entry: str, n_files: int) -> str:
        """What else can be done about files that could not be downloaded."""
        return (
            f"Try again with a connection, or put {'it' if n_files == 1 else 'them'} by hand into "
            f"{self.folder(entry)}{os.sep} or ${self.variable}/{entry}/."
        )

    def _folder_of_user(self) -> Path | None:
        value = os.environ.get(self.variable)
        if not value:
            return None
        folder = Path(value).expanduser()
        if not folder.is_dir():
            raise self.error(
                f"{self.variable} is '{value}', which is not a folder. It has to name the folder that "
                f"holds {self.contents}; mend it or unset it."
            )
        return folder

    def _bring_locked(self, folder: Path, files: Sequence[F]) -> dict[F, str | None]:
        outcome: dict[F, str | None] = {}
        digests: dict[F, str] = {}
        unreachable: dict[str, str] = {}
        outer = sys.exception()
        for file in files:
            target, host = folder / file.name, urlsplit(file.url).netloc
            if target.is_file():  # brought by another process meanwhile, or put by hand
                if fault := fault_of(target, file, pin_of(target)):
                    outcome[file] = f"{target}: {fault}; delete the file to have it fetched anew"
                continue
            if host in unreachable:  # waiting once is enough
                outcome[file] = unreachable[host]
                continue
            try:
                digests[file], outcome[file] = _receive_checked(file, target), None
                if not self.whole:
                    _settle(file, target, digests[file])
            except FileRefused as refusal:
                outcome[file] = f"what came for {file.name} was refused: {refusal}"
            except OSError as error:  # takes in a full disk and all that requests raises
                outcome[file] = cause = _root_cause(error, outer)
                import requests

                if isinstance(error, requests.ConnectionError):
                    unreachable[host] = cause
            if self.whole and outcome[file]:
                break
        if self.whole:
            if not any(outcome.values()):
                for file, digest in digests.items():
                    _settle(file, folder / file.name, digest)
            # Only a holder of the lock writes here: what else lies about is of a process that was killed.
            for part in folder.glob("*.part"):
                part.unlink()
        return outcome


def cache_folder(kind: str) -> Path:
    """Return where downloads of a kind go: in ``$UMLIP_BENCH_CACHE``, else the user's cache."""
    folder = os.environ.get(CACHE_VARIABLE)
    if folder:
        return Path(folder).expanduser() / kind
    return platformdirs.user_cache_path("umlip_bench", appauthor=False) / kind


def listing(files: Iterable[PublishedFile]) -> str:
    """Return name, URL and sha256 of files, for a message that says how to get them."""
    return "\n".join(
        f"  file: {file.name}\n  url: {file.url}\n  sha256: {file.sha256 or 'not published'}"
        for file in files
    )


def _place(
    source: str,
    folder: Path,
    files: Sequence[PublishedFile],
    paths: Sequence[Path] | None = None,
) -> Place:
    """Which of the files are in a folder, under their names or at the given paths."""
    if paths is None:
        paths = [folder / file.name for file in files]
    by_name = {file.name: path for file, path in zip(files, paths, strict=True)}
    here = {name: path for name, path in by_name.items() if path.is_file()}
    return Place(source, folder, here, tuple(n for n in by_name if n not in here))


def _in_package(entries: Sequence[str]) -> list[Path]:
    """Return where an installed package keeps files; nothing if it is not installed."""
    paths = []
    for entry in entries:
        package, _, inside = entry.partition(":")
        # Finding the package without importing it: the import would take seconds.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return []
        paths.append(Path(spec.submodule_search_locations[0]) / inside)
    return paths


def _part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def _receive_checked(file: PublishedFile, target: Path) -> str:
    """Download a file to its part and return its sha256; what broke off stays if it can be gone on with."""
    from umlip_bench.ground.store.download import receive

    target.parent.mkdir(parents=True, exist_ok=True)
    part, pin = _part_of(target), pin_of(target)
    # Without a hash, halves of two versions would pass for one file.
    resumable = bool(file.sha256 or file.git_blob_sha1 or pin.exists())
    try:
        continued = receive(file, part, resume=resumable)
    except (OSError, FileRefused):
        if part.exists() and not (resumable and part.stat().st_size):
            part.unlink()
        raise
    try:
        return check(part, file, pin)
    except FileRefused:
        part.unlink()
        if not continued:
            raise
        return _receive_checked(file, target)  # once more, from the start


def _settle(file: PublishedFile, target: Path, digest: str) -> None:
    """Put a part in its place, with a pin where no sha256 is published."""
    if file.sha256 is None:
        write_pin(pin_of(target), target.name, digest)
    os.replace(_part_of(target), target)


def _copy(file: PublishedFile, source: Path, target: Path) -> None:
    """Copy a file that passes its check, unless there is one already."""
    if target.is_file() or fault_of(source, file, pin_of(source)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, _part_of(target))
    os.replace(_part_of(target), target)


def _root_cause(error: BaseException, outer: BaseException | None) -> str:
    """Return the innermost reason in one line.

    What requests raises wraps the one telling line ("Connection refused") in several layers.
    `outer` is what was being handled before, which is no part of it.
    """
    while error.__context__ is not None and error.__context__ is not outer:
        error = error.__context__
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
