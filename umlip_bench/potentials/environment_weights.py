"""Weights that are read in a Python of their own: a checkpoint of a built environment."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path

from umlip_bench.environments.cards import FAMILY, cards
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.environment_file import EnvironmentFile
from umlip_bench.environments.registry import built, known, located, shipped
from umlip_bench.ground.errors import OutputError, UnknownModelError, WeightsError
from umlip_bench.ground.files import write_atomically
from umlip_bench.ground.identity import identity
from umlip_bench.ground.model_card import ModelCard, WeightsFile, unlisted_card
from umlip_bench.potentials.weights import Origin, Weights, WeightsStore

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EnvironmentWeights(Weights):
    """A checkpoint, together with the environment that loads it.

    Parameters
    ----------
    environment
        Where the package that reads the weights is installed.
    checkpoint
        One that the environment file names, or the path of a file of weights.
    named
        What `locate` finds it by, from whichever folder.
    published
        Files of weights that its card names.
    """

    environment: Environment
    checkpoint: str
    named: str
    published: tuple[WeightsFile, ...] = ()

    @property
    def loaded(self) -> str:
        """What the environment file is to load: the checkpoint, or its file where that is in the store."""
        return str(self.paths[0]) if self.paths else self.checkpoint

    @property
    def versions(self) -> Mapping[str, str]:
        """Of the environment's Python and of everything that is installed there."""
        return self.environment.versions

    def check_loaded(self, found: Mapping[str, str]) -> None:
        """Hold files that were loaded to their published digests, or to those of the first time.

        Parameters
        ----------
        found
            sha256 by path. Those of a checkpoint without published ones are written beside the
            environment file.

        Raises
        ------
        WeightsError
            If they are others; names the file.
        """
        digests = {(Path(path).name, digest) for path, digest in found.items()}
        names = {name for name, _ in digests}
        expected: Set[tuple[str, str]] = {
            (file.name, file.sha256) for file in self.published if file.sha256 is not None
        }
        remedy = f"build the environment {self.environment.name} anew"
        # A file of the user's own is part of the identity.
        if not expected and digests and not Path(self.checkpoint).is_absolute():
            pin = self.environment.file.with_name(f"{self.checkpoint}.sha256")
            expected = _pinned(pin, digests)
            remedy = f"they were pinned when they were first loaded: if the change is meant, delete {pin}"
        if changed := sorted(name for name, digest in expected - digests if name in names):
            raise WeightsError(
                f"{self.card.name}: {', '.join(changed)} should be other weights, by their sha256; {remedy}"
            )


def _pinned(pin: Path, digests: Set[tuple[str, str]]) -> Set[tuple[str, str]]:
    """Names and digests as ``sha256sum`` writes them; those given, if none are written yet."""
    if not pin.exists():
        lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests))
        try:
            write_atomically(pin, lambda file: file.write(lines.encode()))
        except OutputError as error:
            logger.warning("weights that have no published sha256 could not be pinned: %s", error)
        return digests
    lines = pin.read_text(encoding="utf-8")
    return {(line[66:], line[:64]) for line in lines.splitlines()}


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
    file, environment_name, checkpoint, card = resolve(name)
    environment = built(environment_name)
    fetched = store.fetch(card) if card.folder else None
    path = "" if environment_name in shipped() else f"{file.path}:{checkpoint}"
    return weights_of(environment, checkpoint, card, fetched, named=path)


def resolve(name: str) -> tuple[EnvironmentFile, str, str, ModelCard]:
    """Environment file, environment, checkpoint and card that a name stands for, built or not.

    Raises
    ------
    UnknownModelError
        If there is no such environment or checkpoint; says which there are.
    """
    environment_name, checkpoint = _split(name)
    file, _ = located(environment_name)
    if (
        own := file.loads_paths
        and checkpoint not in file.checkpoints
        and Path(checkpoint).is_file()
    ):
        checkpoint = str(Path(checkpoint).absolute())
    if checkpoint not in file.checkpoints and not own:
        weights = " or a file of weights" if file.loads_paths else ""
        lacks = f"has no checkpoint {checkpoint!r}" if checkpoint else "alone is no model"
        raise UnknownModelError(
            f"{name!r}: the environment {file.name} {lacks}; write "
            f"{environment_name}:CHECKPOINT with one of {', '.join(file.checkpoints)}{weights}"
        )
    card = cards(file).get(checkpoint) or unlisted_card(checkpoint, FAMILY)
    return file, environment_name, checkpoint, card


def _split(name: str) -> tuple[str, str]:
    """Environment and checkpoint; paths on the way to a script may have colons."""
    head, ending, checkpoint = name.partition(".py:")
    if ending or name.endswith(".py"):
        return f"{head}{ending.removesuffix(':')}", checkpoint
    environment, _, checkpoint = name.partition(":")
    return environment, checkpoint


def trained_of(model: str, weights: Weights) -> EnvironmentWeights:
    """Weights that a model's environment left when it trained the model, to be loaded there again.

    Parameters
    ----------
    model
        What the model that was trained is found by.
    weights
        The file, checked.

    Raises
    ------
    UnknownModelError, UmlipBenchError
        If there is no such environment, or it is not built; names the command.
    """
    environment_name, _ = _split(model)
    (path,) = weights.paths
    there = replace(weights, paths=(path.absolute(),))
    found = weights_of(built(environment_name), str(path.absolute()), weights.card, there)
    return replace(found, card=replace(found.card, name=weights.card.name))


def weights_of(
    environment: Environment,
    checkpoint: str,
    card: ModelCard,
    fetched: Weights | None = None,
    *,
    named: str = "",
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
    named
        What it is found by, where that is not its name.

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
    name = f"{environment.name}:{checkpoint}"
    return EnvironmentWeights(
        card=replace(card, name=name, family=FAMILY, files=()),
        paths=fetched.paths if fetched else (),
        origin=Origin.ENVIRONMENT,
        sha256=identity("environment", environment.digest, label, published, own),
        environment=environment,
        checkpoint=checkpoint,
        named=named or name,
        published=card.files,
    )
