"""Trained models on disk: complete, the family's own format, and the same on another machine."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from ase import Atoms

import umlip_bench
from tests.conftest import LoadModel
from tests.support.narrowing import as_a
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.folder import save
from umlip_bench.finetune.method import Surroundings, method
from umlip_bench.finetune.references import fit_references
from umlip_bench.finetune.training.fit import Training
from umlip_bench.finetune.training.plot import HISTORY, PLOT
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError, WeightsError
from umlip_bench.potentials.corrections.modification import ReferenceShift
from umlip_bench.potentials.corrections.shifted import shifted
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import WeightsStore

from ..conftest import FOREIGN, SMALL_MACE
from ..support.labels import labelled, stiffer
from ..support.structures import distorted

CHGNET, M3GNET = "chgnet-0.3.0", "m3gnet-mp-2021.2.8"
BRIEF = TrainingSettings(epochs=1)


def trained(potential: Potential, by: str = "full") -> Training:
    frames = labelled(stiffer(potential, 1.25), distorted(1))
    return as_a(Training, method(by).fit(potential, frames, BRIEF, Surroundings(others={})))


def save_training(training: Training, folder: Path) -> Path:
    return save(training, training.parent, folder)


@pytest.fixture(scope="module")
def kept(load_model: LoadModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to copy and spoil."""
    folder = tmp_path_factory.mktemp("kept") / "mine"
    return save_training(trained(load_model(CHGNET), "head"), folder)


def identical(one: Potential, other: Potential, structures: list[Atoms]) -> None:
    for a, b in zip(predict(one, structures), predict(other, structures), strict=True):
        assert a.energy == b.energy
        np.testing.assert_array_equal(a.forces, b.forces)
        np.testing.assert_array_equal(a.stress, b.stress)


@pytest.mark.parametrize(
    "name",
    [
        CHGNET,
        M3GNET,
        SMALL_MACE,
        pytest.param("chgnet-0.2.0", marks=pytest.mark.slow),
        pytest.param("tensornet-matpes-pbe-2025.1", marks=pytest.mark.slow),
    ],
)
def test_loads_elsewhere_with_the_same_predictions(
    load_model: LoadModel, name: str, tmp_path: Path
) -> None:
    parent = load_model(name)
    training = trained(parent)
    save_training(training, tmp_path / "mine")
    shutil.move(tmp_path / "mine", tmp_path / "other" / "place")
    folder = tmp_path / "other" / "place"
    found = umlip_bench.potential(str(folder), device="cpu")
    structures = [*distorted(2), *distorted(1, "SiC")]
    identical(training.potential, found, structures)
    assert type(found) is type(parent)
    assert (found.card.name, found.card.parent) == ("place", parent.card.name)
    assert found.card.level_of_theory == parent.card.level_of_theory
    assert found.card.elements == parent.card.elements
    assert found.weights.sha256 != parent.weights.sha256
    assert (
        abs(predict(parent, structures)[0].forces - predict(found, structures)[0].forces).max() > 0
    )
    assert {PLOT, HISTORY, "card.yaml", "weights"} == {path.name for path in folder.iterdir()}


def test_the_library_reads_its_own_format(load_model: LoadModel, tmp_path: Path) -> None:
    from chgnet.model.model import CHGNet

    training = trained(load_model(CHGNET))
    folder = save_training(training, tmp_path / "mine")
    module = CHGNet.from_file(folder / "weights" / "model.pth.tar")
    ours = training.potential.module.state_dict()
    assert all((value == ours[name]).all() for name, value in module.state_dict().items())
    assert module.version is None  # it is no longer the published one


def test_old_message_direction_survives(load_model: LoadModel, tmp_path: Path) -> None:
    from umlip_bench.potentials.adapters.matgl import MatglPotential
    from umlip_bench.potentials.adapters.matgl_mending import SecondAtomConv

    training = trained(load_model(M3GNET))
    folder = save_training(training, tmp_path / "mine")
    again = trained(umlip_bench.potential(str(folder), device="cpu"), "head")
    path = save_training(again, tmp_path / "again")
    second = as_a(MatglPotential, umlip_bench.potential(str(path), device="cpu"))
    assert all(isinstance(b.conv, SecondAtomConv) for b in second.model.graph_layers)
    identical(again.potential, second, distorted(1, "SiC"))
    assert second.card.parent == "mine"
    assert second.card.trained_with == load_model(M3GNET).card.trained_with


