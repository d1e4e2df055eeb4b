"""Models that the tests share: real weights, found as a user's would be, or a true reason to skip."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, Protocol

import pytest
import torch
from filelock import FileLock

import umlip_bench
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.places import ENVIRONMENTS_VARIABLE
from umlip_bench.ground import trust
from umlip_bench.potentials import families
from umlip_bench.potentials.catalogue import card
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential
from umlip_bench.potentials.weights import WeightsStore

from .support.environments import BATCHES, CALCULATORS, built_by_hand

SMALL_MACE = "small-mace"
TRAINER = Path(__file__).parent / "tools" / "train_small_mace.py"

FOREIGN = "ase:ase.calculators.lj:LennardJones"

MARKED_BY_FIXTURE = {
    "load_model": "model",
    "small_mace": "model",
    "chgnet": "model",
    "browser": "browser",
}
"""What a test is marked with for a fixture that it uses, directly or through others."""


ALL_MARKED = re.compile(r"^pytestmark = pytest\.mark\.(\w+)$", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """What tests fit, they trust; not the user who runs them."""
    os.environ[trust.VARIABLE] = tempfile.mkdtemp(prefix="umlip-bench-trusted-")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing is left of it."""
    shutil.rmtree(os.environ[trust.VARIABLE], ignore_errors=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave a file unread whose tests are all of a kind that is not run: its imports take seconds."""
    if collection_path.suffix != ".py":
        return None
    kind = ALL_MARKED.search(collection_path.read_text(encoding="utf-8"))
    expression = config.getoption("markexpr")
    return True if kind and f"not {kind[1]}" in expression.split(" and ") else None


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        for fixture, marker in MARKED_BY_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)


class _MarkedOnly:
    """An installed family, whose trained models only tests marked `model` may load.

    So that `make check` stays what it says: a test that loads one otherwise fails and says why.
    """

    def __init__(self, point: EntryPoint, item: pytest.Item) -> None:
        self.point, self.item = point, item

    def load(self) -> families.Family:
        loader = self.point.load()

        def load(*args: Any, **options: Any) -> Potential:
            potential = loader(*args, **options)
            if isinstance(potential, DifferentiablePotential):
                pytest.fail(f"{self.item.nodeid} loads a model: mark it with pytest.mark.model")
            return potential

        return load


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Around fixtures of every scope and the test itself."""
    if item.get_closest_marker("model"):
        return (yield)
    installed = families.families
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            families,
            "families",
            lambda: {name: _MarkedOnly(point, item) for name, point in installed().items()},
        )
        return (yield)


@pytest.fixture
def calculators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment of ASE calculators to which things happen."""
    monkeypatch.setenv(ENVIRONMENTS_VARIABLE, str(tmp_path / "environments"))
    return built_by_hand(tmp_path / "calculators.py", CALCULATORS)


@pytest.fixture
def batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """An environment of models in the form that torch-sim gives them."""
    monkeypatch.setenv(ENVIRONMENTS_VARIABLE, str(tmp_path / "environments"))
    return built_by_hand(tmp_path / "batches.py", BATCHES)


@cache
def _load(name: str, dtype: str, device: str) -> umlip_bench.Potential:
    return umlip_bench.potential(name, dtype=dtype, device=device)


@pytest.fixture(scope="session")
def small_mace(request: pytest.FixtureRequest) -> Path:
    """A real MACE, trained by the script in the repository; kept in pytest's cache folder."""
    recipe = TRAINER.read_bytes() + torch.__version__.encode()
    cache = request.config.cache
    assert cache is not None
    folder = cache.mkdir("small_mace")
    path = folder / f"{hashlib.sha256(recipe).hexdigest()[:16]}.model"
    # One worker of pytest-xdist trains it, the others wait.
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            part = path.with_suffix(".part")
            subprocess.run([sys.executable, "-W", "ignore", str(TRAINER), str(part)], check=True)
            part.rename(path)
    return path


class LoadModel(Protocol):
    """What the fixture `load_model` is."""

    def __call__(
        self, name: str, dtype: str = "float32", device: str = "cpu"
    ) -> umlip_bench.Potential: ...


@pytest.fixture(scope="session")
def load_model(request: pytest.FixtureRequest) -> LoadModel:
    """Load a model by name once per session; skip where its weights are not on this machine."""

    def load(name: str, dtype: str = "float32", device: str = "cpu") -> umlip_bench.Potential:
        if name == SMALL_MACE:
            name = str(request.getfixturevalue("small_mace"))
        elif not name.startswith("ase:") and WeightsStore().locate(card(name)) is None:
            pytest.skip(
                f"the weights of {name} are not on this machine: run "
                f"`umlip-bench models fetch {name}` or set UMLIP_BENCH_MODELS"
            )
        return _load(name, dtype, device)

    return load
