"""The store of published data sets: where their files are, that they are right, how they come.

Upstream's files are kept as they are and one by one: a file that cannot be had does not take the
others with it. A download that broke off is gone on with the next time; no file takes its place
before it has passed its check.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import urlsplit

import requests
from filelock import FileLock

from umlip_bench.datasets.catalogue import DataFile, DatasetCard
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.store.download import receive
from umlip_bench.ground.store.folders import (
    LOCK_TIMEOUT,
    cache_folder,
    folder_of_user,
    listing,
    lock_of,
    root_cause,
)
from umlip_bench.ground.store.integrity import FileRefused, check, pin_of, write_pin

DATA_VARIABLE = "UMLIP_BENCH_DATA"


class CheckState(StrEnum):
    """What a check of one file found."""

    OK = "ok"
    MISSING = "missing"
    WRONG = "wrong hash"


@dataclass(frozen=True)
class FileState:
    """One file of a data set and what its check found.

    Parameters
    ----------
    path
        Inside the set's folder.
    state
        What was found.
    detail
        Where the file is and, if it is not the right one, why.
    """

    path: str
    state: CheckState
    detail: str = ""


@dataclass(frozen=True)
class LocatedData:
    """Which files of a data set are on this machine; their content has not been looked at.

    Parameters
    ----------
    card
        The data set.
    folder
        The folder that holds them.
    paths
        Where each of them lies, by its path inside the set.
    missing
        Files that are not here, optional ones left out.
    """

    card: DatasetCard
    folder: Path
    paths: Mapping[str, Path]
    missing: tuple[str, ...]

    @property
    def complete(self) -> bool:
        """Whether all files that are not optional are here, or what can stand in for them."""
        return not self.missing

    def path(self, name: str) -> Path:
        """Return where a file lies.

        Raises
        ------
        DataError
            If the set has no such file, or it is not here; says how to get it.
        """
        if name not in self.paths:
            file = self.card.file(name)
            raise DataError(
                f"{self.card.id}: {name} is not on this machine.\n{listing([file])}\n"
                f"Get it with `{_command(self.card, file)}`, or put it by hand into "
                f"{self.folder}{os.sep}."
            )
        return self.paths[name]


class DataStore:
    """The places where data sets are kept, and the one where downloads go.

    A set is looked for in ``$UMLIP_BENCH_DATA/<id>/`` and in ``<root>/<id>/``; the first that is
    complete counts or, where none is, the one that holds more. Only the latter is ever written to.

    Parameters
    ----------
    root
        Folder of the downloads. By default ``data`` in ``$UMLIP_BENCH_CACHE`` or, where that is not
        set, in the user's cache folder.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = cache_folder("data") if root is None else root

    def locate(self, card: DatasetCard) -> LocatedData | None:
        """Find a set's files by name; neither their content nor the network is touched.

        Parameters
        ----------
        card
            The data set.

        Returns
        -------
        LocatedData | None
            ``None`` if none of its files is here.

        Raises
        ------
        DataError
            If ``$UMLIP_BENCH_DATA`` is no folder.
        """
        places = []
        for folder in self._folders(card):
            paths = {file.path: folder / file.path for file in card.files}
            paths = {name: path for name, path in paths.items() if path.is_file()}
            if paths:
                places.append(LocatedData(card, folder, paths, _missing(card, paths)))
        return max(places, key=lambda data: (data.complete, len(data.paths)), default=None)

    def fetch(self, card: DatasetCard, files: Iterable[str] | None = None) -> LocatedData:
        """Check a set's files, and download those that are not here.

        Parameters
        ----------
        card
            The data set.
        files
            Paths inside the set; by default those that are here, and those that it is not complete
            without.

        Returns
        -------
        LocatedData
            What is here of the set, in one folder. The files asked for have passed their check.

        Raises
        ------
        DataError
            If a file that is here is not the right one, or a file cannot be downloaded. All other
            files have been brought nevertheless.
        """
        located = self.locate(card)
        paths = located.paths if located else {}
        names = [*paths, *_missing(card, paths)] if files is None else files
        wanted = [card.file(name) for name in names]
        messages = [
            self._how_to_mend(card, file, paths[file.path], state.detail)
            for file in wanted
            if file.path in paths
            and (state := _state_of(file, paths[file.path])).state is not CheckState.OK
        ]
        lacking = [file for file in wanted if file.path not in paths]
        failures = self._download(card, lacking, paths) if lacking else {}
        messages += self._how_to_get(card, failures)
        if messages:
            raise DataError("\n".join(messages))
        found = self.locate(card)
        if found is None:
            raise DataError(f"{card.id} has no files to fetch.")
        return found

    def verify(self, card: DatasetCard) -> list[FileState]:
        """Check the files of a set against their hashes; the network is not touched.

        Parameters
        ----------
        card
            The data set.

        Returns
        -------
        list
            One state per file, in the order of the card. Files that the set is complete without
            are left out where they are not here.

        Raises
        ------
        DataError
            If ``$UMLIP_BENCH_DATA`` is no folder.
        """
        located = self.locate(card)
        paths = located.paths if located else {}
        missing = _missing(card, paths)
        return [
            _state_of(file, paths.get(file.path))
            for file in card.files
            if file.path in paths or file.path in missing
        ]

    def _folder(self, card: DatasetCard) -> Path:
        return self.root / card.id

    def _folders(self, card: DatasetCard) -> list[Path]:
        users = folder_of_user(DATA_VARIABLE, "one folder of files per data set", DataError)
        return [*([users / card.id] if users else []), self._folder(card)]

    def _download(
        self, card: DatasetCard, files: Sequence[DataFile], here: Mapping[str, Path]
    ) -> dict[DataFile, str]:
        """Download files into the cache; return the reason for each that did not come.

        What is `here`, in a folder of the user's, is copied: readers want a set in one folder.
        """
        folder = self._folder(card)
        outer = sys.exception()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(lock_of(folder), timeout=LOCK_TIMEOUT):
                failures = _bring_all(folder, files)
                if len(failures) < len(files):
                    for name, path in here.items():
                        _copy(card.file(name), path, folder / name)
                return failures
        except OSError as error:
            return dict.fromkeys(files, root_cause(error, outer))

    def _how_to_mend(self, card: DatasetCard, file: DataFile, path: Path, fault: str) -> str:
        if path.is_relative_to(self._folder(card)):
            remedy = f"Delete the file and run `{_command(card, file)}`; it is then fetched anew"
        else:
            remedy = "Delete the file, or replace it by the published one"
        return (
            f"{card.id}: {file.path} is not the published file: {fault}\n{remedy} from {file.url}."
        )

    def _how_to_get(self, card: DatasetCard, failures: Mapping[DataFile, str]) -> list[str]:
        """Return one message per reason, with the files that it holds for."""
        messages = []
        for reason in dict.fromkeys(failures.values()):
            files = [file for file, its_reason in failures.items() if its_reason == reason]
            what, them = (
                ("1 file is", "it") if len(files) == 1 else (f"{len(files)} files are", "them")
            )
            messages.append(
                f"{card.id}: {what} not on this machine and could not be downloaded: {reason}\n"
                f"{listing(files)}\n"
                f"Try again with a connection, or put {them} by hand into "
                f"{self._folder(card)}{os.sep} or ${DATA_VARIABLE}/{card.id}/."
            )
        for other in card.files:
            if other.instead_of in {file.path for file in failures}:
                messages.append(f"`{_command(card, other)}` gets a file to use instead.")
        return messages


