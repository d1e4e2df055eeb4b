"""The models known by name: `catalogue.yaml` as `ModelCard` objects."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType

from umlip_bench.ground.codec import load_yaml, parse
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import ContentError, UnknownModelError
from umlip_bench.ground.model_card import ModelCard


@cache
def catalogue() -> Mapping[str, ModelCard]:
    """Return the cards of all models known by name, in the order of the catalogue.

    Returns
    -------
    Mapping
        Cards by name; read only.
    """
    text = resources.files(__package__).joinpath("catalogue.yaml").read_text(encoding="utf-8")
    return parse_catalogue(text)


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


def parse_catalogue(text: str) -> Mapping[str, ModelCard]:
    """Read the cards from the text of a catalogue.

    Parameters
    ----------
    text
        YAML in the form of the packaged ``catalogue.yaml``.

    Returns
    -------
    Mapping
        Cards by name in the order of the text; read only.

    Raises
    ------
    ContentError
        If an entry lacks a field, has one that no card has, or is not usable otherwise. The message
        names the entry and the field.
    """
    cards: dict[str, ModelCard] = {}
    for position, entry in enumerate(load_yaml(text, "catalogue")["models"], start=1):
        label = entry.get("name", f"number {position}") if isinstance(entry, dict) else position
        where = f"catalogue entry {label}"
        parsed = _parse_card(entry, where)
        if parsed.name in cards:
            raise ContentError(f"{where}: field 'name': used by an earlier entry; names are unique")
        cards[parsed.name] = parsed
    return MappingProxyType(cards)


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


def _parse_card(entry: object, where: str) -> ModelCard:
    if isinstance(entry, dict) and isinstance(entry.get("elements"), str):
        entry = {**entry, "elements": _parse_elements(entry["elements"], where)}
    card = parse(ModelCard, entry, where)
    if card.package_path and len(card.package_path) != len(card.files):
        raise ContentError(
            f"{where}: field 'package_path': {len(card.package_path)} paths for "
            f"{len(card.files)} files; give one per file, or none"
        )
    return card


def _parse_elements(ranges: str, where: str) -> tuple[str, ...]:
    """Return the symbols for ranges of atomic numbers such as ``"1-83, 89-94"``."""
    symbols: list[str] = []
    for part in filter(None, (part.strip() for part in ranges.split(","))):
        match = re.fullmatch(r"(\d+)(?:\s*-\s*(\d+))?", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if not 1 <= first <= last <= len(SYMBOLS):
            raise ContentError(
                f"{where}: field 'elements': {part!r} is not a range of atomic numbers "
                f"within 1-{len(SYMBOLS)}, e.g. '1-83, 89-94'"
            )
        symbols.extend(SYMBOLS[first - 1 : last])
    return tuple(symbols)
