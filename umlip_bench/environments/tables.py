"""Environments and what is built of them, for people and for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.table import Table

from umlip_bench.environments.cards import cards
from umlip_bench.environments.environment_file import EnvironmentFile, read_environment_file
from umlip_bench.environments.places import EnvironmentFolder, environments_folder, place_of
from umlip_bench.environments.record import read_record
from umlip_bench.environments.registry import located, shipped
from umlip_bench.environments.sizes import in_words, size_of
from umlip_bench.ground.errors import ContentError
from umlip_bench.ground.model_card import ModelCard


class Built(StrEnum):
    """How far an environment is built."""

    YES = "built"
    NO = "not built"
    HALF = "half built"
    OUTDATED = "outdated"
    DAMAGED = "damaged"


@dataclass(frozen=True)
class State:
    """An environment and what is built of it.

    Parameters
    ----------
    name
        As commands take it: a name that is shipped, or the path of the user's file.
    file
        Its environment file.
    cards
        By checkpoint.
    built
        How far.
    n_bytes
        On disk, weights included.
    """

    name: str
    file: EnvironmentFile
    cards: Mapping[str, ModelCard]
    built: Built
    n_bytes: int


def states() -> list[State]:
    """Those that are shipped, and those of the user's that are built and whose file is still there."""
    found = [state_of(name) for name in shipped()]
    folder = environments_folder()
    for record in sorted(folder.glob("*/built.json")) if folder.is_dir() else ():
        source = _source(EnvironmentFolder(record.parent))
        if source is not None:
            found.append(state_of(str(source)))
    return found


def state_of(name: str) -> State:
    """One of them; errors as of `umlip_bench.environments.registry.located`."""
    file, place = located(name)
    try:
        record, built = read_record(place), Built.NO
    except ContentError:
        record, built = None, Built.DAMAGED
    if record is not None:
        built = Built.YES if record.needs == file.needs else Built.OUTDATED
    elif built is Built.NO and place.venv.exists():
        built = Built.HALF
    # Thousands of installed files were counted when it was built.
    counted = size_of(place.venv) if record is None else record.n_bytes
    return State(name, file, cards(file), built, counted + size_of(place.home))


def entry_of(state: State) -> dict[str, object]:
    """All that is known of an environment, for JSON."""
    return {
        "name": state.name,
        "state": str(state.built),
        "bytes": state.n_bytes,
        "dependencies": [
            *state.file.dependencies,
            *state.file.no_build_isolation,
            *state.file.no_deps,
        ],
        "requires_python": str(state.file.requires_python),
        "file": str(state.file.path),
        "checkpoints": {
            name: {
                "model": card.name,
                "architecture": card.architecture,
                "level_of_theory": str(card.level_of_theory),
                "training_set": card.training_set,
                "licence": card.licence,
                "citation": card.citation,
                "note": card.note,
            }
            for name, card in state.cards.items()
        },
    }


def listing(found: list[State]) -> Table:
    """All environments, a line each."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("size", justify="right", no_wrap=True)
    table.add_column("licence of the weights")
    table.add_column("checkpoints")
    for state in found:
        licences = dict.fromkeys(card.licence.split(" (")[0] for card in state.cards.values())
        colour = "green" if state.built is Built.YES else "yellow"
        table.add_row(
            state.name,
            f"[{colour}]{state.built}[/]",
            in_words(state.n_bytes) if state.n_bytes else "",
            "; ".join(licences),
            " ".join((*state.file.checkpoints, *state.file.custom)),
        )
    return table


def _source(place: EnvironmentFolder) -> Path | None:
    """File of the user's that a build was made from, if it is still that."""
    try:
        record = read_record(place)
        source = Path(record.source) if record else None
        if source is None or place_of(source, shipped=False) != place:
            return None
        read_environment_file(source)
    except ContentError:
        return None
    return source
