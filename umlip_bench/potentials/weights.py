"""One store for the weights of all families: where they are, that they are right, how they come.

A file counts as weights only once it has passed its check: the published sha256 or, where none is
published, the shape of a weights file and the sha256 pinned at the first download.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.model_card import ModelCard, WeightsFile
from umlip_bench.ground.store.integrity import FileRefused, check, pin_of
from umlip_bench.ground.store.store import IN_CACHE, IN_PACKAGE, Store, listing

MODELS_VARIABLE = "UMLIP_BENCH_MODELS"


class Origin(StrEnum):
    """Where weights were found."""

    GIVEN = "given path"
    MODELS = MODELS_VARIABLE
    PACKAGE = IN_PACKAGE
    CACHE = IN_CACHE
    DOWNLOAD = "download"
    ENVIRONMENT = "environment"


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

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of what evaluates them, where that is a Python of its own; none where it is this one."""
        return {}


class WeightsStore(Store):
    """The weights of all families, each model in a folder of its own.

    They are looked for in ``$UMLIP_BENCH_MODELS/<folder>/``, in the installed package that ships them,
    and in ``<root>/<folder>/``, in this order.
    """

    kind = "models"
    variable = MODELS_VARIABLE
    contents = "one folder of weights per model"
    error = WeightsError
    whole = True

    def locate(self, card: ModelCard) -> Weights | None:
        """Find a model's weights; ``None`` if they are in none of the places. No network is touched.

        Raises
        ------
        WeightsError
            If a file that is there fails its check, or ``$UMLIP_BENCH_MODELS`` is no folder or has
            only some of the model's files.
        """
        if not card.files:
            return None
        for place in self.places(_folder_name(card), card.files, card.package_path):
            if not place.missing:
                paths, origin = tuple(place.paths.values()), Origin(place.source)
                return _checked_weights(card, card.files, paths, origin)
            if place.source == MODELS_VARIABLE and place.paths:
                raise WeightsError(
                    f"{place.folder}, in ${MODELS_VARIABLE}, has only some of the files of "
                    f"{card.name}: {', '.join(place.missing)} is not there.\n"
                    "Add what is missing, or remove the others to have the model looked for "
                    f"elsewhere.\n{listing(card.files)}"
                )
        return None

    def fetch(self, card: ModelCard) -> Weights:
        """Find a model's weights or, failing that, download them; they have passed their check.

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
        if found := self.locate(card):
            return found
        name = _folder_name(card)
        brought = self.bring(name, card.files)
        if reasons := list(filter(None, brought.values())):
            lacking = [f for f in card.files if not (self.folder(name) / f.name).is_file()]
            raise WeightsError(
                f"The weights of {card.name} are not on this machine and could not be downloaded: "
                f"{reasons[0]}\n{listing(lacking)}\n"
                f"{self.by_hand(name, len(lacking))}"
            )
        # Another process may have brought the files while this one waited.
        origin = Origin.DOWNLOAD if brought else Origin.CACHE
        return _checked_weights(card, card.files, _in_folder(card, self.folder(name)), origin)


def path_and_head(text: str) -> tuple[Path, str | None]:
    """Split ``PATH#HEAD``, the readout head of a file that has several; a path that exists is no such.

    ``PATH@HEAD`` is the same.

    Examples
    --------
    >>> path_and_head("absent.model")
    (PosixPath('absent.model'), None)
    """
    for mark in "#@":
        name, found, head = text.rpartition(mark)
        if found and head and not Path(text).exists() and Path(name).exists():
            return Path(name), head
    return Path(text), None


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
        case Origin.CACHE | Origin.DOWNLOAD | Origin.ENVIRONMENT:
            return f"Delete the file; it is then fetched anew{source}."
