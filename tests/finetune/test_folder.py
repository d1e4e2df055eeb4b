"""A corrected model on disk: loads anywhere, as what it was; says what is wrong with it otherwise."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase.build import bulk

import umlip_bench
from tests.conftest import LoadModel
from tests.support.narrowing import as_a
from umlip_bench import datasets, finetune
from umlip_bench.datasets.frame import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune import Estimator
from umlip_bench.finetune.scalar_fit import ScalarFit
from umlip_bench.ground.errors import CorrectionError, OutputError, WeightsError
from umlip_bench.potentials.corrections.folder import CARD, read_correction
from umlip_bench.potentials.corrections.scaled import ScaledPotential
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.testing.structures import rattled

from ..conftest import FOREIGN

CHGNET = "chgnet-0.3.0"
ATOMS = [rattled(bulk("MgO", "rocksalt", a=4.2), seed=1), rattled(bulk("Al", cubic=True), seed=2)]


@pytest.fixture(scope="module")
def frames() -> tuple[Frame, ...]:
    return datasets.load("pbe-mini").by_system()["MgO"]


@pytest.fixture(scope="module")
def chgnet() -> Potential:
    return umlip_bench.potential(CHGNET, device="cpu")


@pytest.fixture(scope="module")
def fit(chgnet: Potential, frames: tuple[Frame, ...]) -> ScalarFit:
    return finetune.fit_scalar(chgnet, frames, estimator=Estimator.MSE)


@pytest.fixture
def folder(fit: ScalarFit, chgnet: Potential, tmp_path: Path) -> Path:
    source = finetune.LabelSource("mgo.xyz", "0" * 64)
    return finetune.save(fit, chgnet, tmp_path / "mine" / "chgnet-mgo", source)


def edit(folder: Path, **changes: object) -> None:
    path = folder / CARD
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | changes))


def same(a: list[Prediction], b: list[Prediction]) -> None:
    for one, other in zip(a, b, strict=True):
        assert one.energy == other.energy
        np.testing.assert_array_equal(one.forces, other.forces)
        np.testing.assert_array_equal(one.stress, other.stress)


def sha256(folder: Path) -> str:
    return locate(str(folder), WeightsStore()).sha256


# ---- round trips


def test_what_is_loaded_is_what_was_fitted(
    folder: Path, fit: ScalarFit, chgnet: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(folder, moved)
    monkeypatch.chdir(tmp_path)
    loaded = umlip_bench.potential("elsewhere", device="cpu")
    assert as_a(ScaledPotential, loaded).factor == fit.factor
    for before, after in zip(predict(chgnet, ATOMS), predict(loaded, ATOMS), strict=True):
        np.testing.assert_array_equal(after.forces, fit.factor * before.forces)
    same(predict(loaded, ATOMS), predict(umlip_bench.potential(str(moved), device="cpu"), ATOMS))
    same(
        predict(loaded, ATOMS),
        predict(umlip_bench.potential("corrected:elsewhere", device="cpu"), ATOMS),
    )
    atoms = ATOMS[0].copy()
    atoms.calc = umlip_bench.load("elsewhere", device="cpu")
    assert atoms.get_potential_energy() == predict(loaded, atoms)[0].energy


def test_the_card_of_a_loaded_model(folder: Path, fit: ScalarFit, chgnet: Potential) -> None:
    card = umlip_bench.potential(str(folder), device="cpu").card
    assert (card.name, card.family, card.parent) == ("chgnet-mgo", "corrected", CHGNET)
    # What the parent learned with its energies is scaled with them.
    expected = replace(chgnet.card.level_of_theory, corrections_factor=fit.factor)
    assert card.level_of_theory == expected
    assert card.elements == chgnet.card.elements
    assert card.n_parameters == chgnet.card.n_parameters


def test_the_card_says_how_it_was_made(
    folder: Path, fit: ScalarFit, frames: tuple[Frame, ...]
) -> None:
    content = yaml.safe_load((folder / CARD).read_text())
    assert content["name"] == "chgnet-mgo"
    assert content["method"] == "scalar"
    assert content["parent"]["sha256"] == locate(CHGNET, WeightsStore()).sha256
    assert content["fit"]["estimator"] == "mse"
    assert content["fit"]["interval"] == list(fit.interval)
    assert content["fit"]["forces"]["split"] == "leave one frame out"
    assert content["labels"]["n_frames"] == len(frames)
    assert content["labels"]["n_components"] == sum(f.forces.size for f in frames)
    assert content["labels"]["source"]["name"] == "mgo.xyz"
    assert {"date", "umlip_bench", "torch"} <= set(content["made"])


def test_a_model_without_a_name_travels_along(fit: ScalarFit, tmp_path: Path) -> None:
    """A checkpoint of one's own is copied into the folder."""
    import torch

    original = locate(CHGNET, WeightsStore()).paths[0]
    content = torch.load(original, map_location="cpu", weights_only=False)
    content["of my own"] = True
    (tmp_path / "there").mkdir()
    own = tmp_path / "there" / "own.pth.tar"
    torch.save(content, own)
    parent = umlip_bench.potential(str(own), device="cpu")
    folder = finetune.save(fit, parent, tmp_path / "corrected")
    shutil.rmtree(tmp_path / "there")
    moved = tmp_path / "moved"
    folder.rename(moved)
    loaded = umlip_bench.potential(str(moved), device="cpu")
    assert loaded.card.parent == "own"
    np.testing.assert_array_equal(
        predict(loaded, ATOMS)[0].forces, fit.factor * predict(parent, ATOMS)[0].forces
    )

    shutil.rmtree(moved / "parent")
    with pytest.raises(WeightsError, match="copy the whole folder"):
        locate(str(moved), WeightsStore())


