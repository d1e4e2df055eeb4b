"""What a calculator is made of: ``ase:module.path:factory`` or ``ase:./file.py:factory``, with arguments."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING
from urllib.parse import unquote

from umlip_bench.ground.errors import UnknownModelError

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

FORM = "ase:module.path:ClassName or ase:./file.py:function, with arguments ase:...:NAME?key=value&key=value"
EXAMPLE = "ase:ase.calculators.emt:EMT"

Plain = bool | int | float | str | list[object] | dict[str, object] | None
"""What an argument can be: what JSON and YAML know."""


@dataclass(frozen=True, kw_only=True)
class CalculatorTarget:
    """A class or function of any package or file, and what it is called with.

    Parameters
    ----------
    named
        By whom it was asked for, for messages.
    where
        Name of a module, or path of a Python file.
    attribute
        The class or function in it, or a calculator that is there.
    arguments
        By name.
    """

    named: str
    where: str
    attribute: str
    arguments: Mapping[str, Plain] = field(default_factory=dict)

    @property
    def file(self) -> Path | None:
        """The Python file, if it is one."""
        return Path(self.where) if self.where.endswith(".py") else None

    def module(self) -> ModuleType:
        """The module, imported now; a file anew if it is not what it was.

        Raises
        ------
        UnknownModelError
            If there is none, or importing it fails.
        """
        if not self.where or not self.attribute:
            raise UnknownModelError(
                f"{self.named!r} does not name a calculator; write {FORM}, e.g. {EXAMPLE}"
            )
        if self.file is not None and not self.file.is_file():
            raise UnknownModelError(f"{self.named!r}: there is no file {self.where}")
        folder = Path.cwd() if self.file is None else self.file.resolve().parent
        # At the end, so that nothing of what is installed is hidden by files that lie there.
        if str(folder) not in sys.path and "" not in sys.path:
            sys.path.append(str(folder))
        try:
            if self.file is not None:
                return _imported(self.file.resolve())
            return importlib.import_module(self.where)
        except Exception as error:  # someone else's module
            raise UnknownModelError(
                f"{self.named!r}: {self.where} cannot be imported ({type(error).__name__}: {error}); write "
                f"{FORM}, of an installed package or a file here"
            ) from error

    def factory(self) -> object:
        """The class, function or calculator.

        Raises
        ------
        UnknownModelError
            If the module has none of this name.
        """
        module = self.module()
        try:
            return getattr(module, self.attribute)
        except AttributeError:
            own = [
                name
                for name, value in vars(module).items()
                if callable(value) and getattr(value, "__module__", None) == module.__name__
            ]
            has = f"; it defines {', '.join(own)}" if own else ""
            raise UnknownModelError(
                f"{self.named!r}: {getattr(module, '__file__', None) or module.__name__} has no "
                f"{self.attribute!r}{has}"
            ) from None

    def build(self) -> Calculator:
        """The calculator.

        Raises
        ------
        UnknownModelError
            If it cannot be made, or what is made is no ASE calculator.
        """
        made = self.factory()
        if inspect.isclass(made) or not is_calculator(made):
            made = self._made(made)
        elif self.arguments:
            raise UnknownModelError(
                f"{self.named!r}: {self.attribute} is a calculator already, and takes no arguments"
            )
        if not is_calculator(made):
            raise UnknownModelError(
                f"{self.named!r} is not an ASE calculator but {type(made)}; what is named has to be one, or "
                "a class or function that gives one"
            )
        return made

    def _made(self, factory: object) -> object:
        if not callable(factory):
            raise UnknownModelError(f"{self.named!r} is not callable but {type(factory)}")
        given = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        try:
            return factory(**self.arguments)
        except Exception as error:  # someone else's constructor
            call = f"with {given}" if given else "without arguments"
            raise UnknownModelError(
                f"{self.named!r} cannot be constructed {call} ({type(error).__name__}: {error}); "
                f"arguments are written ase:...:NAME?key=value&key=value{_signature(factory)}"
            ) from error


def parse_target(name: str) -> CalculatorTarget:
    """Take ``ase:WHERE:NAME?key=value&key=value`` apart.

    Values are read as JSON reads them (numbers, ``true``, ``null``, lists) or as Python writes them
    (``True``, ``None``); all else is text, in which ``%26`` stands for ``&``.

    Raises
    ------
    UnknownModelError
        If an argument has no value, or is given twice.

    Examples
    --------
    >>> target = parse_target("ase:./mine.py:make?model=7net-0&cutoff=5.5&modal=PBE")
    >>> target.where, target.attribute, dict(target.arguments)
    ('./mine.py', 'make', {'model': '7net-0', 'cutoff': 5.5, 'modal': 'PBE'})
    """
    target, _, query = name.partition(":")[2].partition("?")
    where, _, attribute = target.rpartition(":")
    arguments: dict[str, Plain] = {}
    for part in filter(None, query.split("&")):
        key, equals, value = part.partition("=")
        if not equals or not key.isidentifier() or key in arguments:
            raise UnknownModelError(
                f"{name!r}: {part!r} is no argument, or one that is given twice; write {FORM}"
            )
        arguments[key] = _value(unquote(value))
    return CalculatorTarget(named=name, where=where, attribute=attribute, arguments=arguments)


def is_calculator(thing: object) -> bool:
    """Whether something has what ASE calls of a calculator."""
    return hasattr(thing, "get_potential_energy") and hasattr(thing, "get_forces")


_WORDS: Mapping[str, Plain] = {"True": True, "False": False, "None": None}


def _value(text: str) -> Plain:
    if text in _WORDS:
        return _WORDS[text]
    try:
        value: Plain = json.loads(text, parse_constant=_refuse)
        return value
    except ValueError:
        return text


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _signature(factory: object) -> str:
    try:
        return f"; it takes {inspect.signature(factory)}"  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return ""


def _imported(path: Path) -> ModuleType:
    """A file as a module, which is kept as long as the file stays the same."""
    digest = hashlib.sha256(str(path).encode() + b"\0" + path.read_bytes()).hexdigest()[:16]
    name = f"{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses and inspection look their module up there.
    sys.modules[name] = module
    try:
        # Not by the loader's cache: two versions of a file may be of one second and size.
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    return module
