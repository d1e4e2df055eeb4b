"""Packages that a plain installation leaves out, and how to get them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from umlip_bench.ground.errors import UmlipBenchError

EXTRAS = {
    "chgnet": "chgnet",
    "mace": "mace",
    "matgl": "matgl",
    "distributed": "dask",
    "submitit": "slurm",
}
"""Optional dependencies of this distribution, by the package that each brings."""


class MissingExtra(UmlipBenchError):
    """A package that is needed now and that a plain installation does not have."""


@contextmanager
def naming_the_extra() -> Iterator[None]:
    """Say which extra brings a package that is imported within and not installed.

    Raises
    ------
    MissingExtra
        Instead of the error of the import.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise _missing(package) from error


def require(package: str) -> None:
    """Check that a package is installed, if it is one of `EXTRAS`; it is not imported.

    Raises
    ------
    MissingExtra
        If it is not.
    """
    if package in EXTRAS and find_spec(package) is None:
        raise _missing(package)


def _missing(package: str) -> MissingExtra:
    return MissingExtra(
        f"{package} is not installed; pip install 'umlip-bench[{EXTRAS[package]}]' brings it"
    )
