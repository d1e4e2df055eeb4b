"""What an ASE calculator of any package is: its distribution and version, its source, its arguments."""

from __future__ import annotations

import hashlib
import importlib
import inspect
from functools import cache
from importlib.metadata import packages_distributions, version
from pathlib import Path

from umlip_bench.ground.errors import UnknownModelError
from umlip_bench.ground.identity import identity

SKIPPED = ("builtins", "abc", "typing")
"""Modules of base classes that say nothing of a calculator."""


def calculator_class(name: str) -> object:
    """What ``ase:module.path:ClassName`` names; imported now.

    Raises
    ------
    UnknownModelError
        If there is no such module or class.
    """
    _, _, target = name.partition(":")
    module_name, _, class_name = target.partition(":")
    if not module_name or not class_name:
        raise UnknownModelError(
            f"{name!r} does not name a calculator; write ase:module.path:ClassName, "
            "e.g. ase:ase.calculators.emt:EMT"
        )
    try:
        return getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise UnknownModelError(
            f"{name!r}: {error}; write ase:module.path:ClassName of an installed package"
        ) from error


def foreign_identity(name: str) -> str:
    """Digest of what a calculator's numbers depend on, as far as it can be read.

    Parameters
    ----------
    name
        ``ase:module.path:ClassName``.

    Returns
    -------
    str
        Digest of the name; of the source of every module that the class or one of its bases is defined in
        (constants beside the class count); and of the distributions and versions that these modules
        belong to. What it cannot see, such as a changed helper module or data file, shows in the
        fingerprint of a run folder.

    Raises
    ------
    UnknownModelError
        If there is no such class.
    """
    target = calculator_class(name)
    bases = inspect.getmro(target) if inspect.isclass(target) else (target,)
    modules = {inspect.getmodule(base) for base in bases}
    parts: dict[str, tuple[str, str]] = {}
    for module in modules:
        if module is None or module.__name__ in SKIPPED:
            continue
        path = getattr(module, "__file__", None)
        source = hashlib.sha256(Path(path).read_bytes()).hexdigest() if path else "built in"
        parts[module.__name__] = (source, _distribution(module.__name__))
    return identity("calculator", name, parts)


def legacy_identity(name: str) -> str:
    """Identity that versions before 0.2 gave a calculator, by which older corrected models name it."""
    return hashlib.sha256(name.encode()).hexdigest()


def _distribution(module: str) -> str:
    """Name and version of the distribution of a module; empty for a file of the user's."""
    owners = _owners().get(module.partition(".")[0], [])
    return " ".join(f"{owner} {version(owner)}" for owner in sorted(set(owners)))


@cache
def _owners() -> dict[str, list[str]]:
    return dict(packages_distributions())
