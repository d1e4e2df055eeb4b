"""Version of the package, and of others beside it."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import metadata

__version__ = "0.2.0"

RECORDED_PACKAGES = (
    "ase",
    "chgnet",
    "e3nn",
    "mace-torch",
    "matgl",
    "numpy",
    "phonopy",
    "pymatgen",
    "seekpath",
    "spglib",
    "torch",
)
"""That results depend on, kept as provenance."""


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of distributions by name; one that is not installed is left out."""
    found = {}
    for package in packages:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found