def _missing(card: DatasetCard, here: Iterable[str]) -> tuple[str, ...]:
    """Return the paths that the set is not complete without, given those that are here."""
    replaced = {card.file(path).instead_of for path in here}
    return tuple(
        file.path
        for file in card.files
        if not file.optional and file.path not in here and file.path not in replaced
    )


def _command(card: DatasetCard, file: DataFile) -> str:
    return f"umlip-bench data fetch {card.id} --file {file.path}"


def _state_of(file: DataFile, path: Path | None) -> FileState:
    if path is None:
        return FileState(file.path, CheckState.MISSING)
    try:
        _check(path, file, pin_of(path))
    except FileRefused as refusal:
        return FileState(file.path, CheckState.WRONG, f"{path}: {refusal}")
    except OSError as error:
        return FileState(file.path, CheckState.WRONG, f"{path} cannot be read: {error}")
    return FileState(file.path, CheckState.OK, str(path))


def _check(path: Path, file: DataFile, pin: Path) -> str:
    """Return the file's sha256, or refuse the file."""
    digest = check(path, file, pin)
    if file.git_blob_sha1 is not None:
        content = path.read_bytes()
        blob = hashlib.sha1(b"blob %d\0%b" % (len(content), content)).hexdigest()
        if blob != file.git_blob_sha1:
            raise FileRefused(f"its git blob id is {blob}, expected {file.git_blob_sha1}")
    return digest


def _copy(file: DataFile, source: Path, target: Path) -> None:
    """Copy a file that passes its check, unless there is one already."""
    if target.is_file() or _state_of(file, source).state is not CheckState.OK:
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    shutil.copyfile(source, part)
    os.replace(part, target)


def _bring_all(folder: Path, files: Iterable[DataFile]) -> dict[DataFile, str]:
    """Download files; to be called with the folder's lock held. Return why some did not come."""
    failures: dict[DataFile, str] = {}
    unreachable: dict[str, str] = {}
    outer = sys.exception()
    for file in files:
        target = folder / file.path
        host = urlsplit(file.url).netloc
        if target.is_file():
            # Brought by another process while this one waited, or passed over by `locate`.
            state = _state_of(file, target)
            if state.state is not CheckState.OK:
                failures[file] = f"{state.detail}; delete the file to have it fetched anew"
            continue
        if host in unreachable:  # waiting once is enough
            failures[file] = unreachable[host]
            continue
        try:
            _bring(file, target)
        except FileRefused as refusal:
            failures[file] = f"what came was refused: {refusal}"
        except OSError as error:  # takes in a full disk and all that requests raises
            failures[file] = root_cause(error, outer)
            if isinstance(error, requests.ConnectionError):
                unreachable[host] = failures[file]
    return failures


def _bring(file: DataFile, target: Path) -> None:
    """Download one file; what has come of it stays for the next time if the transfer breaks off."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part, pin = target.with_name(f"{target.name}.part"), pin_of(target)
    # Without a hash, halves of two versions would pass for one file.
    resumable = bool(file.sha256 or file.git_blob_sha1 or pin.exists())
    try:
        continued = receive(file, part, resume=resumable)
    except (OSError, FileRefused):
        if part.exists() and not (resumable and part.stat().st_size):
            part.unlink()
        raise
    try:
        digest = _check(part, file, pin)
    except FileRefused:
        part.unlink()
        if not continued:
            raise
        _bring(file, target)  # once more, from the start
        return
    if file.sha256 is None:
        write_pin(pin, target.name, digest)
    os.replace(part, target)
