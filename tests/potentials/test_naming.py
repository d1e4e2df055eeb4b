"""What a name stands for where several things could be meant: folders in the way, heads, conventions."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from ase.build import bulk

import umlip_bench
from tests.conftest import LoadModel
from umlip_bench import finetune
from umlip_bench.engine.calibration import Key
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune import Estimator
from umlip_bench.finetune.folder import save
from umlip_bench.finetune.references import fit_references
from umlip_bench.ground.errors import UnknownModelError, WeightsError
from umlip_bench.potentials.adapters.mace import contained_mace_import
from umlip_bench.potentials.corrections.folder import CARD, CorrectedWeights
from umlip_bench.potentials.corrections.wrapped import WrappedPotential
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore
from umlip_bench.testing.structures import rattled

from ..support.labels import labelled
from ..support.structures import distorted

pytestmark = pytest.mark.model

CHGNET, M3GNET = "chgnet-0.3.0", "m3gnet-mp-2021.2.8"
MGO = [rattled(bulk("MgO", "rocksalt", a=4.2), seed=k) for k in range(3)]


@pytest.fixture(scope="module")
def corrected(load_model: LoadModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A corrected CHGNet, to copy."""
    model = load_model(CHGNET)
    fit = finetune.fit_scalar(model, labelled(model, distorted(1)), estimator=Estimator.MSE)
    return finetune.save(fit, model, tmp_path_factory.mktemp("corrected") / "mine")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


# ---- folders in the working directory


@pytest.mark.parametrize("name", [CHGNET, "CHGNet-0.3.0"])
def test_a_corrected_folder_does_not_hide_a_published_model(
    here: Path, corrected: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(corrected, here / name)
    with caplog.at_level(logging.WARNING):
        weights = locate(name, WeightsStore())
    assert weights.card.name == CHGNET
    assert weights.card.family == "chgnet"
    assert f"for what is here write .{os.sep}{name}" in caplog.text
    own = locate(f"./{name}", WeightsStore())
    assert own.card.family == "corrected"
    assert isinstance(own, CorrectedWeights)
    assert own.base.sha256 == weights.sha256


@pytest.mark.parametrize("kind", ["file", "empty folder", "folder of weights", "link to itself"])
def test_nothing_hides_a_published_model(here: Path, kind: str) -> None:
    expected = locate(CHGNET, WeightsStore())
    path = here / CHGNET
    if kind == "file":
        path.write_bytes(b"notes")
    elif kind == "link to itself":
        path.symlink_to(path)
    else:
        path.mkdir()
        if kind == "folder of weights":
            (path / "model.json").write_text("{}")
    assert locate(CHGNET, WeightsStore()) == expected


def test_nothing_is_said_where_nothing_is_in_the_way(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    locate(CHGNET, WeightsStore())
    assert caplog.text == ""


def spoil_parent(folder: Path, **changes: str) -> None:
    content = yaml.safe_load((folder / CARD).read_text())
    content["parent"] |= changes
    (folder / CARD).write_text(yaml.safe_dump(content))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"family": "corrected", "path": "."}, "is the corrected model itself"),
        ({"family": "corrected", "path": "parent/loop"}, "is the corrected model itself"),
        ({"family": "corrected", "path": "parent/other"}, "is the corrected model itself"),
        ({"name": "mine"}, "No model is named 'mine'"),
        ({"name": "./mine"}, "No model is named"),
        ({"name": "corrected:mine"}, "No model is named"),
    ],
)
def test_a_corrected_model_does_not_correct_itself(
    here: Path, corrected: Path, changes: dict[str, str], message: str
) -> None:
    folder = here / "mine"
    shutil.copytree(corrected, folder)
    (folder / "parent").mkdir()
    (folder / "parent" / "loop").symlink_to("..", target_is_directory=True)
    spoil_parent(folder, **changes)
    # The parent's parent is the model again.
    (folder / "parent" / "other" / "parent").mkdir(parents=True)
    shutil.copy(folder / CARD, folder / "parent" / "other")
    (folder / "parent" / "other" / "parent" / "other").symlink_to(folder, target_is_directory=True)
    for name in ("mine", "./mine", "corrected:mine"):
        with pytest.raises(WeightsError, match=message) as caught:
            locate(name, WeightsStore())
        assert "which cannot be had" in str(caught.value)


# ---- heads of MACE files


