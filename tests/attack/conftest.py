"""What all attacks share."""

from pathlib import Path

import pytest

from tests.finetune.test_methods import install


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
