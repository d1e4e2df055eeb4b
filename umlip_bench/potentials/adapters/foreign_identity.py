"""What an ASE calculator of any package is: its distribution and version, its source, its arguments."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path
from types import ModuleType

import numpy as np
from ase.calculators.calculator import Calculator

from umlip_bench.ground.errors import WeightsError
from umlip_bench.ground.identity import identity
from umlip_bench.potentials.adapters.calculator_target import CalculatorTarget

SKIPPED = ("builtins", "abc", "typing")
"""Modules of base classes that say nothing of a calculator."""
WORKING = ("directory", "label")
"""Arguments that say where a calculator writes; what lies there is not what it is."""
MAX_FILES = 1000
"""Of a folder that an argument names."""


def foreign_identity(target: CalculatorTarget, written: Mapping[str, object] | None = None) -> str:
    """Digest of what a calculator's numbers depend on, as far as it can be read.

    Parameters
    ----------
    target
        What is called, with its arguments.
    written
        The arguments as a file has them, where paths in them are from its folder.

    Returns
    -------
    str
        Digest of the name; of the source of every module that the class or one of its bases, or the
        function, is defined in (constants beside it count); of the distributions and versions that these
        modules belong to or, of a user's own file, that it imports; of the arguments; and of the files
        and folders that arguments and defaults name. What it cannot see, such as a changed helper
        module, shows in the fingerprint of a run folder.

    Raises
    ------
    UnknownModelError
        If there is no such class or function.
    WeightsError
        If an argument names a folder of too many files.
    """
    factory = target.factory()
    modules = {target.module(), *_modules_of(factory)}
    own_file = target.file is not None
    name = f"ase:{Path(target.where).name if own_file else target.where}:{target.attribute}"
    parts = _parts(modules)
    named = _files({**_defaults(factory), **target.arguments})
    arguments = dict(target.arguments if written is None else written)
    more = (arguments, named) if arguments or named else ()
    return identity("calculator", name, parts, *more)


def object_identity(calculator: Calculator) -> str:
    """Digest of a calculator that is there, as far as it can be read.

    Parameters
    ----------
    calculator
        Its class counts as in `foreign_identity`, its parameters as ASE keeps them, with the files that they
        name, and the weights of torch modules and the calculators that it holds.
    """
    parameters = getattr(calculator, "parameters", {})
    named = _files(parameters if isinstance(parameters, Mapping) else {})
    return identity("object", _parts(_modules_of(type(calculator))), _state(calculator), named)


def legacy_identity(name: str) -> str:
    """Identity that versions before 0.2 gave a calculator, by which older corrected models name it."""
    return hashlib.sha256(name.encode()).hexdigest()


def _modules_of(factory: object) -> set[ModuleType]:
    while isinstance(factory, functools.partial):
        factory = factory.func
    factory = inspect.unwrap(factory) if callable(factory) else type(factory)
    bases = inspect.getmro(factory) if inspect.isclass(factory) else (factory,)
    found = {inspect.getmodule(base) for base in bases}
    return {module for module in found if module is not None and module.__name__ not in SKIPPED}


def _parts(modules: set[ModuleType]) -> dict[str, tuple[str, ...]]:
    """Source and distribution by module; what a user's own file imports, of whichever version."""
    parts: dict[str, tuple[str, ...]] = {}
    for module in modules:
        path = Path(file) if (file := getattr(module, "__file__", None)) else None
        # The name under which a file is imported says where it lies.
        own = path is not None and not _distribution(module.__name__)
        name = path.name if own and path is not None else module.__name__
        source = hashlib.sha256(path.read_bytes()).hexdigest() if path else "built in"
        imported = _imports(path) if own and path is not None and path.suffix == ".py" else ()
        parts[name] = (source, _distribution(module.__name__), *imported)
    return parts


