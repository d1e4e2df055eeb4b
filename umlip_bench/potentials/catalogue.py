"""The models known by name: `catalogue.yaml` as `ModelCard` objects."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from umlip_bench.ground.errors import UnknownModelError
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.model_cards import parse_cards


@cache
def catalogue() -> Mapping[str, ModelCard]:
    """Return the cards of all models known by name, in the order of the catalogue.

    Returns
    -------
    Mapping
        Cards by name; read only.
    """
    text = resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return parse_cards(text, "catalogue")


def card(name: str) -> ModelCard:
    """Return the card of one model.

    Parameters
    ----------
    name
        The model's full name, e.g. ``"chgnet-0.3.0"``, in any case. Bare names such as ``"chgnet"``
        are refused: what they mean would change with every release.

    Returns
    -------
    ModelCard
        The model's card.

    Raises
    ------
    UnknownModelError
        If no model has exactly this name.
    """
    cards = catalogue()
    wanted = name.lower()
    if wanted in cards:
        return cards[wanted]
    raise UnknownModelError(
        f"{_why_unknown(name, wanted, cards)}\n"
        "`umlip-bench models` lists all names. The path of a weights file and "
        "`ase:module:Class` for any ASE calculator work as well."
    )


def _why_unknown(name: str, wanted: str, cards: Mapping[str, ModelCard]) -> str:
    relatives = [
        known
        for known, its_card in cards.items()
        if its_card.family == wanted or known.startswith(f"{wanted}-")
    ]
    if relatives:
        return (
            f"'{name}' is not the full name of a model; never a bare name: versions differ. "
            f"Full names: {', '.join(relatives)}."
        )
    nearest = difflib.get_close_matches(wanted, cards, n=3, cutoff=0.4)
    if nearest:
        return f"No model is named '{name}'. Nearest names: {', '.join(nearest)}."
    return f"No model is named '{name}', and no name is near to it."
