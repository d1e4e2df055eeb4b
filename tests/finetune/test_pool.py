"""Choosing frames of one's own trajectory to label."""

import json
from functools import partial
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

import umlip_bench
from umlip_bench import finetune
from umlip_bench.analysis.frames import FrameComparison
from umlip_bench.cli.finetune import main
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.factors import States, frame_sums
from umlip_bench.finetune.labelling.pool import middles, shares
from umlip_bench.finetune.pool_study import RULES, SIZES, Pool
from umlip_bench.finetune.scalar import factor_of
from umlip_bench.ground.errors import LabelError
from umlip_bench.potentials.protocol import Potential

EMT = "ase:ase.calculators.emt:EMT"


def trajectory(amplitudes: list[float]) -> list[Atoms]:
    """Copper, displaced by so much in each frame."""
    frames = []
    for k, amplitude in enumerate(amplitudes):
        atoms = bulk("Cu") * (2, 2, 2)
        atoms.rattle(amplitude, seed=k)
        frames.append(atoms)
    return frames


@pytest.fixture
def emt() -> Potential:
    return umlip_bench.potential(EMT, device="cpu", dtype="float64")


@pytest.fixture
def mixed() -> list[Atoms]:
    """Cold and hot frames, twice as many cold ones."""
    return trajectory([0.02] * 12 + [0.15] * 6)


def test_shares_are_of_the_squared_forces() -> None:
    found = shares(np.array([3.0, 1.0, 2.0]))
    assert found == pytest.approx([(5.0 + 4.5) / 14.0, 0.5 / 14.0, (1.0 + 2.0) / 14.0])
    equal = shares(np.ones(4))
    assert sorted(equal) == pytest.approx([0.125, 0.375, 0.625, 0.875])


@pytest.mark.parametrize("n", [1, 2, 5])
def test_of_equal_parts_the_middle_is_taken_once(n: int) -> None:
    rms = np.random.default_rng(n).uniform(1.0, 2.0, size=40)
    chosen = middles(shares(rms), n)
    assert len(set(chosen)) == n
    assert list(rms[chosen]) == sorted(rms[chosen])
    assert middles(np.array([0.1, 0.9]), 2) == [0, 1]


def test_one_frame_is_of_the_amplitude_that_a_factor_counts(
    emt: Potential, mixed: list[Atoms]
) -> None:
    """Not that of most frames, nor the largest one: the pool's mean, weighted by squared forces."""
    forces = [each.forces for each in predict(emt, mixed)]
    asked = States.of(np.array([frame_sums(each, each) for each in forces])).amplitude
    (frame,) = finetune.suggest_from_pool(emt, mixed, 1).frames
    own = np.log(np.sqrt(np.mean(forces[frame.index] ** 2)))
    assert frame.index >= 12
    assert abs(own - asked) < 0.2
    strongest = int(np.argmax([np.mean(each**2) for each in forces]))
    assert frame.index != strongest
    assert frame.rms_force == pytest.approx(
        np.sqrt((forces[frame.index] ** 2).sum(axis=1).mean()), rel=1e-9
    )


def test_labels_are_not_read_and_the_choice_does_not_depend_on_the_order(
    emt: Potential, mixed: list[Atoms]
) -> None:
    found = finetune.suggest_from_pool(emt, mixed, 3)
    turned = mixed[::-1]
    for atoms in turned:
        atoms.info["REF_energy"] = 1e6
        atoms.arrays["REF_forces"] = np.full((len(atoms), 3), 1e6)
    again = finetune.suggest_from_pool(emt, turned, 3)
    last = len(mixed) - 1
    assert [each.index for each in found.frames] == [last - each.index for each in again.frames]


def test_a_frame_that_the_model_cannot_evaluate_is_told_and_left_out(
    emt: Potential, mixed: list[Atoms]
) -> None:
    broken = mixed[0].copy()
    broken.positions[1] = broken.positions[0]
    found = finetune.suggest_from_pool(emt, [broken, *mixed], 2)
    assert len(found.failures) == 1
    assert found.failures[0].startswith("frame 0: ")
    assert 0 not in [each.index for each in found.frames]