def mace_with(heads: list[str], path: Path) -> Path:
    """An untrained MACE of magnesium and oxygen whose heads differ in element references and readouts."""
    with contained_mace_import():
        from e3nn import o3
        from mace import modules
    torch.manual_seed(0)
    model = modules.ScaleShiftMACE(
        r_max=4.0,
        num_bessel=6,
        num_polynomial_cutoff=5,
        max_ell=2,
        interaction_cls=modules.interaction_classes["RealAgnosticResidualInteractionBlock"],
        interaction_cls_first=modules.interaction_classes["RealAgnosticInteractionBlock"],
        num_interactions=2,
        num_elements=2,
        hidden_irreps=o3.Irreps("8x0e + 8x1o"),
        MLP_irreps=o3.Irreps("8x0e"),
        gate=torch.nn.functional.silu,
        atomic_energies=np.array([[-1.0 - k, -2.0 - k] for k in range(len(heads))]),
        avg_num_neighbors=10.0,
        atomic_numbers=[8, 12],
        correlation=2,
        radial_MLP=[16, 16],
        atomic_inter_scale=[100.0 + 50.0 * k for k in range(len(heads))],
        atomic_inter_shift=[0.0] * len(heads),
        heads=list(heads),
    )
    torch.save(model, path)
    return path


@pytest.fixture
def two_heads(here: Path) -> Path:
    return mace_with(["pt_head", "Default"], here / "two.model")


def by_mace(path: Path, head: str) -> list[float]:
    with contained_mace_import():
        from mace.calculators import MACECalculator
    calculator = MACECalculator(
        models=torch.load(path, map_location="cpu", weights_only=False),
        device="cpu",
        default_dtype="float32",
        head=head,
    )
    return [calculator.get_potential_energy(atoms) for atoms in MGO]


@pytest.mark.parametrize(
    ("suffix", "head"),
    [("", "Default"), ("@Default", "Default"), ("@pt_head", "pt_head"), ("#pt_head", "pt_head")],
)
@pytest.mark.parametrize("form", ["two.model", "./two.model", "mace:two.model"])
def test_a_head_is_named(two_heads: Path, form: str, suffix: str, head: str) -> None:
    model = umlip_bench.potential(form + suffix, device="cpu")
    energies = [prediction.energy for prediction in predict(model, MGO)]
    assert energies == pytest.approx(by_mace(two_heads, head), abs=1e-4)
    assert model.card.name == f"two{suffix}".replace("#", "@")


def test_the_head_is_part_of_the_identity(two_heads: Path) -> None:
    digests = {
        locate(f"two.model{head}", WeightsStore()).sha256
        for head in ("", "@Default", "@pt_head", "#pt_head")
    }
    assert len(digests) == 3


def test_heads_that_there_are_not(here: Path, two_heads: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no head 'none'; it has pt_head, Default"):
        umlip_bench.potential("two.model@none", device="cpu")
    mace_with(["a", "b"], here / "ab.model")
    with pytest.raises(WeightsError, match=r"the heads a, b and none .* name one: mace:.*#a"):
        umlip_bench.potential("ab.model", device="cpu")
    with pytest.raises(WeightsError, match="only MACE models have heads"):
        locate(f"chgnet:{locate(CHGNET, WeightsStore()).paths[0]}@a", WeightsStore())
    with pytest.raises(UnknownModelError, match="neither a model by name nor an existing file"):
        locate("absent.model@a", WeightsStore())


def test_an_at_in_a_file_s_name_is_no_head(here: Path) -> None:
    mace_with(["Default"], here / "a@b.model")
    assert locate("a@b.model", WeightsStore()).card.head is None


def test_a_corrected_head_travels_along(here: Path, two_heads: Path) -> None:
    parent = umlip_bench.potential("two.model@pt_head", device="cpu")
    fit = finetune.fit_scalar(parent, labelled(parent, MGO), estimator=Estimator.MSE)
    folder = finetune.save(fit, parent, here / "corrected")
    two_heads.unlink()
    found = umlip_bench.potential(str(folder), device="cpu")
    assert isinstance(found, WrappedPotential)
    assert found.parent.card.head == "pt_head"
    for a, b in zip(predict(parent, MGO), predict(found, MGO), strict=True):
        np.testing.assert_array_equal(fit.factor * a.forces, b.forces)


# ---- calibrations


def test_what_is_put_on_top_has_the_parent_s_calibration(
    load_model: LoadModel, corrected: Path, tmp_path: Path
) -> None:
    model = load_model(CHGNET)
    fit = fit_references(model, labelled(model, [*distorted(2), *distorted(2, "SiC")]))
    shift = umlip_bench.potential(str(save(fit, model, tmp_path / "e0")), device="cpu")
    on_top = save(fit, shift, tmp_path / "twice")
    twice = umlip_bench.potential(str(on_top), device="cpu")
    scaled = umlip_bench.potential(str(corrected), device="cpu")
    assert {Key.of(each) for each in (shift, twice, scaled)} == {Key.of(model)}
