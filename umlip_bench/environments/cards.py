"""What is known of the checkpoints of an environment: the cards that stand in YAML beside its file.

``sevennet.yaml`` beside ``sevennet.py``, in the form of the catalogue of models; a user's own file may have
one as well. A checkpoint without a card is usable: what is not known is said to be unknown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from umlip_bench.environments.environment_file import EnvironmentFile
from umlip_bench.ground.errors import ContentError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.ground.model_cards import parse_cards

FAMILY = "environment"
"""Of all models that live in another Python."""


def cards(file: EnvironmentFile) -> Mapping[str, ModelCard]:
    """Cards of the checkpoints of an environment file, each named ``ENVIRONMENT:CHECKPOINT``.

    Returns
    -------
    Mapping
        By checkpoint, in the file's order; read only.

    Raises
    ------
    ContentError
        If the YAML beside it is no catalogue, or has cards of checkpoints that the file does not have.
    """
    path = file.path.with_suffix(".yaml")
    written = _written(path) if path.exists() else {}
    if strange := [name for name in written if name not in file.checkpoints]:
        raise ContentError(
            f"{path} has a card of {strange[0]!r}, which {file.path.name} has no checkpoint of; it has "
            f"{', '.join(file.checkpoints)}"
        )
    found = {}
    for checkpoint in file.checkpoints:
        card = written.get(checkpoint) or _unknown(checkpoint)
        found[checkpoint] = replace(card, name=f"{file.name}:{checkpoint}", family=FAMILY)
    return MappingProxyType(found)


def _written(path: Path) -> Mapping[str, ModelCard]:
    try:
        return parse_cards(path.read_text(encoding="utf-8"), path.name)
    except (OSError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise ContentError(
            f"{path} is no list of cards ({error}); it has to have 'models', as the catalogue has"
        ) from error


def _unknown(checkpoint: str) -> ModelCard:
    return ModelCard(
        name=checkpoint,
        family=FAMILY,
        architecture="unknown",
        level_of_theory=LevelOfTheory("unknown"),
        training_set="unknown",
        elements=(),
        licence="unknown",
        citation="unknown",
    )
