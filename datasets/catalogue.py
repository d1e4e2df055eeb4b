"""The published reference sets known by id: `catalogue.yaml` as `DatasetCard` objects."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING

from umlip_bench.datasets.tasks import Task
from umlip_bench.ground.codec import load_yaml, parse
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import ContentError, DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

if TYPE_CHECKING:
    from umlip_bench.datasets.dataset import Manifest


@dataclass(frozen=True)
class DataFile:
    """One file of a data set.

    Parameters
    ----------
    path
        Relative path inside the set's folder, with slashes.
    url
        Where it is published.
    sha256
        Hex digest, or ``None`` where none is published: the first download that parses is then
        pinned in the user's store.
    size
        Size in bytes, if known.
    git_blob_sha1
        Git's own digest of the content, where it is all that upstream gives.
    optional
        Whether the set is complete without it; such a file is fetched only by name.
    instead_of
        Path of the file that this one can stand in for.
    """

    path: str
    url: str
    sha256: str | None = None
    size: int | None = None
    git_blob_sha1: str | None = None
    optional: bool = False
    instead_of: str | None = None

    @property
    def name(self) -> str:
        """The path, by the name that files of models have it."""
        return self.path


@dataclass(frozen=True)
class TaskSize:
    """How much of a set a standard run of a suite takes.

    Parameters
    ----------
    cases
        That it measures.
    systems
        Independent ones among them: materials, formulas or elements.
    """

    cases: int
    systems: int


@dataclass(frozen=True)
class DatasetCard:
    """A published data set.

    Parameters
    ----------
    id
        Short name, as given to ``--data``.
    title
        What it is, in a line.
    tasks
        What its cases can be used for.
    level_of_theory
        Of the labels.
    settings
        Cutoff, k-points and the like, as far as they are known.
    elements
        Chemical symbols by atomic number; empty where that shows only in the files.
    n_structures
        As its authors count them.
    sizes
        By task, where the files have been counted.
    licence, citation
        Who made it and under what terms it may be used.
    repository
        Where it is published.
    caveats
        What a reader of the numbers must know.
    commit
        Of the repository, where it is under version control.
    files
        Upstream's files.
    """

    id: str
    title: str
    tasks: tuple[Task, ...]
    level_of_theory: LevelOfTheory
    settings: str
    elements: tuple[str, ...]
    n_structures: int
    licence: str
    citation: str
    repository: str
    caveats: tuple[str, ...] = ()
    commit: str | None = None
    sizes: Mapping[Task, TaskSize] = field(default_factory=dict)
    files: tuple[DataFile, ...] = ()

    @property
    def source(self) -> str:
        """Repository and commit in one line."""
        return f"{self.repository}, commit {self.commit}" if self.commit else self.repository

    @property
    def size(self) -> int | None:
        """Bytes of all files that are not optional, ``None`` if one of them is unknown."""
        sizes = [file.size for file in self.files if not file.optional]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    @property
    def manifest(self) -> Manifest:
        """What a loaded `Dataset` carries of the card."""
        from umlip_bench.datasets.dataset import Manifest

        return Manifest(
            id=self.id,
            title=self.title,
            level_of_theory=self.level_of_theory,
            settings=self.settings,
            source=self.source,
            licence=self.licence,
            citation=self.citation,
            caveats=self.caveats,
        )

    def file(self, path: str) -> DataFile:
        """Return the file of a path.

        Raises
        ------
        DataError
            If the set has no such file.
        """
        for file in self.files:
            if file.path == path:
                return file
        raise DataError(
            f"{self.id} has no file {path!r}; it has {', '.join(each.path for each in self.files)}"
        )


@cache
def catalogue() -> Mapping[str, DatasetCard]:
    """Return the cards of all published sets, in the order of the catalogue.

    Returns
    -------
    Mapping
        Cards by id; read only.
    """
    text = resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return parse_catalogue(text)


def card(id: str) -> DatasetCard:
    """Return the card of one set.

    Parameters
    ----------
    id
        The set's id, e.g. ``"mlearn"``, in any case.

    Returns
    -------
    DatasetCard
        The set's card.

    Raises
    ------
    DataError
        If no set has this id; names the nearest.
    """
    cards = catalogue()
    wanted = id.lower()
    if wanted in cards:
        return cards[wanted]
    nearest = [known for known in cards if known.startswith(wanted)] if wanted else []
    nearest = nearest or difflib.get_close_matches(wanted, cards, n=3, cutoff=0.4)
    hint = f"Nearest ids: {', '.join(nearest)}." if nearest else "No id is near to it."
    raise DataError(f"No data set is named '{id}'. {hint}\n`umlip-bench data list` lists all sets.")


def parse_catalogue(text: str) -> Mapping[str, DatasetCard]:
    """Read the cards from the text of a catalogue.

    Parameters
    ----------
    text
        YAML in the form of the packaged ``catalogue.yaml``.

    Returns
    -------
    Mapping
        Cards by id in the order of the text; read only.

    Raises
    ------
    ContentError
        If an entry lacks a field, has one that no card has, or is not usable otherwise. The message
        names the entry and the field.
    """
    cards: dict[str, DatasetCard] = {}
    for position, entry in enumerate(
        as_list(as_mapping(load_yaml(text, "catalogue"))["datasets"]), start=1
    ):
        label = entry.get("id", f"number {position}") if isinstance(entry, dict) else position
        where = f"catalogue entry {label}"
        parsed = _parse_card(entry, where)
        if parsed.id in cards:
            raise ContentError(f"{where}: field 'id': used by an earlier entry; ids are unique")
        cards[parsed.id] = parsed
    return MappingProxyType(cards)


def _parse_card(entry: object, where: str) -> DatasetCard:
    if isinstance(entry, dict) and isinstance(entry.get("elements"), str):
        entry = {**entry, "elements": _parse_elements(entry["elements"], where)}
    card = parse(DatasetCard, entry, where)
    if not card.tasks:
        raise ContentError(f"{where}: field 'tasks': needs at least one of {', '.join(Task)}")
    # The id is the name of a folder.
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", card.id):
        raise ContentError(
            f"{where}: field 'id': {card.id!r} is not lower-case letters, digits, dots, dashes"
        )
    _check_files(card.files, where)
    return card


def _parse_elements(symbols: str, where: str) -> tuple[str, ...]:
    """Return the symbols of a text such as ``"Li Si"``; a YAML list would take No for a truth value."""
    elements = tuple(symbols.split())
    for symbol in elements:
        if symbol not in SYMBOLS:
            raise ContentError(f"{where}: field 'elements': {symbol!r} is no chemical symbol")
    return elements


def _check_files(files: Sequence[DataFile], where: str) -> None:
    for index, file in enumerate(files):
        here, earlier = f"{where}, files[{index}]", [each.path for each in files[:index]]
        path = PurePosixPath(file.path)
        if path.is_absolute() or ".." in path.parts or str(path) != file.path:
            raise ContentError(f"{here}: field 'path': {file.path!r} must stay inside the folder")
        if file.path in earlier:
            raise ContentError(f"{here}: field 'path': {file.path!r} is used by an earlier file")
        for digest, length in ((file.sha256, 64), (file.git_blob_sha1, 40)):
            if digest is not None and not re.fullmatch(f"[0-9a-f]{{{length}}}", digest):
                raise ContentError(f"{here}: {digest!r} is not a digest of {length} hex digits")
        if file.instead_of not in (None, *earlier):
            raise ContentError(
                f"{here}: field 'instead_of': {file.instead_of!r} is no earlier file of the set"
            )
