"""What can be done to a model: the part of ``card.yaml`` that differs between methods.

Each class says how it stands in the file and what of it decides on predictions. Which of them a card has
follows from its method, an entry point of the group ``umlip_bench.methods``. Nothing here needs torch;
`applied` puts a change on a parent.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from umlip_bench.ground.codec import parse
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.model_card import ModelCard, WeightsFile
from umlip_bench.ground.plugins import installed

if TYPE_CHECKING:
    from umlip_bench.potentials.protocol import Potential
    from umlip_bench.potentials.weights import Weights

METHODS = "umlip_bench.methods"
"""Group of entry points. Each leads to a class with a class method `change`, the `Change` that it makes."""
WEIGHTS = "weights"
"""Subfolder of trained weights."""


class Change(ABC):
    """What was done to a parent; a frozen dataclass.

    Attributes
    ----------
    section
        Of the card, that it stands in.
    method
        By which it was made, unless the card says so.
    """

    section: ClassVar[str]
    method: str

    @abstractmethod
    def to_plain(self) -> dict[str, object]:
        """As it stands in the file."""

    @abstractmethod
    def numbers(self) -> dict[str, object]:
        """What predictions depend on, exactly, for a digest."""

    @abstractmethod
    def describe(self, architecture: str) -> str:
        """The corrected model's architecture in words."""

    @classmethod
    @abstractmethod
    def read(cls, path: Path, content: Mapping[str, object]) -> Self:
        """Read the section of a card.

        Raises
        ------
        WeightsError
            If it is not as it was written, which `damaged` says.
        """


class ForeignChange(Change):
    """A change of another package, which says itself what it makes of a parent."""

    @abstractmethod
    def put_on(self, parent: Potential, weights: Weights) -> Potential:
        """The corrected model.

        Parameters
        ----------
        parent
            As its family loads it.
        weights
            The corrected model's card, and where it was read from.
        """


@dataclass(frozen=True)
class ScalarCorrection(Change):
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

    method: ClassVar[str] = "scalar"  # type: ignore[misc]
    section: ClassVar[str] = "scalar"

    def to_plain(self) -> dict[str, object]:
        """As it stands in the file."""
        references = self.references
        return {
            "factor": float(self.factor),
            "references": None if references is None else dict(references),
        }

    def numbers(self) -> dict[str, object]:
        """What predictions depend on, exactly, for a digest."""
        references = self.references
        return {
            "factor": float(self.factor).hex(),
            "references": None if references is None else _exactly(references),
        }

    def describe(self, architecture: str) -> str:
        """The corrected model's architecture in words."""
        return f"{architecture}, scaled by {self.factor:.4f}"

    @classmethod
    def read(cls, path: Path, content: Mapping[str, object]) -> Self:
        """See `Change`."""
        entry = content.get(cls.section)
        if not isinstance(entry, dict):
            raise damaged(path, f"scalar is {entry!r}, not a factor")
        factor = _number(entry.get("factor"))
        if factor is None or factor <= 0:
            raise damaged(path, f"scalar.factor is {entry.get('factor')!r}, not a positive number")
        references = entry.get("references")
        if references is None:
            return cls(factor)
        return cls(factor, _energies(path, "scalar.references", references))


@dataclass(frozen=True)
class ReferenceShift(Change):
    """Energies added for every atom of an element; forces and stress stay.

    Parameters
    ----------
    shifts
        In eV by element; zero for those not named.
    """

    shifts: Mapping[str, float]

    method: ClassVar[str] = "e0"  # type: ignore[misc]
    section: ClassVar[str] = "e0"

    def to_plain(self) -> dict[str, object]:
        """As it stands in the file."""
        return {"shifts": {symbol: float(value) for symbol, value in self.shifts.items()}}

    def numbers(self) -> dict[str, object]:
        """What predictions depend on, exactly, for a digest."""
        return {"shifts": _exactly(self.shifts)}

    def describe(self, architecture: str) -> str:
        """The corrected model's architecture in words."""
        return f"{architecture}, element references refitted"

    @classmethod
    def read(cls, path: Path, content: Mapping[str, object]) -> Self:
        """See `Change`."""
        entry = content.get(cls.section)
        if not isinstance(entry, dict):
            raise damaged(path, f"{cls.section} is {entry!r}, not shifts by element")
        return cls(_energies(path, f"{cls.section}.shifts", entry.get("shifts")))


@dataclass(frozen=True)
class TrainedWeights(Change):
    """Weights of the parent's architecture that were trained further; they lie in the folder.

    Parameters
    ----------
    method
        That trained them.
    card
        What the weights are, with their family and the sha256 of each file; the name is the parent's.
    """

    method: str
    card: ModelCard

    section: ClassVar[str] = "trained"

    def to_plain(self) -> dict[str, object]:
        """As it stands in the file."""
        card = asdict(self.card)
        for local in ("folder", "package_path", "parent"):
            del card[local]
        card["files"] = {file.name: file.sha256 for file in self.card.files}
        card["elements"] = " ".join(self.card.elements)
        return {"card": card}

    def numbers(self) -> dict[str, object]:
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

    @classmethod
    def read(cls, path: Path, content: Mapping[str, object]) -> Self:
        """See `Change`."""
        entry = content.get(cls.section)
        card = entry.get("card") if isinstance(entry, dict) else None
        if not isinstance(card, dict):
            raise damaged(path, f"trained.card is {card!r}, not the card of a model")
        try:
            files = [_file(name, digest) for name, digest in dict(card["files"]).items()]
            elements = str(card["elements"]).split()
            whole = parse(ModelCard, {**card, "elements": elements, "files": files}, cls.section)
        except (KeyError, TypeError, ValueError) as error:
            raise damaged(path, f"trained.card cannot be read ({error})") from error
        if not files:
            raise damaged(path, "trained.card names no files")
        return cls(str(content["method"]), whole)


def read_change(path: Path, content: Mapping[str, object]) -> Change:
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
    methods = installed(METHODS).found
    if not isinstance(method, str) or method not in methods:
        raise damaged(
            path,
            f"method is {method!r}, this version knows {', '.join(methods)}; other packages may add "
            f"methods (entry-point group {METHODS})",
        )
    try:
        kind: type[Change] = methods[method].load().change()
    except (ImportError, AttributeError) as error:
        raise damaged(path, f"the method {method} cannot be had ({error})") from error
    return kind.read(path, content)


def damaged(path: Path, fault: str) -> WeightsError:
    """The error for a card that is not as it was written."""
    return WeightsError(
        f"{path}: {fault}; restore the file that `umlip-finetune fit` wrote, fit again, or update "
        "umlip-bench if a newer version wrote it"
    )


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
