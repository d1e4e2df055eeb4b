"""Training in a model's own environment: its trainer is called with our labels, split and checks."""

import csv
import subprocess
import sys
import time
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator

import umlip_bench
from umlip_bench import finetune
from umlip_bench.datasets import Frame
from umlip_bench.environments.environment import Environment
from umlip_bench.environments.training import TrainingError
from umlip_bench.finetune.method import Epoch, Surroundings
from umlip_bench.finetune.method import fit as fit_by
from umlip_bench.finetune.training.fit import Training
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground import trust
from umlip_bench.ground.errors import CorrectionError, WeightsError
from umlip_bench.potentials.loading import locate
from umlip_bench.potentials.weights import WeightsStore

from ..support.environments import CALCULATORS, built_by_hand

pytestmark = pytest.mark.seconds

TRAINER = '''

def setup_from_path(path, device="cpu"):
    return LennardJones(sigma=2.0, epsilon=float(open(path).read()), rc=6.0, smooth=True)


def train(checkpoint, folder, settings, device="cpu"):
    """Half the way to the best depth of the potential, once an epoch."""
    import ase.io
    if checkpoint == "slow":
        print("begun", file=sys.stderr)
        time.sleep(3600)
    if checkpoint == "single":
        raise ZeroDivisionError("no step is small enough")
    calculator = setup(checkpoint) if checkpoint in CHECKPOINTS else setup_from_path(checkpoint)
    epsilon = calculator.parameters.epsilon
    frames = ase.io.read(folder / "training.xyz", ":")
    for number in range(settings["epochs"]):
        errors, factors = [], []
        for atoms in frames:
            label = atoms.get_forces()
            unit = atoms.copy()
            unit.calc = LennardJones(sigma=2.0, epsilon=1.0, rc=6.0, smooth=True)
            own = unit.get_forces()
            errors.append(np.abs(epsilon * own - label).mean())
            factors.append((own * label).sum() / (own * own).sum())
        yield {"force_mae": np.mean(errors)}
        epsilon += 0.5 * (np.mean(factors) - epsilon)
    (folder / "depth.txt").write_text(repr(float(epsilon)))
    if checkpoint == "nothing":
        return settings["epochs"], "../elsewhere.txt"
    return settings["epochs"], "depth.txt"
'''
SETTINGS = TrainingSettings(epochs=20)


@pytest.fixture
def file(calculators: Environment, tmp_path: Path) -> Path:
    """An environment file that can train."""
    path = tmp_path / "calculators.py"
    built_by_hand(path, CALCULATORS + TRAINER)
    return path


@pytest.fixture
def labels() -> list[Frame]:
    """Forces of a potential 1.25 times as deep, on two volumes of a crystal."""
    rng = np.random.default_rng(5)
    frames = []
    for k, a in enumerate((3.1, 3.2)):
        atoms = bulk("Ar", "fcc", a=a, cubic=True)
        atoms.positions += rng.normal(0, 0.08, (4, 3))
        deeper = atoms.copy()
        deeper.calc = LennardJones(sigma=2.0, epsilon=0.125, rc=6.0, smooth=True)
        stress = deeper.get_stress(voigt=False)
        frames.append(
            Frame(atoms, deeper.get_potential_energy() - 3.0, deeper.get_forces(), stress, "Ar", k)
        )
    return frames


def trained(
    model: umlip_bench.Potential, labels: list[Frame], around: Surroundings
) -> finetune.Fit:
    return fit_by(model, labels, "full", SETTINGS, around)


