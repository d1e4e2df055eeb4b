"""How a matgl folder sums its messages is told by crystals, not guessed and not believed."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.build import bulk

import umlip_bench
from tests.conftest import LoadModel
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.adapters import matgl_convention
from umlip_bench.potentials.adapters.matgl import _built, read_potential
from umlip_bench.potentials.adapters.matgl_convention import Score
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.trainable import TrainablePotential
from umlip_bench.potentials.weights import Weights, WeightsStore
from umlip_bench.testing.structures import rattled

pytestmark = pytest.mark.model

PUBLISHED = (
    "m3gnet-mp-2021.2.8",
    "m3gnet-matpes-pbe-2025.1",
    "tensornet-matpes-pbe-2025.1",
)
UNLISTED = "TensorNet-MatPES-r2SCAN-v2025.1-PES"
"""A published model that the catalogue does not have, of another functional."""
TENSORNET = "tensornet-matpes-pbe-2025.1"
ATOMS = [
    rattled(bulk("MgO", "rocksalt", a=4.2), seed=1),
    rattled(bulk("SiC", "zincblende", a=4.4), seed=2),
]


@pytest.fixture
def unlisted() -> Path:
    folder = Path(os.environ.get("UMLIP_BENCH_MODELS", "none")) / UNLISTED
    if not folder.is_dir():
        pytest.skip(f"{UNLISTED} is not in $UMLIP_BENCH_MODELS")
    return folder


def unknown(folder: Path, weights: Weights) -> Path:
    """Copy weights so that they are no longer the listed ones: a line break more in the metadata."""
    folder.mkdir()
    for path in weights.paths:
        shutil.copyfile(path, folder / path.name)
    with (folder / "model.json").open("a") as file:
        file.write("\n")
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_published_model_is_of_the_older_convention(
    load_model: LoadModel, name: str, tmp_path: Path
) -> None:
    model = load_model(name)
    folder = unknown(tmp_path / "own", model.weights)
    assert locate(str(folder), WeightsStore()).card.family == "matgl2"
    with pytest.raises(
        WeightsError, match=r"trained the other way, write matgl2:PATH \(matgl: gets"
    ):
        umlip_bench.potential(f"matgl:{folder}", device="cpu")
    for given in (str(folder), f"matgl2:{folder}"):
        found = umlip_bench.potential(given, device="cpu")
        for a, b in zip(predict(model, ATOMS), predict(found, ATOMS), strict=True):
            assert a.energy == b.energy
            np.testing.assert_array_equal(a.forces, b.forces)


def test_another_functional_does_not_mislead(unlisted: Path) -> None:
    """r2SCAN's lattice constants are up to 2.6 % smaller than PBE's, its moduli larger."""
    weights = locate(str(unlisted), WeightsStore())
    assert weights.card.family == "matgl2"
    with pytest.raises(WeightsError, match="trained the other way, write matgl2:PATH"):
        umlip_bench.potential(f"matgl:{unlisted}", device="cpu")
    model = umlip_bench.potential(str(unlisted), device="cpu")
    assert matgl_convention.score(model) == Score(15, 15)


@pytest.fixture
def newer(load_model: LoadModel, tmp_path: Path) -> Path:
    """A TensorNet of the newer convention that is the published one in everything else.

    Summing onto the other atom of an edge exchanges both atoms' species in the message and turns its
    direction round, to which only the antisymmetric part is sensitive.
    """
    module = read_potential(load_model(TENSORNET).weights)
    layer = module.model.tensor_embedding
    with torch.no_grad():
        of_first, of_second = layer.emb2.weight.split(layer.units, dim=1)
        layer.emb2.weight.copy_(torch.cat([of_second, of_first], dim=1))
        layer.distance_proj2.weight.neg_()
        layer.distance_proj2.bias.neg_()
    module.save(tmp_path / "newer")
    return tmp_path / "newer"


def test_a_model_of_the_newer_convention(load_model: LoadModel, newer: Path) -> None:
    assert locate(str(newer), WeightsStore()).card.family == "matgl"
    with pytest.raises(
        WeightsError, match=r"trained the other way, write matgl:PATH \(matgl2: gets"
    ):
        umlip_bench.potential(f"matgl2:{newer}", device="cpu")
    for given in (str(newer), f"matgl:{newer}"):
        found = umlip_bench.potential(given, device="cpu")
        for a, b in zip(predict(load_model(TENSORNET), ATOMS), predict(found, ATOMS), strict=True):
            assert a.energy == pytest.approx(b.energy, abs=1e-4)
            np.testing.assert_allclose(a.forces, b.forces, atol=1e-3)


@pytest.fixture
def untrained(load_model: LoadModel, tmp_path: Path) -> Path:
    """Random weights, which are wrong about crystals both ways."""
    trained = load_model(TENSORNET)
    assert isinstance(trained, TrainablePotential)
    model = trained.copy()
    model.reinitialise(1)
    (tmp_path / "untrained").mkdir()
    model.save_weights(tmp_path / "untrained")
    return tmp_path / "untrained"


def test_what_crystals_do_not_tell_is_refused_without_a_prefix(
    untrained: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(WeightsError, match="which does not tell how it was trained") as caught:
        locate(str(untrained), WeightsStore())
    assert f"Write matgl:{untrained}" in str(caught.value)
    with caplog.at_level(logging.WARNING):
        umlip_bench.potential(f"matgl:{untrained}", device="cpu")
    assert "is taken at its word; crystals do not tell" in caplog.text


@pytest.mark.parametrize("n", [2, 3, 8])
@pytest.mark.parametrize("name", PUBLISHED)
def test_few_crystals_are_enough_from_three_on(
    load_model: LoadModel, name: str, n: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that knows few elements is tried on what it knows."""
    weights = load_model(name).weights
    rng = np.random.default_rng(n)
    chosen = rng.choice(len(matgl_convention.CRYSTALS), size=n, replace=False)
    crystals = tuple(matgl_convention.CRYSTALS[k] for k in sorted(chosen))
    monkeypatch.setattr(matgl_convention, "CRYSTALS", crystals)
    module = read_potential(weights)
    right = matgl_convention.score(
        _built(weights, module, torch.device("cpu"), torch.float32, old=True)
    )
    assert right == Score(n, n)
    assert right.passes == (n >= 3)
    assert not right.fails
