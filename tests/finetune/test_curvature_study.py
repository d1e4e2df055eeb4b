"""The study of force sets: what is trained on for whom, and what judges say."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.conftest import LoadModel
from tests.support.measuring import by_variant, results
from umlip_bench import datasets
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.benchmarks.phonons import SUITE
from umlip_bench.benchmarks.phonons.result import FIXED
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.curvature_study import (
    BOTH,
    FRAMES,
    OTHERS,
    OWN,
    WAYS,
    Field,
    JudgedSet,
    main,
)
from umlip_bench.finetune.experiment import Choice, Experiment, Planned
from umlip_bench.finetune.method import Chosen
from umlip_bench.finetune.methods.trained import Full
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError


@pytest.fixture(scope="module")
def field() -> Field:
    return Field.of([datasets.load("pbe-mini")], [datasets.load("debye-mini")])


def beside(judge: JudgedSet, forces: np.ndarray) -> MaterialComparison:
    """Forces of the supercell at rest and of the displaced ones, as an experiment gives them."""
    return MaterialComparison(
        judge.name,
        tuple(
            FrameComparison(frame.composition, np.nan, np.nan, frame.forces, own, None, None)
            for frame, own in zip(judge.frames(), forces, strict=True)
        ),
    )


@pytest.mark.parametrize("formula", ["Si", "MgO", "CaF2"])
def test_nobody_is_judged_by_what_its_own_composition_taught(field: Field, formula: str) -> None:
    for way in (OTHERS, FRAMES, BOTH):
        choice = field.choice(way, formula)
        assert choice.labels or choice.force_sets
        assert formula not in {frame.composition for frame in choice.labels}
        assert formula not in {each.composition for each in choice.force_sets}
    own = field.choice(OWN, formula)
    assert {each.composition for each in own.force_sets} <= {formula}
    assert bool(own.force_sets) == (formula != "CaF2")
    assert not own.labels


def test_a_scaled_surface_is_judged_as_scaled(field: Field) -> None:
    for judge in field.sets:
        # Forces at rest are no curvature.
        rest = np.full((1, *judge.rows.forces.shape[1:]), 0.3)
        dft = np.concatenate([0 * rest, judge.rows.forces])
        assert judge.judge(beside(judge, dft)) == pytest.approx((1.0, 0.0), abs=1e-9)
        slope, error = judge.judge(beside(judge, 0.25 * dft + rest))
        assert slope == pytest.approx(0.25)
        # Frequencies go with the root: a half of DFT's is missing, and here three quarters.
        slope, larger = judge.judge(beside(judge, dft / 16))
        assert slope == pytest.approx(1 / 16)
        assert larger == pytest.approx(1.5 * error, rel=1e-6)


def test_the_suite_of_phonons_finds_the_same_curvature(field: Field, load_model: LoadModel) -> None:
    model = load_model("chgnet-0.3.0")
    judge = next(each for each in field.sets if each.composition == "MgO")
    forces = [each.forces for each in predict(model, [f.atoms for f in judge.frames()])]
    slope, error = judge.judge(beside(judge, np.array(forces)))
    (result,) = results(model, SUITE, [judge.measured])
    suite = by_variant(SUITE, result)[FIXED]
    assert slope == pytest.approx(suite.mode_scale, rel=1e-4)
    assert error == pytest.approx(suite.frequency_mae, rel=1e-3)


def test_fits_without_force_sets_keep_their_keys(field: Field, load_model: LoadModel) -> None:
    experiment = Experiment(load_model("chgnet-0.3.0"))
    chosen = Chosen(Full(), TrainingSettings(epochs=1))
    labels = field.labels[:1]
    without = experiment.key(Planned(chosen, Choice("a", labels, ())))
    sets = field.choice(OWN, "Si").force_sets
    assert experiment.key(Planned(chosen, Choice("b", labels, (), force_sets=()))) == without
    assert experiment.key(Planned(chosen, Choice("a", labels, (), force_sets=sets))) != without


@pytest.mark.model
def test_it_resumes_and_mends_the_crystal_that_it_trains_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--model", "m3gnet-mp-2021.2.8", "--labels", "pbe-mini", "--way", OWN]
    asked += ["--epochs", "8", "--only", "LiF", "--out", str(tmp_path / "study")]
    main(asked)
    assert "LiF: own" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "study" / "curvature.csv")
    curvature = table[table["amplitude"].notna()]
    assert list(curvature["judge"]) == ["pbe-mini, LiF"]
    assert list(curvature["amplitude"]) == [pytest.approx(0.03)]
    assert (abs(curvature["slope"] - 1) < 0.5 * abs(curvature["slope_before"] - 1)).all()
    (states,) = table[table["amplitude"].isna()].to_dict("records")
    assert (states["judge"], states["n"]) == ("pbe-mini, frames of LiF", 5)
    main(asked)
    assert "LiF: own" not in capsys.readouterr().out
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "study" / "curvature.csv"), table)


def test_other_functionals_and_nothing_to_train_on_are_refused() -> None:
    with pytest.raises(CorrectionError, match="r2scan-mini is r2SCAN, and pbe-mini PBE"):
        Field.of([datasets.load("pbe-mini")], [datasets.load("r2scan-mini")])
    with pytest.raises(CorrectionError, match="none of --labels has force sets"):
        Field.of([datasets.load("debye-mini")], [datasets.load("pbe-mini")])
    field = Field.of([datasets.load("pbe-mini")], [])
    with pytest.raises(CorrectionError, match="'Cs' is not among the compositions: Si, Al"):
        field.only(["Cs"])
    assert field.only(["SiC"]).formulas == field.only(["CSi"]).formulas == ("CSi",)
    assert set(WAYS) == {OWN, OTHERS, FRAMES, BOTH}