def test_a_trained_model_is_one_like_any_other(
    file: Path, labels: list[Frame], tmp_path: Path
) -> None:
    model = umlip_bench.potential(f"{file}:lj", device="cpu", dtype="float64")
    told: list[Epoch] = []
    found = trained(model, labels[:1], Surroundings(held_out=labels[1:], on_epoch=told.append))
    assert len(told) == SETTINGS.epochs
    assert told[-1].force_mae < 1e-4 * told[0].force_mae
    assert isinstance(found, Training)
    learnt, held_out = found.fit.checks
    assert learnt.before.force_slope == pytest.approx(0.8)
    assert held_out.after.force_slope == pytest.approx(1.0, abs=1e-5)
    out = finetune.save(found, model, tmp_path / "deeper")
    assert len(list(csv.reader((out / "training.csv").open()))) == 1 + SETTINGS.epochs
    # By itself, wherever the folder lies, and from ASE.
    moved = out.rename(tmp_path / "moved")
    again = umlip_bench.potential(str(moved), device="cpu", dtype="float64")
    assert again.card.name == "moved"
    assert again.card.parent == "calculators:lj"
    atoms = labels[1].atoms.copy()
    (there,) = umlip_bench.predict(again, atoms)
    np.testing.assert_allclose(there.forces, labels[1].forces, rtol=1e-5)
    atoms.calc = umlip_bench.load(str(moved), device="cpu", dtype="float64")
    np.testing.assert_allclose(atoms.get_forces(), there.forces)
    # A factor goes on top, as on any model.
    factor = finetune.fit_scalar(again, labels[1:], references={"Ar": 0.0}).factor
    assert factor == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(CorrectionError, match="was trained already"):
        trained(again, labels, Surroundings())


def test_it_is_bound_to_its_weights_and_its_environment(
    file: Path, labels: list[Frame], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = umlip_bench.potential(f"{file}:lj", device="cpu")
    out = finetune.save(trained(model, labels, Surroundings(brief=True)), model, tmp_path / "mine")
    first = locate(str(out), WeightsStore())
    assert first.versions["ase"]
    built_by_hand(file, CALCULATORS.replace("sigma=2.0", "sigma=2.1") + TRAINER)
    assert locate(str(out), WeightsStore()).sha256 != first.sha256
    # Another user's word does not do for what is read there.
    with monkeypatch.context() as other:
        other.setenv(trust.VARIABLE, str(tmp_path / "theirs"))
        with pytest.raises(WeightsError, match="--trust"):
            locate(str(out), WeightsStore())
    (out / "weights" / "depth.txt").write_text("0.3")
    with pytest.raises(WeightsError, match="sha256"):
        locate(str(out), WeightsStore())


@pytest.mark.parametrize(
    ("checkpoint", "method", "settings", "message"),
    [
        ("single", "full", SETTINGS, "ZeroDivisionError: no step is small enough"),
        ("nothing", "full", SETTINGS, "ended without weights"),
        ("lj", "lora", SETTINGS, "trains all weights; use full, scalar or e0, not lora"),
        (
            "lj",
            "full",
            TrainingSettings(clip=1.0, ema=0.9),
            "which has no clip, ema; leave them away",
        ),
    ],
)
def test_what_cannot_be_trained_says_why(
    file: Path,
    labels: list[Frame],
    checkpoint: str,
    method: str,
    settings: TrainingSettings,
    message: str,
) -> None:
    if checkpoint == "nothing":
        built_by_hand(
            file, CALCULATORS.replace("return object()", "return LennardJones()") + TRAINER
        )
    model = umlip_bench.potential(f"{file}:{checkpoint}", device="cpu")
    with pytest.raises((CorrectionError, TrainingError), match=message):
        fit_by(model, labels, method, settings, Surroundings(brief=True))


def test_a_file_that_trains_nothing(
    calculators: Environment, labels: list[Frame], tmp_path: Path
) -> None:
    model = umlip_bench.potential(f"{tmp_path / 'calculators.py'}:lj", device="cpu")
    with pytest.raises(
        CorrectionError, match=r"has no train\(checkpoint, folder, settings, device\)"
    ):
        trained(model, labels, Surroundings())


def test_no_training_outlives_the_command(file: Path, labels: list[Frame], tmp_path: Path) -> None:
    atoms = labels[0].atoms.copy()
    atoms.calc = SinglePointCalculator(atoms, energy=labels[0].energy, forces=labels[0].forces)
    ase.io.write(tmp_path / "labels.xyz", atoms, format="extxyz")
    command = ["fit", "--model", f"{file}:slow", "--labels", str(tmp_path / "labels.xyz")]
    options = ["--method", "full", "--device", "cpu", "--out", str(tmp_path / "mine")]
    fit = subprocess.Popen(
        [sys.executable, "-m", "umlip_bench.cli.finetune", *command, *options],
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + 120
    while not (training := [pid for pid in children(fit.pid) if "trainer.py" in words(pid)]):
        assert fit.poll() is None, fit.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
    fit.kill()
    fit.communicate()
    while "trainer.py" in words(training[0]):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def words(pid: int) -> str:
    """The command line of a process; nothing if it has ended."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