def test_what_cannot_be_chosen_from(emt: Potential, mixed: list[Atoms]) -> None:
    with pytest.raises(LabelError, match="several materials"):
        finetune.suggest_from_pool(emt, [mixed[0], bulk("Al")], 1)
    with pytest.raises(LabelError, match="3 frames cannot be chosen of 1 with forces"):
        finetune.suggest_from_pool(emt, [mixed[0]], 3)
    with pytest.raises(LabelError, match="no frames"):
        finetune.suggest_from_pool(emt, [], 1)
    with pytest.raises(LabelError, match="ask for at least 1"):
        finetune.suggest_from_pool(emt, mixed, 0)


class TestCommand:
    @pytest.fixture(autouse=True)
    def here(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mixed: list[Atoms]) -> Path:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("COLUMNS", "160")
        ase.io.write("md.xyz", mixed, format="extxyz")
        return tmp_path

    def test_it_writes_the_frames_and_inputs(
        self, here: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        more = ("--model", EMT, "-n", "2", "--codes", "gpaw", "--out", "suggested")
        assert main(["suggest", "--pool", "md.xyz", *more]) == 0
        shown = capsys.readouterr().out
        assert "Cu: 2 of 18 frames" in shown
        record = json.loads((here / "suggested" / "suggestion.json").read_text())
        frames = ase.io.read("suggested/frames.xyz", index=":")
        pool = ase.io.read("md.xyz", index=":")
        for k, (atoms, why) in enumerate(zip(frames, record["frames"], strict=True)):
            assert (atoms.info["frame"], atoms.info["pool_frame"]) == (k, why["index"])
            np.testing.assert_array_equal(atoms.positions, pool[why["index"]].positions)
            assert (here / "suggested" / "gpaw" / f"frame-{k}").is_dir()

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ((), "either --structure FILE"),
            (("--pool", "md.xyz", "--structure", "md.xyz"), "either --structure FILE"),
            (("--pool", "md.xyz", "--temperature", "300"), "--temperature says how states are"),
            (("--pool", "md.xyz", "--model", EMT), "one --model"),
            (("--pool", "none.xyz"), "none.xyz"),
            (("--pool", "md.xyz", "-n", "19"), "19 frames cannot be chosen of 18"),
        ],
    )
    def test_what_a_user_can_mend(
        self, options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["suggest", "--model", EMT, *options, "--out", "suggested"]) == 2
        assert said in capsys.readouterr().err
        assert not Path("suggested").exists()


def compared(amplitudes: list[float], factor: float) -> Pool:
    """Frames on which DFT is a multiple of the model, beside features that say how hot they are."""
    rng = np.random.default_rng(0)
    frames = []
    for amplitude in amplitudes:
        forces = rng.normal(scale=amplitude, size=(16, 3))
        frames.append(FrameComparison("Cu", -1.0, -1.0, factor * forces, forces, None, None))
    return Pool(frames, np.array(amplitudes)[:, None])


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_gives_the_factor_where_there_is_but_one(rule: str) -> None:
    pool = compared(np.linspace(0.1, 2.0, 20).tolist(), 1.25)
    factor = partial(factor_of, Estimator.MSE, None)
    for n in SIZES:
        chosen = RULES[rule](pool, n)
        assert all(len(set(labels)) == n for labels in chosen)
        assert [pool.ratio(labels, factor) for labels in chosen] == pytest.approx(
            [0.0] * len(chosen), abs=1e-12
        )


def test_rules_of_the_study_choose_what_they_are_named_for() -> None:
    pool = compared([0.1] * 30 + [1.0] * 10, 1.0)
    ((strongest,),) = RULES["largest force"](pool, 1)
    assert strongest == int(pool.rms.argmax())
    ((far,),) = RULES["farthest x force"](pool, 1)
    assert far >= 30
    ((middle,),) = RULES["this rule"](pool, 1)
    assert middle >= 30  # these have nearly all of the squared forces
    assert pool.rms[middle] == pytest.approx(np.median(pool.rms[30:]), rel=0.1)
    assert len(RULES["random"](pool, 2)) == 60
