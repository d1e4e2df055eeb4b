"""What all attacks share."""

import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

import umlip_bench
from tests.finetune.test_methods import install

LEFT_OUT = (".shipped.", ".worker.", ".trainer.", ".__main__.", ".adapters.")
"""Parts of the names of modules that are programs, live in other Pythons, or are of trained models."""
OTHERS = ("altair", "dpdata", "pandas", "phonopy", "pyarrow.parquet", "vl_convert")
"""Packages that commands import when they need them."""


@pytest.fixture(scope="session")
def imported() -> None:
    """All modules, so that commands in forks of this process need not import them again."""
    for found in pkgutil.walk_packages(umlip_bench.__path__, f"{umlip_bench.__name__}."):
        if not any(part in f"{found.name}." for part in LEFT_OUT):
            import_module(found.name)
    for name in OTHERS:
        import_module(name)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages with a method of another package, which is fitted in no time."""
    site = tmp_path_factory.mktemp("site")
    install(site, {"mine": "mine_module:Mine"})
    return site


@pytest.fixture(autouse=True)
def mine(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That method is installed, for commands in forks of this process."""
    monkeypatch.syspath_prepend(site)
