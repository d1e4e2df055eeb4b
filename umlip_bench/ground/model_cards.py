"""Cards of models from YAML: data, not code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from umlip_bench.ground.codec import load_yaml, parse
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import ContentError
from umlip_bench.ground.model_card import ModelCard


def parse_cards(text: str, where: str) -> Mapping[str, ModelCard]:
    """Read the cards from the text of a catalogue.

    Parameters
    ----------
    text
        YAML with a list ``models`` and, if there is any, a mapping ``common`` of fields that all have which
        do not say otherwise. Elements are ranges of atomic numbers.
    where
        Names the text in messages.

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
    content = as_mapping(load_yaml(text, where))
    common = as_mapping(content.get("common", {}))
    for position, entry in enumerate(as_list(content["models"]), start=1):
        label = entry.get("name", f"number {position}") if isinstance(entry, dict) else position
        if isinstance(entry, dict):
            entry = {**common, **entry}
        here = f"{where} entry {label}"
        parsed = _parse_card(entry, here)
        if parsed.name in cards:
            raise ContentError(f"{here}: field 'name': used by an earlier entry; names are unique")
        cards[parsed.name] = parsed
    return MappingProxyType(cards)


def _parse_card(entry: object, where: str) -> ModelCard:
    if isinstance(entry, dict) and isinstance(entry.get("elements"), str):
        entry = {**entry, "elements": parse_ranges(entry["elements"], where)}
    card = parse(ModelCard, entry, where)
    if card.package_path and len(card.package_path) != len(card.files):
        raise ContentError(
            f"{where}: field 'package_path': {len(card.package_path)} paths for "
            f"{len(card.files)} files; give one per file, or none"
        )
    return card


def parse_ranges(ranges: str, where: str) -> tuple[str, ...]:
    """Return the symbols for ranges of atomic numbers such as ``"1-83, 89-94"``.

    Raises
    ------
    ContentError
        If a part is none; names it.
    """
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
