"""``umlip-bench models``: what models there are, where their weights are, fetching them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from json import dumps
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from umlip_bench.cli.declare import Argument, Command

if TYPE_CHECKING:
    from umlip_bench.ground.model_card import ModelCard
    from umlip_bench.potentials.weights import WeightsStore


@dataclass(frozen=True, kw_only=True)
class Models(Command):
    """List the models that are known by name, and whether their weights are here.

    Weights are looked for in $UMLIP_BENCH_MODELS, in the installed package, and in the user's cache; where
    they are missing they are downloaded when they are first needed.
    """

    name = "umlip-bench models"
    examples = """\
  umlip-bench models                            list all models
  umlip-bench models show mace-mp-0-medium      everything about one
  umlip-bench models fetch m3gnet-mp-2021.2.8   download its weights, hash-checked
"""
    json: bool = False
    """print JSON instead of a table"""

    def run(self) -> int:
        from umlip_bench.potentials.catalogue import catalogue
        from umlip_bench.potentials.weights import WeightsStore

        store = WeightsStore()
        states = [(card, availability(card, store)) for card in catalogue().values()]
        if self.json:
            print(dumps([_entry(card, state) for card, state in states], indent=1))
            return 0
        _print_table(states)
        return 0


class List(Models):
    """List the models that are known by name, and whether their weights are here."""

    name = "umlip-bench models list"
    actions: ClassVar = {}
    examples = """\
  umlip-bench models list
  umlip-bench models list --json
"""


@dataclass(frozen=True, kw_only=True)
class Show(Command):
    """Print the card of one model and the state of its weights."""

    name = "umlip-bench models show"
    examples = """\
  umlip-bench models show mace-mp-0-medium
"""
    model: Annotated[str, Argument("NAME")]
    """as `umlip-bench models` lists it"""

    def run(self) -> int:
        from rich.table import Table

        from umlip_bench.cli.console import output
        from umlip_bench.potentials.catalogue import card as card_by_name
        from umlip_bench.potentials.weights import WeightsStore

        card = card_by_name(self.model)
        state = availability(card, WeightsStore())
        entry = _entry(card, state)
        entry["elements"] = f"{len(card.elements)}: {' '.join(card.elements)}"
        entry["note"] = card.note or ""
        for file in card.files:
            entry[f"file {file.name}"] = f"{file.url}\nsha256 {file.sha256 or 'not published'}"
        table = Table(show_header=False, title=card.name, title_justify="left")
        table.add_column()
        table.add_column(overflow="fold")
        for key, value in entry.items():
            if value not in ("", None):
                table.add_row(key.replace("_", " "), str(value))
        output().print(table)
        return 0


@dataclass(frozen=True, kw_only=True)
class Fetch(Command):
    """Download the weights of models into the user's store; each file is checked."""

    name = "umlip-bench models fetch"
    examples = """\
  umlip-bench models fetch m3gnet-mp-2021.2.8 mace-mp-0-medium
"""
    models: Annotated[tuple[str, ...], Argument("NAME")]
    """as `umlip-bench models` lists them"""

    def run(self) -> int:
        from umlip_bench.potentials.catalogue import card as card_by_name
        from umlip_bench.potentials.weights import WeightsStore

        store = WeightsStore()
        # All names first: a typing error in the last should not come after the first's download.
        for card in [card_by_name(name) for name in self.models]:
            weights = store.fetch(card)
            print(f"{card.name}: {weights.origin}, {weights.paths[0].parent}")
        return 0


@dataclass(frozen=True)
class Availability:
    """Whether a model can be used now.

    Parameters
    ----------
    here
        Whether its weights are on this machine and pass their check.
    text
        Where they are, or how to get them, or what is wrong with them.
    """

    here: bool
    text: str


def availability(card: ModelCard, store: WeightsStore) -> Availability:
    """Look for a model's weights without touching the network."""
    from umlip_bench.ground.errors import WeightsError

    try:
        weights = store.locate(card)
    except WeightsError as error:
        return Availability(False, str(error))
    if weights is None:
        return Availability(False, f"umlip-bench models fetch {card.name}")
    return Availability(True, str(weights.origin))


def _entry(card: ModelCard, state: Availability) -> dict[str, Any]:
    return {
        "name": card.name,
        "family": card.family,
        "architecture": card.architecture,
        "level_of_theory": str(card.level_of_theory),
        "training_set": card.training_set,
        "n_parameters": card.n_parameters,
        "licence": card.licence,
        "citation": card.citation,
        "elements": list(card.elements),
        "weights_here": state.here,
        "weights": state.text,
    }


def _print_table(states: Sequence[tuple[ModelCard, Availability]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from umlip_bench.cli.console import output

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("family")
    table.add_column("level of theory")
    table.add_column("parameters", justify="right")
    table.add_column("elements", justify="right")
    table.add_column("licence")
    table.add_column("weights", no_wrap=True)
    for card, state in states:
        table.add_row(
            card.name,
            card.family,
            str(card.level_of_theory),
            f"{card.n_parameters:,}" if card.n_parameters else "",
            str(len(card.elements)),
            _short_licence(card.licence),
            f"[green]here[/]: {state.text}" if state.here else "[yellow]not here[/]",
        )
    console = output()
    console.print(table)
    console.print(
        "Weights that are not here: umlip-bench models fetch NAME. Everything about one model: "
        "umlip-bench models show NAME.\nAny *.model file of mace, *.pth.tar file of chgnet or folder of "
        "matgl works by its path, any ASE calculator as ase:module.path:ClassName.",
        soft_wrap=True,
        highlight=False,
    )


def _short_licence(licence: str) -> str:
    return licence.split(" (")[0].split(",")[0].replace("Academic Software License", "ASL")


Models.actions = {"list": List, "show": Show, "fetch": Fetch}
COMMAND = Models
