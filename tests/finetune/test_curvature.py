"""Training on force sets: rows of the Hessian over the amplitude of the displacements."""

from pathlib import Path

import numpy as np
import phonopy
import pytest
import torch
import yaml
from ase.build import bulk
from phonopy.structure.atoms import PhonopyAtoms

import umlip_bench
from tests.conftest import LoadModel
from tests.support.labels import stiffer
from tests.support.narrowing import as_a, some
from umlip_bench import datasets, finetune
from umlip_bench.cli.finetune import main
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.force_sets import ForceSet, curvature
from umlip_bench.finetune.phonon_labels import force_sets
from umlip_bench.finetune.training.fit import Training
from umlip_bench.finetune.training.loss import loss_terms
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import count, targets_of_force_sets
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential

CHGNET, M3GNET = "chgnet-0.3.0", "m3gnet-mp-2021.2.8"
EMT = "ase:ase.calculators.emt:EMT"


def silicon(potential: Potential, length: float = 0.03) -> ForceSet:
    """Two displacements of an atom of the conventional cell, with a model's forces for DFT's."""
    rest = bulk("Si", cubic=True, a=5.43)
    displaced = []
    for direction in ((1.0, 0.0, 0.0), (1.0, 1.0, 0.0)):
        atoms = rest.copy()
        atoms.positions[0] += length * np.array(direction) / np.linalg.norm(direction)
        displaced.append(atoms)
    forces = np.array([each.forces for each in predict(potential, displaced)])
    return ForceSet("Si", rest, tuple(displaced), forces)


def test_a_set_s_own_model_has_its_curvature(load_model: LoadModel) -> None:
    emt = load_model(EMT)
    rest = bulk("Cu", cubic=True)
    moved = rest.copy()
    moved.positions[0, 0] += 0.02
    made = ForceSet("Cu", rest, (moved,), predict(emt, [moved])[0].forces[None])
    assert made.lengths == pytest.approx([0.02])
    found = curvature(emt, [made])
    assert found.slope == pytest.approx(1.0)
    assert found.mae < 1e-9
    assert made.rows[0, 0, 0] > 1.0  # what is displaced is pulled back


@pytest.mark.parametrize("name", [CHGNET, M3GNET])
def test_rows_over_a_short_way_are_those_of_the_hessian(load_model: LoadModel, name: str) -> None:
    """By an independent way: a product of the Hessian and a vector, by differentiating twice."""
    model = as_a(TrainablePotential, load_model(name, dtype="float64"))
    made = silicon(model, length=1e-4)
    graph = model.prepare(made.rest)
    batch = model.collate([graph])
    positions = batch.positions.requires_grad_(True)
    with torch.enable_grad():
        (gradient,) = torch.autograd.grad(
            model.energies(batch).energy.sum(), positions, create_graph=True
        )
        for atoms, row in zip(made.displaced, made.rows, strict=True):
            moved = atoms.positions - made.rest.positions
            along = torch.as_tensor(moved / np.linalg.norm(moved), dtype=gradient.dtype)
            (product,) = torch.autograd.grad((gradient * along).sum(), positions, retain_graph=True)
            np.testing.assert_allclose(product.numpy(), row, atol=2e-3 * np.abs(row).max())


def test_the_loss_is_the_mean_square_of_the_rows_and_of_the_forces_at_rest(
    load_model: LoadModel,
) -> None:
    model = as_a(TrainablePotential, load_model(M3GNET, dtype="float64"))
    made = silicon(stiffer(model, 1.3))
    shifted = made.rest.copy()
    shifted.positions[1] += 0.05  # so that the model's forces at rest are none of zero
    made = ForceSet("Si", shifted, made.displaced, made.forces)
    rest, *moved = (each.forces for each in predict(model, [made.rest, *made.displaced]))
    rows = (rest - np.array(moved)) / made.lengths[:, None, None]
    expected = 3.0 * np.square(rows - made.rows).mean() + 7.0 * np.square(rest).mean()
    settings = TrainingSettings(curvature_weight=3.0, force_weight=7.0)
    targets = targets_of_force_sets(model, [made])
    terms = loss_terms(model, targets, count(targets), settings)
    assert float(terms.loss.detach()) == pytest.approx(expected, rel=1e-8)
    assert terms.curvature == pytest.approx(np.abs(rows - made.rows).sum())
    assert terms.force == pytest.approx(np.abs(rest).sum())


