"""What can be done to a model: the part of ``card.yaml`` that differs between methods.

Each class says how it stands in the file and what of it decides on predictions. Nothing here needs torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from umlip_bench.ground.codec import parse
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.model_card import ModelCard, WeightsFile

SCALAR, SHIFT, HEAD, LOW_RANK, FULL = "scalar", "e0", "head", "lora", "full"
TRAINED = "trained"
"""Section of the methods that train weights."""
WEIGHTS = "weights"
"""Subfolder of trained weights."""


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

    method: ClassVar[str] = SCALAR
    section: ClassVar[str] = SCALAR

    def to_plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        references = self.references
        return {
            "factor": float(self.factor),
            "references": None if references is None else dict(references),
        }

    def numbers(self) -> dict[str, Any]:
        """What predictions depend on, exactly, for a digest."""
        references = self.references
        return {
            "factor": float(self.factor).hex(),
            "references": None if references is None else _exactly(references),
        }

    def describe(self, architecture: str) -> str:
        """The corrected model's architecture in words."""
        return f"{architecture}, scaled by {self.factor:.4f}"


@dataclass(frozen=True)
class ReferenceShift:
    """Energies added for every atom of an element; forces and stress stay.

    Parameters
    ----------
    shifts
        In eV by element; zero for those not named.
    """

    shifts: Mapping[str, float]

    method: ClassVar[str] = SHIFT
    section: ClassVar[str] = SHIFT

    def to_plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"shifts": {symbol: float(value) for symbol, value in self.shifts.items()}}

    def numbers(self) -> dict[str, Any]:
        """What predictions depend on, exactly, for a digest."""
        return {"shifts": _exactly(self.shifts)}

    def describe(self, architecture: str) -> str:
        """The corrected model's architecture in words."""
        return f"{architecture}, element references refitted"


@dataclass(frozen=True)
class TrainedWeights:
    """Weights of the parent's architecture that were trained further; they lie in the folder.

    Parameters
    ----------
    method
        Which of them were trained: ``head``, ``lora`` or ``full``.
    card
        What the weights are, with their family and the sha256 of each file; the name is the parent's.
    """

    method: str
    card: ModelCard

    section: ClassVar[str] = TRAINED

    def to_plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        card = asdict(self.card)
        for local in ("folder", "package_path", "parent"):
            del card[local]
        card["files"] = {file.name: file.sha256 for file in self.card.files}
        card["elements"] = " ".join(self.card.elements)
        return {"card": card}

    def numbers(self) -> dict[str, Any]:
        """What predictions depend on, exactly, for a digest."""
        card = self.card
        files = {file.name: file.sha256 for file in card.files}
        return {
            "family": card.family,
            "trained_with": card.trained_with,
            "head": card.head,
            **files,
        }

    def describe(self, architecture: str) -> str:
        """The corrected model's architecture in words; time and memory are the parent's."""
        return architecture


Change = ScalarCorrection | ReferenceShift | TrainedWeights


def read_change(path: Path, content: Mapping[str, Any]) -> Change:
    """Read the method's section of a card.

    Parameters
    ----------
    path
        Of the card, for messages.
    content
        All of it.

    Raises
    ------
    WeightsError
        If the method is not known or its section is not as `umlip-finetune` writes it.
    """
    method = content.get("method")
    if not isinstance(method, str) or method not in _READERS:
        raise damaged(path, f"method is {method!r}, this version knows {', '.join(METHODS)}")
    return _READERS[method](path, content)


def damaged(path: Path, fault: str) -> WeightsError:
    """The error for a card that is not as it was written."""
    return WeightsError(
        f"{path}: {fault}; restore the file that `umlip-finetune fit` wrote, fit again, or update "
        "umlip-bench if a newer version wrote it"
    )


def _scalar(path: Path, content: Mapping[str, Any]) -> ScalarCorrection:
    entry = content.get(SCALAR)
    if not isinstance(entry, dict):
        raise damaged(path, f"scalar is {entry!r}, not a factor")
    factor = _number(entry.get("factor"))
    if factor is None or factor <= 0:
        raise damaged(path, f"scalar.factor is {entry.get('factor')!r}, not a positive number")
    references = entry.get("references")
    if references is None:
        return ScalarCorrection(factor)
    return ScalarCorrection(factor, _energies(path, "scalar.references", references))


def _shift(path: Path, content: Mapping[str, Any]) -> ReferenceShift:
    entry = content.get(SHIFT)
    if not isinstance(entry, dict):
        raise damaged(path, f"{SHIFT} is {entry!r}, not shifts by element")
    return ReferenceShift(_energies(path, f"{SHIFT}.shifts", entry.get("shifts")))


def _trained(path: Path, content: Mapping[str, Any]) -> TrainedWeights:
    entry = content.get(TRAINED)
    card = entry.get("card") if isinstance(entry, dict) else None
    if not isinstance(card, dict):
        raise damaged(path, f"{TRAINED}.card is {card!r}, not the card of a model")
    try:
        files = [_file(name, digest) for name, digest in dict(card["files"]).items()]
        elements = str(card["elements"]).split()
        whole = parse(ModelCard, {**card, "elements": elements, "files": files}, TRAINED)
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"{TRAINED}.card cannot be read ({error})") from error
    if not files:
        raise damaged(path, f"{TRAINED}.card names no files")
    return TrainedWeights(str(content["method"]), whole)


def _file(name: object, digest: object) -> WeightsFile:
    if not isinstance(name, str) or Path(name).name != name:
        raise ValueError(f"{name!r} is not a file's name")
    if not isinstance(digest, str) or len(digest) != 64:
        raise ValueError(f"{digest!r} is not the sha256 of {name}")
    return WeightsFile(name, url="", sha256=digest)


def _energies(path: Path, what: str, entry: object) -> dict[str, float]:
    if not isinstance(entry, dict) or not entry:
        raise damaged(path, f"{what} is {entry!r}, not energies by element")
    energies = {}
    for symbol, value in entry.items():
        energy = _number(value)
        if symbol not in SYMBOLS or energy is None:
            raise damaged(path, f"{what} has {symbol!r}: {value!r}, not an element's energy in eV")
        energies[symbol] = energy
    return energies


def _number(value: object) -> float | None:
    """A finite number, or ``None`` for anything else; YAML's booleans are integers to Python."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    return None


def _exactly(energies: Mapping[str, float]) -> dict[str, str]:
    return {symbol: float(energy).hex() for symbol, energy in energies.items()}


def with_files(card: ModelCard, files: Mapping[str, str]) -> ModelCard:
    """A card of weights at hand: their files with sha256, and no place where they are published."""
    listed = tuple(WeightsFile(name, url="", sha256=digest) for name, digest in files.items())
    return replace(card, files=listed, folder=None, package_path=(), parent=None)


_READERS: dict[str, Callable[[Path, Mapping[str, Any]], Change]] = {
    SCALAR: _scalar,
    SHIFT: _shift,
    HEAD: _trained,
    LOW_RANK: _trained,
    FULL: _trained,
}
METHODS = tuple(_READERS)