def test_the_card_says_how_it_was_made(load_model: LoadModel, tmp_path: Path) -> None:
    parent = load_model(CHGNET)
    training = trained(parent)
    content = yaml.safe_load((save_training(training, tmp_path / "m") / "card.yaml").read_text())
    assert content["method"] == "full"
    assert content["parent"]["sha256"] == parent.weights.sha256
    assert content["labels"]["sha256"] == training.fit.labels_sha256
    assert content["fit"]["settings"]["force_weight"] == 100.0
    assert content["fit"]["split"] == {"training": [0], "validation": []}
    assert content["fit"]["energies"]["use"] == "forces and stress only"
    assert content["fit"]["checks"][0]["before"]["force_slope"] == pytest.approx(0.8, abs=1e-3)
    assert set(content["made"]) >= {"torch", "chgnet", "umlip_bench"}


def test_every_training_has_its_own_digest(load_model: LoadModel, tmp_path: Path) -> None:
    parent = load_model(CHGNET)
    digests = {parent.weights.sha256}
    for by in ("head", "full"):
        folder = save_training(trained(parent, by), tmp_path / by)
        digests.add(locate(str(folder), WeightsStore()).sha256)
    assert len(digests) == 3


def test_damaged_weights_are_refused(kept: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(kept, tmp_path / "mine"))
    weights = folder / "weights" / "model.pth.tar"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    with pytest.raises(WeightsError, match=r"model\.pth\.tar"):
        locate(str(folder), WeightsStore())
    weights.unlink()
    with pytest.raises(WeightsError, match=r"model\.pth\.tar"):
        locate(str(folder), WeightsStore())


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda c: c.update(method="magic"), "this version knows e0, full, head, lora, scalar"),
        (lambda c: c["trained"].pop("card"), "not the card of a model"),
        (lambda c: c["trained"]["card"].update(files={}), "names no files"),
        (lambda c: c["trained"]["card"].update(files={"../x": "0" * 64}), "not a file's name"),
        (lambda c: c["trained"]["card"].update(unknown=1), "cannot be read"),
    ],
)
def test_damaged_cards_are_refused(
    kept: Path, tmp_path: Path, spoil: Callable[..., Any], message: str
) -> None:
    folder = Path(shutil.copytree(kept, tmp_path / "mine"))
    path = folder / "card.yaml"
    content = yaml.safe_load(path.read_text())
    spoil(content)
    path.write_text(yaml.safe_dump(content))
    with pytest.raises(WeightsError, match=message):
        locate(str(folder), WeightsStore())


def test_from_scratch_is_not_kept(load_model: LoadModel, tmp_path: Path) -> None:
    with pytest.raises(CorrectionError, match="comparison only"):
        save_training(trained(load_model(CHGNET), "scratch"), tmp_path / "mine")


class TestReferences:
    """The method e0."""

    @pytest.mark.parametrize("name", [CHGNET, FOREIGN])
    def test_planted_shifts_are_recovered(
        self, load_model: LoadModel, name: str, tmp_path: Path
    ) -> None:
        model = load_model(name)
        structures = [*distorted(2), *distorted(2, "SiC")]
        planted = ReferenceShift({"Si": 1.25, "C": -3.5})
        truth = shifted(model.weights, model, planted)
        fit = fit_references(model, labelled(truth, structures))
        assert fit.shifts == pytest.approx(planted.shifts, abs=1e-9)
        assert fit.energy_mae.after == pytest.approx(0.0, abs=1e-9)

        folder = save(fit, model, tmp_path / "mine")
        found = umlip_bench.potential(str(folder), device="cpu")
        for a, b, c in zip(*(predict(m, structures) for m in (found, truth, model)), strict=True):
            assert a.energy == pytest.approx(b.energy, abs=1e-8)
            np.testing.assert_array_equal(a.forces, c.forces)
        references = found.element_references() - model.element_references()
        assert references[[6, 14]] == pytest.approx([-3.5, 1.25])
        assert found.weights.sha256 != model.weights.sha256

    def test_energies_are_needed(self, load_model: LoadModel) -> None:
        model = load_model(CHGNET)
        (frame,) = labelled(model, distorted(1))
        object.__setattr__(frame, "energy", float("nan"))
        with pytest.raises(CorrectionError, match="has an energy"):
            fit_references(model, [frame])

    def test_scaling_on_top_of_a_shift(self, load_model: LoadModel) -> None:
        """Corrections stack: references move with the shift, so that scaling leaves them alone."""
        model = load_model(CHGNET)
        shift = shifted(model.weights, model, ReferenceShift({"Si": 2.0}))
        (frame,) = distorted(1)
        one, other = (predict(stiffer(m, 1.5), frame)[0].energy for m in (model, shift))
        assert other - one == pytest.approx(2 * 2.0, abs=1e-6)
