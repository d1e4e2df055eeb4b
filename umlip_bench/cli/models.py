"""``umlip-bench models``: what models there are, where their weights are, fetching them."""

from __future__ import annotations

from dataclasses import dataclass
from json import dumps
from typing import Annotated, ClassVar

from umlip_bench.cli.declare import Argument, Command


@dataclass(frozen=True, kw_only=True)
class ModelsCommand(Command):
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
        from umlip_bench.cli.console import output
        from umlip_bench.potentials.catalogue import catalogue
        from umlip_bench.potentials.model_tables import availability, entry_of, listing
        from umlip_bench.potentials.weights import WeightsStore

        store = WeightsStore()
        states = [(card, availability(card, store)) for card in catalogue().values()]
        if self.json:
            print(dumps([entry_of(card, state) for card, state in states], indent=1))
            return 0
        console = output()
        console.print(listing(states))
        console.print(
            "Weights that are not here: umlip-bench models fetch NAME. Everything about one model: "
            "umlip-bench models show NAME.\nAny *.model file of mace, *.pth.tar file of chgnet or folder of "
            "matgl works by its path, any ASE calculator as ase:module.path:NAME or ase:./file.py:NAME; "
            "models of other packages, each in a Python of its own: umlip-bench env list.",
            soft_wrap=True,
            highlight=False,
        )
        return 0


class ModelsListCommand(ModelsCommand):
    """List the models that are known by name, and whether their weights are here."""

    name = "umlip-bench models list"
    actions: ClassVar = {}
    examples = """\
  umlip-bench models list
  umlip-bench models list --json
"""


@dataclass(frozen=True, kw_only=True)
class ModelsShowCommand(Command):
    """Print the card of one model and the state of its weights."""

    name = "umlip-bench models show"
    examples = """\
  umlip-bench models show mace-mp-0-medium
  umlip-bench models show sevennet:7net-0
"""
    model: Annotated[str, Argument("NAME")]
    """as `umlip-bench models` lists it, or ENVIRONMENT:CHECKPOINT of `umlip-bench env list`"""

    def run(self) -> int:
        from umlip_bench.cli.console import output
        from umlip_bench.potentials.catalogue import card as card_by_name
        from umlip_bench.potentials.environment_weights import names_environment
        from umlip_bench.potentials.model_tables import availability, card_table, in_environment
        from umlip_bench.potentials.weights import WeightsStore

        if names_environment(self.model):
            card, state = in_environment(self.model)
        else:
            card = card_by_name(self.model)
            state = availability(card, WeightsStore())
        output().print(card_table(card, state))
        return 0


@dataclass(frozen=True, kw_only=True)
class ModelsFetchCommand(Command):
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


ModelsCommand.actions = {
    "list": ModelsListCommand,
    "show": ModelsShowCommand,
    "fetch": ModelsFetchCommand,
}
COMMAND = ModelsCommand