def test_a_matgl_folder_of_one_s_own_travels_along(
    fit: ScalarFit, load_model: LoadModel, tmp_path: Path
) -> None:
    listed = load_model("m3gnet-mp-2021.2.8").weights
    own = tmp_path / "own"
    own.mkdir()
    for path in listed.paths:
        shutil.copy(path, own)
    (own / "notes.txt").write_text("mine")
    # One changed byte of what is not read, so that it no longer is the listed model.
    text = (own / "model.json").read_text()
    (own / "model.json").write_text(text + "\n")
    parent = umlip_bench.potential(f"matgl2:{own}", device="cpu")
    folder = finetune.save(fit, parent, tmp_path / "corrected")
    loaded = umlip_bench.potential(str(folder), device="cpu")
    assert read_correction(folder).parent.family == "matgl2"
    np.testing.assert_array_equal(
        predict(loaded, ATOMS)[0].forces, fit.factor * predict(parent, ATOMS)[0].forces
    )


def test_a_corrected_model_can_be_corrected(folder: Path, fit: ScalarFit, tmp_path: Path) -> None:
    once = umlip_bench.potential(str(folder), device="cpu")
    twice = finetune.save(fit, once, tmp_path / "twice")
    shutil.rmtree(folder)
    loaded = umlip_bench.potential(str(twice), device="cpu")
    assert loaded.card.parent == "chgnet-mgo"
    np.testing.assert_allclose(
        predict(loaded, ATOMS)[0].forces, fit.factor * predict(once, ATOMS)[0].forces, rtol=1e-12
    )


def test_a_foreign_calculator(tmp_path: Path) -> None:
    parent = umlip_bench.potential(FOREIGN, device="cpu")
    atoms = rattled(bulk("Ar", "fcc", a=1.6, cubic=True), seed=3, amplitude=0.02)
    (prediction,) = predict(parent, atoms)
    labelled = datasets.Frame(atoms, -1.0, 1.25 * prediction.forces, None, "Ar", 0)
    fit = finetune.fit_scalar(
        parent, [labelled], estimator=Estimator.ROTATE, references={"Ar": -0.1}
    )
    assert fit.factor == pytest.approx(1.25, rel=1e-12)
    folder = finetune.save(fit, parent, tmp_path / "lj-mine")
    loaded = umlip_bench.potential(str(folder), device="cpu")
    assert loaded.card.parent == FOREIGN
    (after,) = predict(loaded, atoms)
    n = len(atoms)
    assert after.energy == pytest.approx(-0.1 * n + 1.25 * (prediction.energy + 0.1 * n))


