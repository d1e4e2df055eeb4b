"""ASE calculators as located models: by name, by a small YAML file, or as an object that is there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

from umlip_bench.ground.codec import parse, read_yaml
from umlip_bench.ground.errors import ContentError, UnknownModelError, WeightsError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.model_card import unlisted_card
from umlip_bench.ground.own_card import OwnCard, with_sidecar
from umlip_bench.potentials.adapters.calculator_target import (
    CalculatorTarget,
    Plain,
    is_calculator,
    parse_target,
)
from umlip_bench.potentials.adapters.foreign_identity import (
    digest_of_path,
    foreign_identity,
    object_identity,
)
from umlip_bench.potentials.weights import Origin, Weights

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

FAMILY = "ase"
YAML = (".yaml", ".yml")


class CalculatorWeights(Weights, ABC):
    """A model that is an ASE calculator."""

    @abstractmethod
    def calculator(self) -> Calculator:
        """The calculator, made now if it is not there."""


@dataclass(frozen=True)
class TargetWeights(CalculatorWeights):
    """A calculator that is made when it is loaded.

    Parameters
    ----------
    target
        What makes it.
    named
        What `locate` finds it by, from whichever folder.
    """

    target: CalculatorTarget
    named: str

    def calculator(self) -> Calculator:
        """Make it."""
        return self.target.build()


@dataclass(frozen=True)
class ObjectWeights(CalculatorWeights):
    """A calculator that is there already.

    Parameters
    ----------
    made
        The calculator.
    """

    made: Calculator = field(compare=False)

    def calculator(self) -> Calculator:
        """Itself."""
        return self.made


@dataclass(frozen=True, kw_only=True)
class WeightsOfFile:
    """A file that a calculator reads.

    Parameters
    ----------
    path
        Where it lies, from the folder of the YAML file.
    sha256
        What it must have; not checked where it is left out.
    """

    path: str
    sha256: str | None = None


@dataclass(frozen=True, kw_only=True)
class CalculatorFile(OwnCard):
    """A calculator as it stands in YAML, with what is known of the model.

    Parameters
    ----------
    target
        ``module.path:NAME`` or ``./file.py:NAME``, from the folder of the YAML file.
    arguments
        It is called with these; a text that begins with ``./`` or ``../`` is a path from that folder.
    weights
        Files that it reads, by whatever way.
    """

    target: str
    arguments: Mapping[str, Plain] = field(default_factory=dict)
    weights: tuple[WeightsOfFile, ...] = ()


def calculator_by_name(name: str) -> TargetWeights:
    """What ``ase:WHERE:NAME?key=value`` stands for; the module is imported, nothing is made.

    Raises
    ------
    UnknownModelError
        If there is no such class or function.
    WeightsError
        If an argument names a folder of too many files.
    """
    target = parse_target(name)
    digest = foreign_identity(target)
    card, named = unlisted_card(name, FAMILY), name
    if target.file is not None:
        card = with_sidecar(card, target.file)
        named = name.replace(target.where, str(target.file.resolve()), 1)
    if card.elements:
        digest = identity(digest, card.elements)
    return TargetWeights(card, (), Origin.GIVEN, digest, target, named)


def calculator_in_yaml(path: Path) -> TargetWeights:
    """What a small YAML file says of a calculator.

    Raises
    ------
    ContentError
        If it is no such file; names the field.
    UnknownModelError, WeightsError
        As `calculator_by_name`, and if a file of weights is missing or another one.
    """
    content = read_yaml(path)
    if not isinstance(content, dict) or "target" not in content:
        raise ContentError(
            f"{path} has no 'target', which a calculator in YAML needs: 'target: module.path:NAME' or "
            "'target: ./file.py:NAME'"
        )
    said = parse(CalculatorFile, content, str(path))
    folder = path.resolve().parent
    where, _, attribute = said.target.rpartition(":")
    if where.endswith(".py"):
        where = str(folder / where)
    arguments = {name: _from_folder(value, folder) for name, value in said.arguments.items()}
    target = CalculatorTarget(
        named=str(path), where=where, attribute=attribute, arguments=arguments
    )
    files = {each.path: _checked(folder / each.path, each, path) for each in said.weights}
    own = OwnCard(**{each.name: getattr(said, each.name) for each in fields(OwnCard)})
    card = own.put_on(unlisted_card(path.stem, FAMILY), str(path))
    # Where the folder lies is not what the model is.
    digest = identity(foreign_identity(target, said.arguments), files, card.elements)
    return TargetWeights(card, (), Origin.GIVEN, digest, target, str(path.resolve()))


def calculator_object(calculator: Calculator, name: str | None = None) -> ObjectWeights:
    """A calculator that is there, as a model.

    Parameters
    ----------
    calculator
        Any ASE calculator.
    name
        By which tables call it; by default its class.

    Raises
    ------
    UnknownModelError
        If it is none.
    """
    if not is_calculator(calculator) or isinstance(calculator, type):
        raise UnknownModelError(
            f"{calculator!r} is neither the name of a model nor an ASE calculator; give a name, a path, a "
            "calculator or a Potential"
        )
    card = unlisted_card(name or type(calculator).__name__, FAMILY)
    digest = object_identity(calculator)
    return ObjectWeights(card, (), Origin.GIVEN, digest, calculator)


def _from_folder(value: object, folder: Path) -> Plain:
    match value:
        case str() if value.startswith(("./", "../")):
            return str((folder / value).resolve())
        case dict():
            return {name: _from_folder(each, folder) for name, each in value.items()}
        case list():
            return [_from_folder(each, folder) for each in value]
        case None | bool() | int() | float() | str():
            return value
    raise ContentError(f"{value!r} of type {type(value).__name__} is no plain argument")


def _checked(file: Path, said: WeightsOfFile, where: Path) -> str:
    digest = digest_of_path(file)
    if digest is None:
        raise WeightsError(f"{where}: weights: there is no {file}")
    if said.sha256 is not None and said.sha256.lower() != digest:
        raise WeightsError(
            f"{where}: weights: {file} has sha256 {digest}, not {said.sha256}; bring the file back that is "
            "meant, or correct the entry"
        )
    return digest
