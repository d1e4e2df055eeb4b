"""One store for the weights of all families: where they are, that they are right, how they come.

A file counts as weights only once it has passed its check: the published sha256 or, where none is
published, the shape of a weights file and the sha256 pinned at the first download. Downloads go to
a ``.part`` file first, under a lock per model, so that no reader ever meets half a file.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from filelock import FileLock

from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.model_card import ModelCard, WeightsFile
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

MODELS_VARIABLE = "UMLIP_BENCH_MODELS"


class Origin(StrEnum):
    """Where weights were found."""

    GIVEN = "given path"
    MODELS = "UMLIP_BENCH_MODELS"
    PACKAGE = "installed package"
    CACHE = "user cache"
    DOWNLOAD = "download"


@dataclass(frozen=True)
class Weights:
    """Weights on disk that have passed their check.

    Parameters
    ----------
    card
        The model they belong to.
    paths
        One path per file of the card, in the card's order.
    origin
        Where they were found.
    sha256
        One digest for all files: the file's own if there is one file, else that of the files' hex
        digests written one after another.
    """

    card: ModelCard
    paths: tuple[Path, ...]
    origin: Origin
    sha256: str


class WeightsStore:
    """The places where weights are kept, and the one where downloads go.

    Weights are looked for in ``$UMLIP_BENCH_MODELS/<folder>/``, in the installed package that ships
    them, and in ``<root>/<folder>/``, in this order.

    Parameters
    ----------
    root
        Folder of the downloads. By default ``models`` in ``$UMLIP_BENCH_CACHE`` or, where that is
        not set, in the user's cache folder.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = cache_folder("models") if root is None else root

    def locate(self, card: ModelCard) -> Weights | None:
        """Find a model's weights on this machine; the network is not touched.

        Parameters
        ----------
        card
            The model.

        Returns
        -------
        Weights | None
            ``None`` if they are in none of the places.

        Raises
        ------
        WeightsError
            If a file that is there fails its check, or ``$UMLIP_BENCH_MODELS`` is no folder or has
            only some of the model's files.
        """
        if not card.files:
            return None
        for origin, paths in self._places(card):
            missing = [path for path in paths if not path.is_file()]
            if not missing:
                return _checked_weights(card, card.files, paths, origin)
            if origin is Origin.MODELS and len(missing) < len(paths):
                raise WeightsError(
                    f"{missing[0].parent}, in ${MODELS_VARIABLE}, has only some of the files of "
                    f"{card.name}: {', '.join(path.name for path in missing)} is not there.\n"
                    "Add what is missing, or remove the others to have the model looked for "
                    f"elsewhere.\n{listing(card.files)}"
                )
        return None

    def fetch(self, card: ModelCard) -> Weights:
        """Find a model's weights or, failing that, download them.

        Parameters
        ----------
        card
            The model.

        Returns
        -------
        Weights
            The weights, checked.

        Raises
        ------
        WeightsError
            As for `locate`, and if the weights cannot be downloaded or what came is not what was
            published; nothing of it is kept then.
        """
        if not card.files:
            raise WeightsError(
                f"{card.name} has no weights to fetch by name. Give the path of a weights file."
            )
        found = self.locate(card)
        if found is not None:
            return found
        folder = self._folder(card)
        outer = sys.exception()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(lock_of(folder), timeout=LOCK_TIMEOUT):
                # Another process may have brought the files while this one waited.
                return self.locate(card) or self._download(card)
        except FileRefused as refusal:
            raise WeightsError(self._how_to_get(card, str(refusal))) from None
        except OSError as error:  # takes in a full disk and all that requests raises
            raise WeightsError(self._how_to_get(card, root_cause(error, outer))) from error

    def _folder(self, card: ModelCard) -> Path:
        return self.root / _folder_name(card)

    def _places(self, card: ModelCard) -> Iterator[tuple[Origin, tuple[Path, ...]]]:
        models = folder_of_user(MODELS_VARIABLE, "one folder of weights per model", WeightsError)
        if models is not None:
            yield Origin.MODELS, _in_folder(card, models / _folder_name(card))
        packaged = _in_package(card)
        if packaged:
            yield Origin.PACKAGE, packaged
        yield Origin.CACHE, _in_folder(card, self._folder(card))

    def _download(self, card: ModelCard) -> Weights:
        """Download what the cache lacks; to be called with the lock held."""
        folder = self._folder(card)
        # Only a holder of the lock writes here: what lies about is of a process that was killed.
        _remove_parts(folder)
        lacking = [file for file in card.files if not (folder / file.name).is_file()]
        parts = {file.name: folder / f"{file.name}.part" for file in lacking}
        digests: dict[str, str] = {}
        try:
            for file in lacking:
                try:
                    receive(file, parts[file.name])
                    pin = pin_of(folder / file.name)
                    digests[file.name] = check(parts[file.name], file, pin)
                except FileRefused as refusal:
                    raise FileRefused(f"what came for {file.name} was refused: {refusal}") from None
            for file in lacking:
                target = folder / file.name
                if file.sha256 is None:
                    write_pin(pin_of(target), target.name, digests[file.name])
                os.replace(parts[file.name], target)
        finally:
            _remove_parts(folder)
        return _checked_weights(card, card.files, _in_folder(card, folder), Origin.DOWNLOAD)

    def _how_to_get(self, card: ModelCard, reason: str) -> str:
        folder = self._folder(card)
        lacking = [file for file in card.files if not (folder / file.name).is_file()]
        return (
            f"The weights of {card.name} are not on this machine and could not be downloaded: "
            f"{reason}\n{listing(lacking)}\n"
            f"Try again with a connection, or put {'it' if len(lacking) == 1 else 'them'} by hand "
            f"into {folder}{os.sep} or ${MODELS_VARIABLE}/{_folder_name(card)}/."
        )