# ---- what a run's keys depend on


def test_the_digest_changes_with_the_factor_and_the_parent(folder: Path) -> None:
    first = sha256(folder)
    content = yaml.safe_load((folder / CARD).read_text())
    edit(folder, made={}, fit={})
    assert sha256(folder) == first
    edit(folder, scalar={"factor": np.nextafter(content["scalar"]["factor"], 2).item()})
    assert sha256(folder) != first
    edit(folder, scalar=content["scalar"] | {"references": {"Mg": 0.0, "O": 0.0}})
    assert sha256(folder) != first
    other = locate("chgnet-0.2.0", WeightsStore())
    edit(
        folder,
        scalar=content["scalar"],
        parent={"name": "chgnet-0.2.0", "family": "chgnet", "sha256": other.sha256},
    )
    assert sha256(folder) != first


# ---- folders that are not whole


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 2}, "schema is 2, this version reads 1"),
        ({"method": "magic"}, "method is 'magic', this version knows e0, full, head, lora, scalar"),
        ({"parent": None}, "parent is None"),
        ({"parent": {"name": CHGNET, "family": "chgnet"}}, "parent.sha256 is None"),
        ({"scalar": {"factor": -1.0}}, "scalar.factor is -1.0"),
        ({"scalar": {"factor": "1.2"}}, "scalar.factor is '1.2'"),
        ({"scalar": {"factor": True}}, "scalar.factor is True"),
        ({"scalar": {"factor": 1.2, "references": {"Xx": 0.0}}}, "has 'Xx': 0.0"),
        (
            {"parent": {"name": "a", "family": "mace", "sha256": "0", "path": "../a.model"}},
            "not a path inside the folder",
        ),
    ],
)
def test_damage_is_named(
    folder: Path,
    changes: dict[str, int]
    | dict[str, str]
    | dict[str, None]
    | dict[str, dict[str, str]]
    | dict[str, dict[str, float]]
    | dict[str, dict[str, bool]]
    | dict[str, dict[str, object]],
    message: str,
) -> None:
    edit(folder, **changes)
    with pytest.raises(WeightsError, match=message) as caught:
        locate(str(folder), WeightsStore())
    assert CARD in str(caught.value)


def test_a_card_that_is_no_yaml(folder: Path) -> None:
    (folder / CARD).write_text("schema: [1")
    with pytest.raises(WeightsError, match="cannot be read"):
        locate(str(folder), WeightsStore())
    with pytest.raises(WeightsError, match="cannot be read"):
        locate(f"corrected:{folder.parent}", WeightsStore())


def test_a_parent_whose_weights_have_changed(folder: Path) -> None:
    edit(folder, parent={"name": CHGNET, "family": "chgnet", "sha256": "0" * 64})
    with pytest.raises(WeightsError, match="holds for the weights that it was fitted to"):
        locate(str(folder), WeightsStore())


def test_a_parent_that_is_not_known(folder: Path) -> None:
    edit(folder, parent={"name": "chgnet-9.9", "family": "chgnet", "sha256": "0" * 64})
    with pytest.raises(WeightsError, match=r"corrects chgnet-9\.9, which cannot be had"):
        locate(str(folder), WeightsStore())


# ---- folders that are not written


def test_nothing_is_overwritten(folder: Path, fit: ScalarFit, chgnet: Potential) -> None:
    with pytest.raises(CorrectionError, match="exists; remove it"):
        finetune.save(fit, chgnet, folder)


def test_a_corrected_model_does_not_pass_for_a_published_one(
    fit: ScalarFit, chgnet: Potential, tmp_path: Path
) -> None:
    with pytest.raises(CorrectionError, match="name of a published model"):
        finetune.save(fit, chgnet, tmp_path / CHGNET)


def test_a_failed_write_leaves_nothing(
    fit: ScalarFit, chgnet: Potential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("umlip_bench.ground.files.os.rename", full)
    with pytest.raises(OutputError, match=r"mine cannot be written \(disk full"):
        finetune.save(fit, chgnet, tmp_path / "mine")
    assert list(tmp_path.iterdir()) == []
