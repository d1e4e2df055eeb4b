"""Weights that are read in a Python of their own: a checkpoint of a built environment."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from umlip_bench.environments.cards import FAMILY, cards
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.registry import built, known, located
from umlip_bench.ground.errors import UnknownModelError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.model_card import ModelCard, unlisted_card
from umlip_bench.potentials.weights import Origin, Weights, WeightsStore


@dataclass(frozen=True)
class EnvironmentWeights(Weights):
    """A checkpoint, together with the environment that loads it.

    Parameters
    ----------
    environment
        Where the package that reads the weights is installed.
    checkpoint
        One that the environment file names, or the path of a file of weights.
    """

    environment: Environment
    checkpoint: str

    @property
    def loaded(self) -> str:
        """What the environment file is to load: the checkpoint, or its file where that is in the store."""
        return str(self.paths[0]) if self.paths else self.checkpoint


def names_script(name: str) -> bool:
    """Whether a model's name begins with the path of a Python file."""
    return _split(name)[0].endswith(".py")


def names_environment(name: str) -> bool:
    """Whether a model's name begins with an environment: one that is shipped, or the path of a file."""
    return names_script(name) or known(_split(name)[0])


def locate(name: str, store: WeightsStore) -> EnvironmentWeights:
    """Find a checkpoint of a built environment; nothing is started.

    Weights that the environment's package does not bring are found or fetched, where their card says so.

    Parameters
    ----------
    name
        ``ENVIRONMENT:CHECKPOINT``, or ``path/to/file.py:CHECKPOINT``. Where the environment file takes a
        user's own weights, the checkpoint may be the path of a file.
    store
        Where weights are.

    Raises
    ------
    UnknownModelError
        If there is no such environment or checkpoint; says which there are.
    WeightsError
        If the weights cannot be had.
    UmlipBenchError
        If the environment is not built; names the command.
    """
    environment_name, checkpoint, card = named(name)
    environment = built(environment_name)
    fetched = store.fetch(card) if card.folder else None
    return weights_of(environment, checkpoint, card, fetched)


def named(name: str) -> tuple[str, str, ModelCard]:
    """Environment, checkpoint and card that a name stands for, whether it is built or not.

    Raises
    ------
    UnknownModelError
        If there is no such environment or checkpoint; says which there are.
    """
    environment_name, checkpoint = _split(name)
    file, _ = located(environment_name)
    own = file.loads_paths and Path(checkpoint).is_file()
    if checkpoint not in file.checkpoints and not own:
        weights = " or a file of weights" if file.loads_paths else ""
        lacks = f"has no checkpoint {checkpoint!r}" if checkpoint else "alone is no model"
        raise UnknownModelError(
            f"{name!r}: the environment {file.name} {lacks}; write "
            f"{environment_name}:CHECKPOINT with one of {', '.join(file.checkpoints)}{weights}"
        )
    card = cards(file).get(checkpoint) or unlisted_card(checkpoint, FAMILY)
    return environment_name, checkpoint, card


def _split(name: str) -> tuple[str, str]:
    """Environment and checkpoint; paths on the way to a script may have colons."""
    head, ending, checkpoint = name.partition(".py:")
    if ending or name.endswith(".py"):
        return f"{head}{ending.removesuffix(':')}", checkpoint
    environment, _, checkpoint = name.partition(":")
    return environment, checkpoint


def weights_of(
    environment: Environment, checkpoint: str, card: ModelCard, fetched: Weights | None = None
) -> EnvironmentWeights:
    """Identify a checkpoint of an environment.

    Parameters
    ----------
    environment
        As built.
    checkpoint
        One of its checkpoints, or a file of weights.
    card
        What is known of the model; its name and family are set here.
    fetched
        Its weights, where they are in the store.

    Returns
    -------
    EnvironmentWeights
        The digest is of the environment (installed versions, environment file, interpreter), the
        checkpoint, the published digests of its weights, and the bytes of its file, where that is known.
    """
    path = Path(checkpoint)
    own = fetched.sha256 if fetched else None
    if fetched is None and path.is_file():
        own = hashlib.sha256(path.read_bytes()).hexdigest()
    published = [file.sha256 for file in card.files]
    label = path.name if path.is_file() else checkpoint
    return EnvironmentWeights(
        card=replace(card, name=f"{environment.name}:{checkpoint}", family=FAMILY),
        paths=fetched.paths if fetched else (),
        origin=Origin.ENVIRONMENT,
        sha256=identity("environment", environment.digest, label, published, own),
        environment=environment,
        checkpoint=checkpoint,
    )
