"""Models that the tests share: real weights, found as a user's would be, or a true reason to skip."""

import hashlib
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch

import umlip_bench
from umlip_bench.potentials.catalogue import card
from umlip_bench.potentials.weights import WeightsStore

SMALL_MACE = "small-mace"
TRAINER = Path(__file__).parent / "tools" / "train_small_mace.py"

FOREIGN = "ase:ase.calculators.lj:LennardJones"


@cache
def _load(name: str, dtype: str, device: str) -> umlip_bench.Potential:
    return umlip_bench.potential(name, dtype=dtype, device=device)


@pytest.fixture(scope="session")
def small_mace(request: pytest.FixtureRequest) -> Path:
    """A real MACE, trained by the script in the repository; kept in pytest's cache folder."""
    recipe = TRAINER.read_bytes() + torch.__version__.encode()
    folder = request.config.cache.mkdir("small_mace")
    path = folder / f"{hashlib.sha256(recipe).hexdigest()[:16]}.model"
    if not path.exists():
        part = path.with_suffix(".part")
        subprocess.run([sys.executable, "-W", "ignore", str(TRAINER), str(part)], check=True)
        part.rename(path)
    return path


@pytest.fixture(scope="session")
def load_model(request: pytest.FixtureRequest):
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
