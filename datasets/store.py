"""The store of published data sets: what of a set is here, and what to do about the rest."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from umlip_bench.datasets.catalogue import DataFile, DatasetCard
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.store.integrity import fault_of, pin_of
from umlip_bench.ground.store.store import Store, listing

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


class DataStore(Store):
    """The published data sets, each in a folder of its own.

    A set is looked for in ``$UMLIP_BENCH_DATA/<id>/`` and in ``<root>/<id>/``; the first that is
    complete counts or, where none is, the one that holds more. A file that cannot be had does not take
    the others with it.
    """

    kind = "data"
    variable = DATA_VARIABLE
    contents = "one folder of files per data set"
    error = DataError
    whole = False

    def locate(self, card: DatasetCard) -> LocatedData | None:
        """Find a set's files by name, ``None`` if none of them is here.

        Neither their content nor the network is touched.

        Raises
        ------
        DataError
            If ``$UMLIP_BENCH_DATA`` is no folder.
        """
        places = [
            LocatedData(card, place.folder, place.paths, _missing(card, place.paths))
            for place in self.places(card.id, card.files)
            if place.paths
        ]
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
            self._how_to_mend(card, file, path, fault)
            for file in wanted
            if (path := paths.get(file.path)) and (fault := fault_of(path, file, pin_of(path)))
        ]
        lacking = [file for file in wanted if file.path not in paths]
        if lacking:
            here = [(card.file(name), path) for name, path in paths.items()]
            messages += self._how_to_get(card, self.bring(card.id, lacking, here))
        if messages:
            raise DataError("\n".join(messages))
        found = self.locate(card)
        if found is None:
            raise DataError(f"{card.id} has no files to fetch.")
        return found

    def verify(self, card: DatasetCard) -> list[FileState]:
        """Check the files of a set against their hashes; the network is not touched.

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

    def _how_to_mend(self, card: DatasetCard, file: DataFile, path: Path, fault: str) -> str:
        if path.is_relative_to(self.folder(card.id)):
            remedy = f"Delete the file and run `{_command(card, file)}`; it is then fetched anew"
        else:
            remedy = "Delete the file, or replace it by the published one"
        return f"{card.id}: {file.path} is not the published file: {path}: {fault}\n{remedy} from {file.url}."

    def _how_to_get(self, card: DatasetCard, outcome: Mapping[DataFile, str | None]) -> list[str]:
        """Return one message per reason, with the files that it holds for."""
        messages = []
        failures = {file: reason for file, reason in outcome.items() if reason}
        for reason in dict.fromkeys(failures.values()):
            files = [file for file, its_reason in failures.items() if its_reason == reason]
            what = "1 file is" if len(files) == 1 else f"{len(files)} files are"
            messages.append(
                f"{card.id}: {what} not on this machine and could not be downloaded: {reason}\n"
                f"{listing(files)}\n{self.by_hand(card.id, len(files))}"
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
    if fault := fault_of(path, file, pin_of(path)):
        return FileState(file.path, CheckState.WRONG, f"{path}: {fault}")
    return FileState(file.path, CheckState.OK, str(path))
