"""Labels of a teacher: whose they are is said wherever they go."""

from pathlib import Path

import ase.io
import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.build import bulk

import umlip_bench
from tests.support.narrowing import some
from umlip_bench import datasets, finetune
from umlip_bench.cli.finetune import main
from umlip_bench.datasets.teacher import Teacher
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.labelling.labelled import Labelled
from umlip_bench.finetune.labelling.teacher_label import as_written, label_with_teacher
from umlip_bench.finetune.method import ChangeFit
from umlip_bench.ground.errors import LabelError
from umlip_bench.potentials.corrections.modification import ScalarCorrection
from umlip_bench.potentials.protocol import Potential

EMT = "ase:ase.calculators.emt:EMT"


def copper(n: int) -> list[Atoms]:
    found = []
    for k in range(n):
        atoms = bulk("Cu") * (2, 2, 1)
        atoms.rattle(0.08, seed=k)
        atoms.info = {"system": "copper", "run": 3}
        found.append(atoms)
    return found


@pytest.fixture
def emt() -> Potential:
    return umlip_bench.potential(EMT, device="cpu", dtype="float64")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def test_labels_are_what_the_teacher_gives_at_the_geometry_written(emt: Potential) -> None:
    done = label_with_teacher(copper(3), "labels.xyz", emt)
    assert (done.n_frames, done.n_computed, done.n_known, done.failed) == (3, 3, 0, ())
    dataset = datasets.load("labels.xyz")
    found = predict(emt, [frame.atoms for frame in dataset.frames])
    for frame, each in zip(dataset.frames, found, strict=True):
        assert frame.energy == pytest.approx(each.energy, abs=1e-10)
        np.testing.assert_allclose(frame.forces, each.forces, atol=2e-8)
        np.testing.assert_allclose(some(frame.stress), some(each.stress), atol=1e-10)
        assert frame.system == "copper"
    teacher = some(dataset.manifest.teacher)
    assert (teacher.name, teacher.sha256) == (emt.card.name, emt.weights.sha256)
    assert dataset.manifest.level_of_theory == emt.card.level_of_theory
    (caveat,) = (each for each in dataset.manifest.caveats if "teacher" in each)
    assert "not DFT's" in caveat
    first = ase.io.read("labels.xyz", index=0)
    assert (first.info["teacher"], first.info["run"]) == (emt.card.name, 3)


def test_its_own_error_on_dft_stands_beside_them(emt: Potential) -> None:
    """Of the embedded set effective medium theory knows aluminium and its nitride."""
    label_with_teacher(copper(1), "labels.xyz", emt)
    teacher = some(datasets.load("labels.xyz").manifest.teacher)
    errors = []
    for material in ("Al", "AlN"):
        frames = datasets.load("pbe-mini").by_system()[material]
        found = predict(emt, [frame.atoms for frame in frames])
        pairs = zip(found, frames, strict=True)
        own = np.concatenate([each.forces - frame.forces for each, frame in pairs])
        errors.append(np.abs(own).mean())
    assert (teacher.judged_on, teacher.n_materials) == ("pbe-mini", 2)
    assert teacher.force_mae == pytest.approx(np.median(errors))
    assert f"force MAE of {teacher.force_mae:.3f} eV/Å" in str(teacher)


def test_a_teacher_of_another_functional_has_no_error_there() -> None:
    assert "is not known here" in str(Teacher("of-r2scan", "0" * 64))


def test_a_frame_that_it_does_not_know_does_not_stop_the_others(emt: Potential) -> None:
    silicon = bulk("Si")
    done = label_with_teacher([copper(1)[0], silicon, copper(2)[1]], "labels.xyz", emt)
    assert done.n_labels == 2
    (failure,) = done.failed
    assert failure.index == 1
    assert "Si" in failure.reason


