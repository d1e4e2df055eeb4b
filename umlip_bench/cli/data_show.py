"""``umlip-bench data show``: everything about one set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from umlip_bench.cli.data_cards import card_of, cards_of, entry_of, size_of
from umlip_bench.cli.declare import Argument, Command

if TYPE_CHECKING:
    from rich.table import Table

    from umlip_bench.datasets.catalogue import DatasetCard
    from umlip_bench.datasets.overview import DatasetOverview, Distribution
    from umlip_bench.datasets.store import DataStore, LocatedData

BLOCKS = " ▁▂▃▄▅▆▇█"
NAMED = 24
"""Elements or compositions that are named; the rest are counted."""


@dataclass(frozen=True, kw_only=True)
class Show(Command):
    """Print the card of one set, its caveats, its files and their state.

    Where it is here, its composition too, and how its forces, energies and other reference values are
    distributed.
    """

    name = "umlip-bench data show"
    examples = """\
  umlip-bench data show mlearn
  umlip-bench data show my.xyz
"""
    data: Annotated[str, Argument("ID|FILE|FOLDER")]
    """a set of `umlip-bench data list`, or labels of your own"""

    def run(self) -> int:
        from umlip_bench import datasets
        from umlip_bench.cli.console import output
        from umlip_bench.datasets import embedded, published
        from umlip_bench.datasets.overview import overview
        from umlip_bench.datasets.store import DataStore
        from umlip_bench.ground.errors import DataError

        store, dataset, fault, located = DataStore(), None, "", None
        known = (*embedded.names(), *published.names())
        path = Path(self.data)
        if self.data.lower() not in known and (path.exists() or path.suffix):
            dataset = datasets.load(self.data)
            card = card_of(dataset)
        else:
            (card,) = cards_of([self.data])
            located = store.locate(card)
            if not card.files or (located is not None and located.complete):
                # The card is worth printing even where the files are not what they should be.
                try:
                    dataset = datasets.load(card.id)
                except DataError as error:
                    fault = f"not readable: {error}"
        found = None if dataset is None else overview(dataset.cases)
        console = output()
        console.print(_card_table(card, located, _cases(found) if found else fault))
        if found is not None and found.distributions:
            console.print(_distribution_table(found.distributions))
        if card.files:
            console.print(_files_table(card, store))
        return 0


def _card_table(card: DatasetCard, located: LocatedData | None, cases: str) -> Table:
    from rich.table import Table
    from rich.text import Text

    entry = entry_of(card, located)
    entry |= {
        "tasks": ", ".join(entry["tasks"]),
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


def _cases(found: DatasetOverview) -> str:
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


def _distribution_table(distributions: Sequence[Distribution]) -> Table:
    from rich.table import Table

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


def _files_table(card: DatasetCard, store: DataStore) -> Table:
    from rich.table import Table
    from rich.text import Text

    states = {each.path: each for each in store.verify(card)}
    table = Table(title="Files", title_justify="left", show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for file in card.files:
        state = str(states[file.path].state) if file.path in states else "not here, optional"
        text = f"{state}\n{file.url}\nsha256 {file.sha256 or 'not published'}"
        table.add_row(file.path, Text(text))
    return table
