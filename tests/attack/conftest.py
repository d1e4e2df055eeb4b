"""What all attacks share."""

from collections.abc import Iterator

import pytest

from tests.finetune.test_methods import install


@pytest.fixture(scope="session", autouse=True)
def mine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A method of another package, which is fitted in no time."""
    site = tmp_path_factory.mktemp("site")
    install(site, {"mine": "mine_module:Mine"})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(site)
        yield
