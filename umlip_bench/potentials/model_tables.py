"""Models and whether their weights are here, for people and for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.table import Table

from umlip_bench.environments.tables import Built, state_of
from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.environment_weights import resolve
from umlip_bench.potentials.weights import WeightsStore


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
    try:
        weights = store.locate(card)
    except WeightsError as error:
        return Availability(False, str(error))
    if weights is None:
        return Availability(False, to_fetch(card))
    return Availability(True, str(weights.origin))


def to_fetch(card: ModelCard) -> str:
    """The command that brings a model's weights."""
    return f"umlip-bench models fetch {card.name}"


def in_environment(name: str) -> tuple[ModelCard, Availability]:
    """Card of ``ENVIRONMENT:CHECKPOINT``, and whether its environment is built.

    Raises
    ------
    UnknownModelError
        If it names no checkpoint of an environment.
    """
    _, environment, _, card = resolve(name)
    if state_of(environment).built is Built.YES:
        return card, Availability(True, "its environment is built")
    return card, Availability(False, f"umlip-bench env build {environment}")


def entry_of(card: ModelCard, state: Availability) -> dict[str, object]:
    """All that a card says, and where its weights are, for JSON."""
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


def listing(states: Sequence[tuple[ModelCard, Availability]]) -> Table:
    """All models, and where their weights are."""
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
    return table


def _short_licence(licence: str) -> str:
    return licence.split(" (")[0].split(",")[0].replace("Academic Software License", "ASL")


def card_table(card: ModelCard, state: Availability) -> Table:
    """All that a card says, its files, and where its weights are."""
    entry = entry_of(card, state)
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
    return table
