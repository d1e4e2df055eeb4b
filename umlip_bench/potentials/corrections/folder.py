"""A corrected model on disk: a folder whose ``card.yaml`` names the parent and what was done to it.

Only what is needed to load the model is read here; how it was fitted stands in the same file, for
people. A parent of the catalogue is named; any other is copied into the folder, so that the folder
alone loads on another machine. Where weights were trained the folder holds them, and no parent.
Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from umlip_bench.ground.codec import read_yaml
from umlip_bench.ground.errors import ContentError, WeightsError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.corrections.modification import (
    WEIGHTS,
    Change,
    TrainedWeights,
    damaged,
    read_change,
)
from umlip_bench.potentials.corrections.modification import ScalarCorrection as ScalarCorrection
from umlip_bench.potentials.environment_weights import FAMILY as ENVIRONMENT
from umlip_bench.potentials.environment_weights import trained_of
from umlip_bench.potentials.weights import Origin, Weights, path_and_head, weights_at

CARD = "card.yaml"
PARENT = "parent"
"""Subfolder of the parent's weights, where they are copied."""
FAMILY = "corrected"
SCHEMA = 1


@dataclass(frozen=True)
class ParentModel:
    """The model that was corrected.

    Parameters
    ----------
    name
        Of its card, or what it is found by.
    family
        Adapter that runs it.
    sha256
        Digest of its weights.
    path
        Where its weights lie inside the folder; ``None`` for a model by name.
    """

    name: str
    family: str
    sha256: str
    path: str | None = None


@dataclass(frozen=True)
class Correction:
    """What ``card.yaml`` says about how to rebuild the model.

    Parameters
    ----------
    parent
        The model that was corrected.
    change
        What was done to it.
    by
        Method that made the change, where it is not the one that the change is named after.
    """

    parent: ParentModel
    change: Change
    by: str | None = None

    @property
    def method(self) -> str:
        """Name of the method that made the change."""
        return self.by or self.change.method

    @property
    def sha256(self) -> str:
        """Digest of everything that predictions depend on: the parent's weights and the numbers."""
        numbers = {
            "method": self.method,
            "parent": self.parent.sha256,
            **self.change.numbers(),
        }
        return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()

    def to_plain(self) -> dict[str, object]:
        """As it stands in the file."""
        return {
            "method": self.method,
            "parent": asdict(self.parent),
            self.change.section: self.change.to_plain(),
        }


@dataclass(frozen=True)
class CorrectedWeights(Weights):
    """A corrected model, located together with the weights that its parent's family reads.

    Parameters
    ----------
    correction
        What the folder says.
    base
        The parent's weights, which have the digest that the folder names, or those in the folder if
        weights were trained.
    """

    correction: Correction
    base: Weights

    @property
    def versions(self) -> Mapping[str, str]:
        """The parent's."""
        return self.base.versions


def is_corrected(path: Path) -> bool:
    """Whether a path is a folder of a corrected model."""
    return (path / CARD).is_file()


def read_correction(folder: Path) -> Correction:
    """Read ``card.yaml``.

    Raises
    ------
    WeightsError
        If it is not there or not what `umlip-finetune` writes; names the entry.
    """
    path = folder / CARD
    try:
        content = read_yaml(path)
    except ContentError as error:
        raise WeightsError(
            f"{path} cannot be read ({error}); expected the folder of a corrected model as "
            "`umlip-finetune fit` writes it"
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        raise damaged(path, f"schema is {found!r}, this version reads {SCHEMA}")
    change = read_change(path, content)
    return Correction(_parent(path, content.get("parent")), change, str(content["method"]))


def corrected_weights(folder: Path, correction: Correction, parent: Weights) -> CorrectedWeights:
    """Put a corrected model together from its folder and its located parent.

    Raises
    ------
    WeightsError
        If the parent's weights are not those that were corrected.
    """
    expected = correction.parent
    if parent.sha256 != expected.sha256:
        raise WeightsError(
            f"{folder / CARD} corrects {expected.name} with weights of sha256 {expected.sha256}, but "
            f"the weights found for it ({parent.origin}) have {parent.sha256}. A factor holds for the "
            "weights that it was fitted to: bring those back, or fit again"
        )
    return CorrectedWeights(
        card=corrected_card(folder.resolve().name, correction, parent.card),
        paths=(folder / CARD, *parent.paths),
        origin=Origin.GIVEN,
        sha256=correction.sha256,
        correction=correction,
        base=parent,
    )


def trained_weights(
    folder: Path, correction: Correction, change: TrainedWeights
) -> CorrectedWeights:
    """Put a model whose weights were trained together from its folder; the parent is not needed.

    Raises
    ------
    WeightsError
        If the weights in the folder are not those that were written.
    UmlipBenchError
        If they are read in an environment that is not built; names the command.
    """
    base, digest = weights_at(change.card, folder / WEIGHTS), correction.sha256
    if change.card.family == ENVIRONMENT:
        base = trained_of(correction.parent.name, base)
        # What is installed there decides as well.
        digest = identity("trained", digest, base.sha256)
    return CorrectedWeights(
        card=corrected_card(folder.resolve().name, correction, change.card),
        paths=(folder / CARD, *base.paths),
        origin=Origin.GIVEN,
        sha256=digest,
        correction=correction,
        base=base,
    )


def corrected_card(name: str, correction: Correction, parent: ModelCard) -> ModelCard:
    """The parent's card under the corrected model's name."""
    change = correction.change
    factor = change.factor if isinstance(change, ScalarCorrection) else 1.0
    card = parent.derived(name, change.describe(parent.architecture), factor)
    # That of an environment file is found by the file's path, which is not its name.
    known_as = parent.name if parent.family == ENVIRONMENT else correction.parent.name
    return replace(card, parent=known_as)


def _parent(path: Path, entry: object) -> ParentModel:
    if not isinstance(entry, dict):
        raise damaged(path, f"parent is {entry!r}, not name, family and sha256")
    for key in ("name", "family", "sha256"):
        if not isinstance(entry.get(key), str):
            raise damaged(path, f"parent.{key} is {entry.get(key)!r}, not text")
    inside = entry.get("path")
    if inside is not None:
        if not isinstance(inside, str) or Path(inside).is_absolute() or ".." in Path(inside).parts:
            raise damaged(path, f"parent.path is {inside!r}, not a path inside the folder")
        if not path_and_head(str(path.parent / inside))[0].exists():
            raise WeightsError(
                f"{path.parent / inside}, the weights of {entry['name']} that {path} corrects, is not "
                "there; copy the whole folder from where it was written"
            )
    return ParentModel(entry["name"], entry["family"], entry["sha256"], inside)
