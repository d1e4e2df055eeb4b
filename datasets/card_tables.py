"""Tables of data sets for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from umlip_bench.datasets.cards import entry_of, size_of
from umlip_bench.datasets.catalogue import DatasetCard
from umlip_bench.datasets.store import DataStore, LocatedData

if TYPE_CHECKING:
    from umlip_bench.datasets.overview import DatasetOverview, Distribution

BLOCKS = " ▁▂▃▄▅▆▇█"
NAMED = 24
"""Elements or compositions that are named; the rest are counted."""


def listing(states: Sequence[tuple[DatasetCard, LocatedData | None]]) -> Table:
    """All sets, and where their files are."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("id", no_wrap=True)
    table.add_column("tasks", no_wrap=True)
    table.add_column("cells", justify="right", no_wrap=True)
    table.add_column("functional", no_wrap=True)
    table.add_column("licence")
    table.add_column("citation", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("files", no_wrap=True)
    for card, located in states:
        table.add_row(
            card.id,
            "\n".join(card.tasks),
            f"{card.n_structures:,}",
            str(card.level_of_theory),
            card.licence.split(" (")[0].split(":")[0],
            _first_author(card.citation),
            size_of(card),
            _whereabouts(card, located),
        )
    return table


def _first_author(citation: str) -> str:
    """First author and year; `data show` has all of it."""
    author = re.split(", | et al", citation)[0]
    year = re.search(r"\((\d{4})\)", citation)
    return f"{author} {year[1]}" if year else citation


def _whereabouts(card: DatasetCard, located: LocatedData | None) -> str:
    if not card.files or (located is not None and located.complete):
        return "[green]here[/]"
    if located is None:
        return "[yellow]not here[/]"
    return f"[yellow]{len(located.missing)} missing[/]"


def card_table(card: DatasetCard, located: LocatedData | None, cases: str) -> Table:
    """All that a card says, and its cases in words."""
    entry = entry_of(card, located)
    entry |= {
        "tasks": ", ".join(card.tasks),
        "pseudopotentials": card.level_of_theory.pseudopotentials,
        "elements": f"{len(card.elements)}: {' '.join(card.elements)}" if card.elements else "",
        "size": size_of(card),
        "here": "yes" if entry["here"] else "no",
        "missing": "",  # the table of files says so
        "caveats": "\n".join(f"- {caveat}" for caveat in card.caveats),
        "cases": cases,
    }
    table = Table(show_header=False, title=card.id, title_justify="left")
    table.add_column()
    table.add_column(overflow="fold")
    for key, value in entry.items():
        if value not in ("", None):
            table.add_row(key.replace("_", " "), Text(str(value)))
    return table


def cases_text(found: DatasetOverview) -> str:
    """Usable and unusable cases by task, and what they are made of."""
    lines = [
        f"{task}: {found.usable.get(task, 0)}"
        + (f", and {found.unusable[task]} unusable" if task in found.unusable else "")
        for task in dict.fromkeys([*found.usable, *found.unusable])
    ]
    lines += [
        f"structures with each element: {_most(found.elements)}",
        f"structures of each of {len(found.compositions)} compositions: {_most(found.compositions)}",
    ]
    return "\n".join(lines)


def _most(counts: Mapping[str, int]) -> str:
    named = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:NAMED])
    more = len(counts) - NAMED
    return named + (f", and {more} more" if more > 0 else "")


def distribution_table(distributions: Sequence[Distribution]) -> Table:
    """How reference values are distributed."""
    table = Table(title="Usable cases", title_justify="left")
    table.add_column("task", no_wrap=True)
    table.add_column("quantity")
    for name in ("n", "least", "5 %", "median", "95 %", "most"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("least to most", no_wrap=True)
    for each in distributions:
        unit = f" ({each.unit})" if each.unit else ""
        values = [f"{value:.4g}" for value in each.quantiles]
        table.add_row(each.task, each.quantity + unit, f"{each.n:,}", *values, _bars(each))
    return table


def _bars(distribution: Distribution) -> str:
    """The histogram as blocks; a bin that is not empty always shows."""
    counts = distribution.histogram
    highest = max(int(counts.max()), 1)
    return "".join(BLOCKS[-(-int(count) * (len(BLOCKS) - 1) // highest)] for count in counts)


def files_table(card: DatasetCard, store: DataStore) -> Table:
    """The files of a published set, and their state."""
    states = {each.path: each for each in store.verify(card)}
    table = Table(title="Files", title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for file in card.files:
        state = str(states[file.path].state) if file.path in states else "not here, optional"
        text = f"{state}\n{file.url}\nsha256 {file.sha256 or 'not published'}"
        table.add_row(file.path, Text(text))
    return table