def _imports(path: Path) -> tuple[str, ...]:
    """Distributions that a file imports from, with their versions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module)
    return tuple(sorted(filter(None, {_distribution(name) for name in names})))


def _defaults(factory: object) -> dict[str, object]:
    """Values that a function or class takes where none is given."""
    try:
        parameters = inspect.signature(factory).parameters  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return {}
    return {
        name: each.default
        for name, each in parameters.items()
        if isinstance(each.default, str | Path) and each.default != ""
    }


def _files(arguments: Mapping[str, object]) -> dict[str, list[str]]:
    """Digests of files and folders that arguments name, by the argument."""
    found = {
        name: [digest for text in _texts(value) if (digest := digest_of_path(_path(text)))]
        for name, value in arguments.items()
        if name not in WORKING
    }
    return {name: digests for name, digests in found.items() if digests}


def _path(text: str | Path) -> Path:
    return Path(text).expanduser() if str(text).startswith("~/") else Path(text)


def _texts(value: object) -> Iterator[str | Path]:
    match value:
        case str() | Path():
            yield value
        case Mapping():
            for each in value.values():
                yield from _texts(each)
        case Sequence():
            for each in value:
                yield from _texts(each)


def digest_of_path(path: Path) -> str | None:
    """Digest of a file, or of all files of a folder with their names; ``None`` if there is neither.

    Raises
    ------
    WeightsError
        If a folder has more than `MAX_FILES` files, or one cannot be read.
    """
    try:
        # Of any text: these do not mind what cannot be a path.
        if os.path.isfile(path):
            return hashlib.sha256(path.read_bytes()).hexdigest()
        if not os.path.isdir(path):
            return None
        files = sorted(each for each in path.rglob("*") if each.is_file())
        if len(files) > MAX_FILES:
            raise WeightsError(
                f"{path}, which an argument names, has {len(files)} files, and at most {MAX_FILES} are "
                "read to know a model again; name the file or a smaller folder"
            )
        return identity([(str(f.relative_to(path)), digest_of_path(f)) for f in files])
    except OSError as error:
        raise WeightsError(f"{path}, which an argument names, cannot be read ({error})") from error


def _state(calculator: object) -> list[object]:
    """Parameters as ASE keeps them, and weights and calculators that it holds.

    Other values of an object change while it computes.
    """
    held = {name: kept for name, value in vars(calculator).items() if (kept := _held(value))}
    return [type(calculator).__qualname__, _plain(getattr(calculator, "parameters", {})), held]


def _held(value: object) -> object:
    """Identity of weights and calculators; nothing for anything else."""
    torch = sys.modules.get("torch")
    match value:
        case Calculator():
            return _state(value)
        case Mapping():
            return {str(key): kept for key, each in value.items() if (kept := _held(each))}
        case list() | tuple():
            return [kept for each in value if (kept := _held(each))]
        case _ if torch is not None and isinstance(value, torch.nn.Module):
            tensors = value.state_dict().items()
            return {name: _array_of(tensor) for name, tensor in tensors}
    return None


def _array_of(tensor: object) -> object:
    torch = sys.modules["torch"]
    return tensor.detach().cpu().double().numpy() if isinstance(tensor, torch.Tensor) else None


def _plain(value: object) -> object:
    """A parameter as `identity` takes it; of what cannot be told apart, its class."""
    match value:
        case None | bool() | int() | float() | str() | bytes():
            return value
        case np.generic():
            return value.item()
        case np.ndarray() if value.dtype.kind in "iubfU":
            return value
        case Path():
            return str(value)
        case Mapping():
            return {str(key): _plain(each) for key, each in value.items()}
        case list() | tuple():
            return [_plain(each) for each in value]
    return type(value).__qualname__


def _distribution(module: str) -> str:
    """Name and version of the distribution of a module; empty for a file of the user's."""
    owners = _owners().get(module.partition(".")[0], [])
    return " ".join(f"{owner} {version(owner)}" for owner in sorted(set(owners)))


@cache
def _owners() -> dict[str, list[str]]:
    return dict(packages_distributions())