def test_training_takes_up_the_curvature_and_keeps_the_energy_at_rest(
    load_model: LoadModel,
) -> None:
    model = as_a(TrainablePotential, load_model(M3GNET))
    made = silicon(stiffer(model, 1.3))
    settings = TrainingSettings(epochs=12)
    around = finetune.Surroundings(others={}, force_sets=[made])
    training = as_a(Training, finetune.fit(model, [], "full", settings, around))
    check = some(training.fit.curvature)
    assert check.slope.before == pytest.approx(1 / 1.3, rel=1e-3)
    assert abs(check.slope.after - 1.0) < 0.4 * abs(check.slope.before - 1.0)
    assert check.mae.after < 0.5 * check.mae.before
    assert (check.n_supercells, check.materials) == (2, ("Si",))
    found = curvature(training.potential, [made])
    assert found.slope == pytest.approx(check.slope.after)
    before, after = (predict(m, [made.rest])[0].energy for m in (model, training.potential))
    assert after == pytest.approx(before, abs=1e-3)
    errors = [epoch.curvature_mae for epoch in training.fit.history.epochs]
    assert errors[-1] < 0.5 * errors[0]


def test_there_must_be_labels_of_one_kind(load_model: LoadModel) -> None:
    with pytest.raises(CorrectionError, match="no labels to train on"):
        finetune.fit(load_model(M3GNET), [], "full")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """phonopy's own files of copper, with forces of effective medium theory for DFT's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    cell = bulk("Cu", cubic=True, a=3.61)
    unitcell = PhonopyAtoms(
        symbols=["Cu"] * 4, cell=cell.cell.array, scaled_positions=cell.get_scaled_positions()
    )
    made = phonopy.Phonopy(unitcell, np.diag([2, 2, 1]), primitive_matrix="F")
    made.generate_displacements(distance=0.02)
    emt = umlip_bench.potential(EMT, device="cpu", dtype="float64")
    forces = []
    for each in made.supercells_with_displacements:
        atoms = bulk("Cu", cubic=True, a=3.61).repeat((2, 2, 1))
        atoms.set_scaled_positions(each.scaled_positions)
        forces.append(predict(emt, [atoms])[0].forces)
    made.forces = forces
    (tmp_path / "cu").mkdir()
    made.save(tmp_path / "cu" / "phonopy_params.yaml", settings={"force_sets": True})
    return tmp_path / "cu"


def test_the_forces_of_a_folder_belong_to_its_cells(folder: Path) -> None:
    (made,) = force_sets(datasets.load(str(folder)).of_task("phonons"))
    assert made.composition == "Cu"
    assert made.lengths == pytest.approx(np.full(len(made.displaced), 0.02))
    emt = umlip_bench.potential(EMT, device="cpu", dtype="float64")
    assert curvature(emt, [made]).slope == pytest.approx(1.0, abs=1e-6)


@pytest.mark.model
def test_the_command_trains_on_a_folder_of_force_sets(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fit = ("fit", "--model", M3GNET, "--labels", "cu", "--device", "cpu")
    assert (
        main(
            [*fit, "--method", "full", "--epochs", "2", "--learning-rate", "1e-4", "--out", "mine"]
        )
        == 0
    )
    shown = capsys.readouterr().out
    assert "curvature slope" in shown
    assert "trained on, 1 displaced supercell, 0.02 Å" in shown
    card = yaml.safe_load(Path("mine/card.yaml").read_text())
    check = card["fit"]["curvature"]
    assert check["n_supercells"] == 1
    assert abs(check["slope"]["after"] - 1.0) < abs(check["slope"]["before"] - 1.0)
    assert main([*fit, "--out", "scaled"]) == 2
    assert "Force sets are trained on by head, lora, full" in capsys.readouterr().err
