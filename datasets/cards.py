"""Cards of all data sets, embedded, published and a user's, as the commands show them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from umlip_bench.datasets import embedded
from umlip_bench.datasets.catalogue import DatasetCard, card, catalogue
from umlip_bench.datasets.store import LocatedData
from umlip_bench.datasets.tasks import Task
from umlip_bench.ground.codec import parse
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.store.remembered import remembered
from umlip_bench.ground.version import __version__

if TYPE_CHECKING:
    from umlip_bench.datasets.dataset import Dataset

ALWAYS_HERE = "comes with an installed package"
"""Where the files of an embedded set are."""


def card_of(dataset: Dataset) -> DatasetCard:
    """Card of a set that is loaded: an embedded one or a user's."""
    from umlip_bench.datasets.overview import overview

    manifest, found = dataset.manifest, overview(dataset.cases)
    return DatasetCard(
        id=manifest.id,
        title=manifest.title,
        tasks=tuple(map(Task, dataset.tasks)),
        level_of_theory=manifest.level_of_theory,
        settings=manifest.settings,
        elements=tuple(sorted(found.elements, key=SYMBOLS.index)),
        n_structures=found.n_structures,
        licence=manifest.licence,
        citation=manifest.citation,
        repository=manifest.source,
        caveats=manifest.caveats,
    )


def all_cards() -> list[DatasetCard]:
    """Cards of the embedded and of all published sets."""
    return [*_embedded_cards(), *catalogue().values()]


def cards_of(ids: Sequence[str]) -> list[DatasetCard]:
    """Cards by id.

    Raises
    ------
    DataError
        If an id is unknown; names the nearest.
    """
    embedded = {each.id: each for each in _embedded_cards()}
    return [embedded.get(id.lower()) or card(id) for id in ids]


def _embedded_cards() -> Iterator[DatasetCard]:
    """Counted once for each state of a set, whose manifest has the hashes of its files.

    To count takes reading all of them, a second; what was counted is kept in the user's cache.
    """
    for name in embedded.names():
        state = f"{__version__}\n{embedded.manifest_text(name)}"

        def count(name: str = name) -> str:
            return json.dumps(asdict(card_of(embedded.read(name))))

        yield parse(DatasetCard, json.loads(remembered("cards", state, count)), name)


def entry_of(card: DatasetCard, located: LocatedData | None) -> dict[str, object]:
    """All that a card says, and where its files are, for JSON."""
    missing = [file.path for file in card.files if not file.optional]
    if located is not None:
        missing = list(located.missing)
    return {
        "id": card.id,
        "title": card.title,
        "tasks": [str(task) for task in card.tasks],
        "n_structures": card.n_structures,
        "level_of_theory": str(card.level_of_theory),
        "settings": card.settings,
        "elements": list(card.elements),
        "licence": card.licence,
        "citation": card.citation,
        "source": card.source,
        "size": card.size if card.files else None,
        "here": not missing,
        "folder": str(located.folder) if located else None,
        "missing": missing,
    }


def size_of(card: DatasetCard) -> str:
    """Size of the files, for people."""
    if not card.files:
        return ""
    return f"{card.size / 1e6:.1f} MB" if card.size else "unknown"
