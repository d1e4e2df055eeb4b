"""A corrected model on disk: a folder whose ``card.yaml`` names the parent and what was done to it.

Only what is needed to load the model is read here; how it was fitted stands in the same file, for
people. A parent of the catalogue is named; any other is copied into the folder, so that the folder
alone loads on another machine. Nothing here needs torch.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from umlip_bench.elements import SYMBOLS
from umlip_bench.errors import WeightsError
from umlip_bench.potentials.card import ModelCard
from umlip_bench.potentials.store import Origin, Weights

CARD = "card.yaml"
PARENT = "parent"
"""Subfolder of the parent's weights, where they are copied."""
FAMILY = "corrected"
SCHEMA = 1
SCALAR = "scalar"
METHODS = (SCALAR,)


@dataclass(frozen=True)
class ParentModel:
    """The model that was corrected.

    Parameters
    ----------
    name
        Of its card.
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

    def reference(self, folder: Path) -> str:
        """What `umlip_bench.loading.locate` takes for it."""
        return self.name if self.path is None else f"{self.family}:{folder / self.path}"


@dataclass(frozen=True)
class ScalarCorrection:
    """One factor on the energy surface.

    Parameters
    ----------
    factor
        c, dimensionless, positive.
    references
        Energies in eV by element in place of the parent's element references; ``None`` to take the
        parent's.
    """

    factor: float
    references: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Correction:
    """What ``card.yaml`` says about how to rebuild the model.

    Parameters
    ----------
    parent
        The model that was corrected.
    scalar
        What was done to it.
    """

    parent: ParentModel
    scalar: ScalarCorrection

    @property
    def sha256(self) -> str:
        """Digest of everything that predictions depend on: the parent's weights and the numbers."""
        numbers = {
            "method": SCALAR,
            "parent": self.parent.sha256,
            "factor": float(self.scalar.factor).hex(),
            "references": None
            if self.scalar.references is None
            else {k: float(v).hex() for k, v in self.scalar.references.items()},
        }
        return hashlib.sha256(json.dumps(numbers, sort_keys=True).encode()).hexdigest()

    def to_plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        references = self.scalar.references
        return {
            "method": SCALAR,
            "parent": asdict(self.parent),
            "scalar": {
                "factor": float(self.scalar.factor),
                "references": None if references is None else dict(references),
            },
        }


@dataclass(frozen=True)
class CorrectedWeights(Weights):
    """A corrected model, located together with its parent.

    Parameters
    ----------
    correction
        What the folder says.
    parent
        The parent's weights, which have the digest that the folder names.
    """

    correction: Correction
    parent: Weights


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
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WeightsError(
            f"{path} cannot be read ({error}); expected the folder of a corrected model as "
            "`umlip-finetune fit` writes it"
        ) from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        found = content.get("schema") if isinstance(content, dict) else None
        raise _damaged(path, f"schema is {found!r}, this version reads {SCHEMA}")
    if content.get("method") not in METHODS:
        raise _damaged(
            path, f"method is {content.get('method')!r}, this version knows {', '.join(METHODS)}"
        )
    return Correction(_parent(path, content.get("parent")), _scalar(path, content.get(SCALAR)))


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
        parent=parent,
    )


def corrected_card(name: str, correction: Correction, parent: ModelCard) -> ModelCard:
    """The parent's card under the corrected model's name."""
    return replace(
        parent,
        name=name,
        family=FAMILY,
        parent=parent.name,
        architecture=f"{parent.architecture}, scaled by {correction.scalar.factor:.4f}",
        folder=None,
        files=(),
        package_path=(),
    )


def _parent(path: Path, entry: object) -> ParentModel:
    if not isinstance(entry, dict):
        raise _damaged(path, f"parent is {entry!r}, not name, family and sha256")
    for key in ("name", "family", "sha256"):
        if not isinstance(entry.get(key), str):
            raise _damaged(path, f"parent.{key} is {entry.get(key)!r}, not text")
    inside = entry.get("path")
    if inside is not None:
        if not isinstance(inside, str) or Path(inside).is_absolute() or ".." in Path(inside).parts:
            raise _damaged(path, f"parent.path is {inside!r}, not a path inside the folder")
        if not (path.parent / inside).exists():
            raise WeightsError(
                f"{path.parent / inside}, the weights of {entry['name']} that {path} corrects, is not "
                "there; copy the whole folder from where it was written"
            )
    return ParentModel(entry["name"], entry["family"], entry["sha256"], inside)


def _scalar(path: Path, entry: object) -> ScalarCorrection:
    if not isinstance(entry, dict):
        raise _damaged(path, f"scalar is {entry!r}, not a factor")
    factor = _number(entry.get("factor"))
    if factor is None or factor <= 0:
        raise _damaged(path, f"scalar.factor is {entry.get('factor')!r}, not a positive number")
    references = entry.get("references")
    if references is None:
        return ScalarCorrection(factor)
    if not isinstance(references, dict) or not references:
        raise _damaged(path, f"scalar.references is {references!r}, not energies by element")
    energies = {}
    for symbol, value in references.items():
        energy = _number(value)
        if symbol not in SYMBOLS or energy is None:
            raise _damaged(
                path, f"scalar.references has {symbol!r}: {value!r}, not an element's energy in eV"
            )
        energies[symbol] = energy
    return ScalarCorrection(factor, energies)


def _number(value: object) -> float | None:
    """A finite number, or ``None`` for anything else; YAML's booleans are integers to Python."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _damaged(path: Path, fault: str) -> WeightsError:
    return WeightsError(
        f"{path}: {fault}; restore the file that `umlip-finetune fit` wrote, fit again, or update "
        "umlip-bench if a newer version wrote it"
    )