def weights_at(card: ModelCard, path: Path) -> Weights:
    """Take weights from where the user says they are.

    Parameters
    ----------
    card
        The model they belong to. If it names no files, `path` has to be a file.
    path
        A folder with the card's files under their names or, for a model of one file, the file
        under any name.

    Returns
    -------
    Weights
        The weights, checked: their sha256 where the card has one, else their shape.

    Raises
    ------
    WeightsError
        If a file is not there or fails its check.
    """
    files = card.files or (WeightsFile(name=path.name, url=""),)
    if path.is_dir() and card.files:
        paths = _in_folder(card, path)
    elif path.is_dir():
        raise WeightsError(f"{path} is a folder. Give the weights file of {card.name} itself.")
    elif len(files) == 1:
        paths = (path,)
    else:
        raise WeightsError(
            f"{path} is not a folder, but {card.name} has {len(files)} files. Give the folder that "
            f"holds {', '.join(file.name for file in files)}."
        )
    missing = [str(each) for each in paths if not each.is_file()]
    if missing:
        raise WeightsError(
            f"No file {', '.join(missing)}. Give the weights file of {card.name}, or the folder "
            f"that holds {', '.join(file.name for file in files)}."
        )
    return _checked_weights(card, files, paths, Origin.GIVEN)


def _folder_name(card: ModelCard) -> str:
    return card.folder or card.name


def _in_folder(card: ModelCard, folder: Path) -> tuple[Path, ...]:
    return tuple(folder / file.name for file in card.files)


def _in_package(card: ModelCard) -> tuple[Path, ...]:
    """Return where the installed package keeps the files; nothing if it is not installed."""
    paths = []
    for entry in card.package_path:
        package, _, inside = entry.partition(":")
        # Finding the package without importing it: the import would take seconds.
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            return ()
        paths.append(Path(spec.submodule_search_locations[0]) / inside)
    return tuple(paths)


def _checked_weights(
    card: ModelCard, files: tuple[WeightsFile, ...], paths: tuple[Path, ...], origin: Origin
) -> Weights:
    digests = []
    for file, path in zip(files, paths, strict=True):
        # Elsewhere a file of this name is not the store's, and may say anything.
        pin = None if origin in (Origin.GIVEN, Origin.PACKAGE) else pin_of(path)
        try:
            digests.append(check(path, file, pin))
        except FileRefused as refusal:
            raise WeightsError(
                f"{path} ({origin}) is not the file {file.name} of {card.name}: {refusal}\n"
                f"{_remedy(file, origin)}"
            ) from None
        except OSError as error:
            raise WeightsError(
                f"{path} ({origin}), weights of {card.name}, cannot be read: {error}"
            ) from error
    return Weights(card=card, paths=paths, origin=origin, sha256=_joint_digest(digests))


def _joint_digest(digests: list[str]) -> str:
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _remedy(file: WeightsFile, origin: Origin) -> str:
    source = f" from {file.url}" if file.url else ""
    match origin:
        case Origin.GIVEN:
            return f"Give another path, or get the file anew{source}."
        case Origin.PACKAGE:
            return (
                "Reinstall the package, or put the published file into a folder of "
                f"${MODELS_VARIABLE}{source}."
            )
        case Origin.MODELS:
            return f"Delete the file, or replace it by the published one{source}."
        case Origin.CACHE | Origin.DOWNLOAD:
            return f"Delete the file; it is then fetched anew{source}."


def _remove_parts(folder: Path) -> None:
    for part in folder.glob("*.part"):
        part.unlink()
