"""``umlip-bench data show``: everything about one set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from umlip_bench.cli.declare import Argument, TakesLabels


@dataclass(frozen=True, kw_only=True)
class DataShowCommand(TakesLabels):
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
        from umlip_bench.datasets.card_tables import (
            card_table,
            cases_text,
            distribution_table,
            files_table,
        )
        from umlip_bench.datasets.cards import card_of, cards_of
        from umlip_bench.datasets.overview import overview
        from umlip_bench.datasets.store import DataStore
        from umlip_bench.ground.errors import DataError

        store, dataset, fault, located = DataStore(), None, "", None
        known = (*embedded.names(), *published.names())
        path = Path(self.data)
        if self.data.lower() not in known and (path.exists() or path.suffix):
            dataset = datasets.load(self.data, reading=self.reading)
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
        console.print(card_table(card, located, cases_text(found) if found else fault))
        if found is not None and found.distributions:
            console.print(distribution_table(found.distributions))
        if card.files:
            console.print(files_table(card, store))
        return 0
