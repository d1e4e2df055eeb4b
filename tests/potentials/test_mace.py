"""MACE: the path that the published models take, with a small one trained here."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import umlip_bench
from umlip_bench import datasets
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import WeightsError

from ..conftest import SMALL_MACE, LoadModel

CHECK_CONTAINED = """
import os, torch
import umlip_bench.potentials.adapters.mace
assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ
class Harmless:
    def __reduce__(self):
        return (print, ("code from a file was run",))
torch.save(Harmless(), "untrusted.pt")
try:
    torch.load("untrusted.pt")
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.seconds
def test_importing_mace_leaves_torch_load_as_it_was(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHECK_CONTAINED],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "UnpicklingError"


def test_local_file_by_its_path(small_mace: Path) -> None:
    model = umlip_bench.potential(str(small_mace), device="cpu")
    assert model.card.family == "mace"
    assert model.card.level_of_theory.functional == "unknown"
    assert set(model.card.elements) >= {"Al", "Cl", "Sr"}


def test_it_learned_something(load_model: LoadModel) -> None:
    """Better than predicting no force at all, by the sum of squares, on its own training set."""
    frames = datasets.load("pbe-mini").frames
    model = load_model(SMALL_MACE)
    predictions = predict(model, [frame.atoms for frame in frames])
    dft = np.concatenate([frame.forces for frame in frames])
    mace = np.concatenate([p.forces for p in predictions])
    assert ((mace - dft) ** 2).sum() < 0.8 * (dft**2).sum()


def test_heads_are_named_where_there_are_several(small_mace: Path, tmp_path: Path) -> None:
    module = torch.load(small_mace, weights_only=False)
    module.heads = ["pbe", "r2scan"]
    path = tmp_path / "two_heads.model"
    torch.save(module, path)
    with pytest.raises(WeightsError, match="has the heads pbe, r2scan"):
        umlip_bench.potential(str(path), device="cpu")


@pytest.mark.seconds
def test_unreadable_and_foreign_content(tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.model"
    garbage.write_bytes(b"not a model")
    with pytest.raises(
        WeightsError, match=r"garbage\.model .*not a whole file as written by torch\.save"
    ):
        umlip_bench.potential(str(garbage), device="cpu")
    other = tmp_path / "other.model"
    torch.save(torch.nn.Linear(2, 2), other)
    with pytest.raises(WeightsError, match="holds a Linear, not a MACE energy model"):
        umlip_bench.potential(str(other), device="cpu")