def test_what_was_labelled_before_an_interruption_is_kept(emt: Potential) -> None:
    frames = copper(4)

    def interrupt(state: Labelled) -> None:
        if state.n_labels == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        label_with_teacher(frames, "labels.xyz", emt, progress=interrupt)
    assert len(ase.io.read("labels.xyz", index=":")) >= 2
    done = label_with_teacher(frames, "labels.xyz", emt)
    assert (done.n_labels, done.n_computed + done.n_known) == (4, 4)
    assert done.n_known >= 2
    assert label_with_teacher(frames, "labels.xyz", emt).n_computed == 0


def test_equal_frames_are_evaluated_once(emt: Potential) -> None:
    done = label_with_teacher([*copper(1), *copper(1)], "labels.xyz", emt)
    assert (done.n_labels, done.n_computed) == (2, 1)


def test_other_labels_are_not_replaced(emt: Potential) -> None:
    Path("labels.xyz").write_text("precious")
    with pytest.raises(LabelError, match=r"labels.xyz exists"):
        label_with_teacher(copper(1), "labels.xyz", emt)
    assert Path("labels.xyz").read_text() == "precious"
    with pytest.raises(LabelError, match="no frames"):
        label_with_teacher([], "other.xyz", emt)


def test_positions_are_those_that_a_file_keeps(emt: Potential) -> None:
    atoms = copper(1)[0]
    atoms.positions += 1e-10
    label_with_teacher([atoms], "labels.xyz", emt)
    label_with_teacher([ase.io.read("labels.xyz")], "again.xyz", emt)
    again = ase.io.read("again.xyz")
    np.testing.assert_array_equal(again.positions, as_written(atoms).positions)


class TestCommand:
    def label(self, *more: str) -> int:
        ase.io.write("cu.xyz", copper(2), format="extxyz")
        return main(["label", "cu.xyz", "--out", "labels.xyz", *more])

    def test_then_fit_says_whose_labels_they_are(
        self, emt: Potential, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """A corrected model teaches like any other; here it is a quarter steeper than its pupil."""
        finetune.save(ChangeFit("scalar", ScalarCorrection(1.25), 1), emt, "steeper")
        assert self.label("--engine", "model", "--teacher", "steeper") == 0
        said = capsys.readouterr().err
        assert "they are not DFT's" in said
        assert "2 of 2 frames in labels.xyz; 0 failed" in said
        fit = ("fit", "--labels", "labels.xyz", "--estimator", "mse", "--device", "cpu")
        assert main([*fit, "--model", EMT, "--out", "taught"]) == 0
        assert "Labels: not DFT's but those of the teacher steeper" in capsys.readouterr().out
        card = yaml.safe_load(Path("taught/card.yaml").read_text())
        assert card["scalar"]["factor"] == pytest.approx(1.25, rel=1e-4)
        teacher = card["labels"]["source"]["teacher"]
        assert teacher["sha256"] == umlip_bench.potential("steeper").weights.sha256
        assert teacher["force_mae"] > 0

    def test_a_model_is_not_taught_by_itself(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert self.label("--engine", "model", "--teacher", EMT) == 0
        fit = ("fit", "--labels", "labels.xyz", "--estimator", "mse", "--device", "cpu")
        assert main([*fit, "--model", EMT, "--out", "taught"]) == 2
        assert "cannot teach itself" in capsys.readouterr().err
        assert not Path("taught").exists()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (("--engine", "model"), "needs --teacher NAME"),
            (("--engine", "gpaw", "--teacher", EMT), "--teacher is an option of --engine model"),
            (
                ("--engine", "model", "--teacher", EMT, "--smearing", "0.1"),
                "--smearing is an option of --engine gpaw",
            ),
            (("--engine", "model", "--teacher", "none-such"), "none-such"),
        ],
    )
    def test_what_a_user_can_mend(
        self, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.label(*options) == 2
        assert said in capsys.readouterr().err
        assert not Path("labels.xyz").exists()
