"""Trying every choice of labels, on comparisons whose answer is known."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.conftest import LoadModel
from tests.support.narrowing import as_a
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.datasets.frame import Frame
from umlip_bench.finetune.comparison import compare
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.evaluation import (
    MOST_CHOICES,
    ChoicesOutcome,
    Evaluation,
    choices,
    evaluate,
    evaluate_factors,
    evenly,
    worsened,
)
from umlip_bench.finetune.experiment import Experiment
from umlip_bench.finetune.measures import measure
from umlip_bench.finetune.method import Chosen, Surroundings
from umlip_bench.finetune.method import method as named
from umlip_bench.finetune.methods.scalar import Scalar
from umlip_bench.finetune.printing.cells import content_of
from umlip_bench.finetune.printing.evaluation import print_evaluation
from umlip_bench.finetune.training import fit as training
from umlip_bench.finetune.training.fit import Trainee, Training
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.protocol import Potential

from ..conftest import FOREIGN
from ..support.labels import labelled, stiffer
from ..support.structures import distorted


def frame(
    rng: np.random.Generator, factor: float, composition: str, noise: float = 0.0
) -> FrameComparison:
    """A frame that needs this factor, and so do its energy and stress; noise is what no factor mends."""
    x = rng.normal(size=(8, 3))
    energy = rng.normal()
    stress = rng.normal(size=(3, 3))
    return FrameComparison(
        composition,
        energy_reference=energy - 100.0,
        energy_model=energy / factor + 7.0,
        forces_reference=x + noise * rng.normal(size=x.shape),
        forces_model=x / factor,
        stress_reference=stress + stress.T,
        stress_model=(stress + stress.T) / factor,
    )


def material(
    name: str, factors: Sequence[float], noise: float = 0.0, seed: int = 0
) -> MaterialComparison:
    rng = np.random.default_rng(seed)
    return MaterialComparison(name, tuple(frame(rng, c, name, noise) for c in factors))


def scalar(
    materials: Sequence[MaterialComparison], reference: Sequence[MaterialComparison]
) -> Evaluation:
    """What `evaluate` makes of one factor."""
    outcomes = tuple(evaluate_factors(materials, reference, [Scalar()]))
    return Evaluation("chgnet-0.3.0", "toy", outcomes)


@pytest.fixture
def reference() -> list[MaterialComparison]:
    return [material(f"X{k}", [np.exp(0.1 * k - 0.3)] * 3, 0.1, seed=k) for k in range(8)]


def test_choices() -> None:
    assert choices(5, 1) == [(0,), (1,), (2,), (3,), (4,)]
    assert len(choices(5, 2)) == 10
    many = choices(60, 4)
    assert len(many) == MOST_CHOICES
    assert all(len(set(c)) == 4 for c in many)
    assert many == choices(60, 4)
    assert len(set(many)) == MOST_CHOICES
    assert len(choices(60, 59)) == 60
    assert len(set(choices(5, 4, most=3))) == 3


def test_evenly() -> None:
    assert evenly(range(5), 60) == [0, 1, 2, 3, 4]
    assert evenly(range(101), 3) == [0, 50, 100]


def test_a_material_that_one_factor_mends(reference: list[MaterialComparison]) -> None:
    outcomes = scalar([material("A", [1.25] * 5)], reference).outcomes
    assert {o.labels for o in outcomes} == {"1", "2", "4", "all but one"}
    assert {o.estimator for o in outcomes} == {str(e) for e in Estimator}
    for o in outcomes:
        assert (o.n_frames, o.n_refused) == (5, 0)
        # The closed forms are exact; shrinkage leaves a rest of what eight atoms leave open.
        rest = 5e-3 if o.estimator == Estimator.SHRUNK else 1e-9
        assert o.miss < rest
        assert o.slope_before == pytest.approx(0.8)
        assert o.slope_after == pytest.approx(1.0, abs=rest)
        assert o.force_ratio < 5 * rest
        assert o.energy_after < 5 * rest * o.energy_before
        assert o.stress_after < 5 * rest * o.stress_before
        assert o.covered == 1.0
        assert 0 < o.score < 0.2
        assert o.worse == 0.0
    assert worsened(outcomes) == []


def test_frames_that_need_different_factors(reference: list[MaterialComparison]) -> None:
    """One label of two frames: each choice is off by the ratio of their factors."""
    (rotate, mse, _) = scalar([material("A", [1.0, 1.5])], reference).outcomes[:3]
    for o in (rotate, mse):
        assert o.n_choices == 2
        assert o.miss == pytest.approx((0.5 + 1 / 3) / 2)
        assert o.worse == 0.5
    # Half the choices lead from a perfect frame to one that is half too large.
    assert worsened([mse]) == (["A"] if mse.force_after > mse.force_before else [])


def test_shrinkage_spares_a_material_that_needs_nothing(
    reference: list[MaterialComparison],
) -> None:
    steady = [material(f"X{k}", [1.0] * 3, 0.05, seed=k) for k in range(8)]
    noisy = material("A", [1.0] * 6, 0.6, seed=3)
    by = {o.estimator: o for o in scalar([noisy], steady).outcomes[:3]}
    assert by["shrunk"].force_after < by["mse"].force_after < by["rotate"].force_after


def test_frames_and_labels_that_are_not_there(reference: list[MaterialComparison]) -> None:
    rng = np.random.default_rng(0)
    still = frame(rng, 1.0, "B")
    still = FrameComparison("B", 0.0, 0.0, np.zeros((2, 3)), np.zeros((2, 3)))
    one = MaterialComparison("B", (frame(rng, 1.1, "B"), still))
    against = MaterialComparison("C", (frame(rng, 1.1, "C"), frame(rng, -1.0, "C")))
    evaluation = scalar([one, against], reference)
    # One frame with forces leaves nothing to hold out; opposite forces are refused.
    assert evaluation.outcomes == ()


def test_compositions_that_differ_have_no_energy_differences(
    reference: list[MaterialComparison],
) -> None:
    rng = np.random.default_rng(1)
    mixed = MaterialComparison("D", tuple(frame(rng, 1.1, c) for c in ("A", "B", "B")))
    evaluation = scalar([mixed], reference)
    assert all(np.isnan(o.energy_after) for o in evaluation.outcomes)
    rows = json.loads(json.dumps(content_of(evaluation), allow_nan=False))["outcomes"]
    assert rows[0]["energy_after"] is None


def test_the_tables(reference: list[MaterialComparison]) -> None:
    materials = [material(n, [1.2, 1.3, 1.1], 0.1, seed=k) for k, n in enumerate("ABCDEFG")]
    evaluation = scalar(materials, reference)
    stream = io.StringIO()
    print_evaluation(evaluation, Console(width=120, file=stream))
    text = stream.getvalue()
    assert "chgnet-0.3.0 on toy: 1 label" in text
    assert "made worse by shrunk: none" in text
    assert "[" in text.split("force slope")[1].splitlines()[0]


class TestTrained:
    settings = TrainingSettings(epochs=4, learning_rate=3e-3)

    @pytest.fixture(scope="class")
    def model(self, load_model: LoadModel) -> Potential:
        return load_model("m3gnet-mp-2021.2.8")

    @pytest.fixture(scope="class")
    def frames(self, model: Potential) -> list[Frame]:
        return labelled(stiffer(model, 1.4), distorted(3))

    def outcomes(
        self,
        model: Potential,
        frames: list[Frame],
        path: Path | None = None,
        methods: Sequence[str] = ("full",),
        counts: Sequence[str] = ("1",),
        **told: Any,
    ) -> tuple[ChoicesOutcome, ...]:
        experiment = Experiment(model, path, **told)
        chosen = [Chosen(named(each), self.settings) for each in methods]
        return evaluate(experiment, "toy", {"Si": frames}, chosen, counts=counts).outcomes

    def test_is_the_mean_over_fits_of_what_held_out_frames_say(
        self, model: Potential, frames: list[Frame]
    ) -> None:
        (outcome,) = self.outcomes(model, frames)
        assert (outcome.n_frames, outcome.n_choices, outcome.n_refused) == (3, 3, 0)
        assert np.isnan([outcome.miss, outcome.miss_90, outcome.covered]).all()
        measured = []
        for k in range(3):
            fit = named("full").fit(model, [frames[k]], self.settings, Surroundings(others={}))
            trained = as_a(Training, fit).potential
            held = [frame for i, frame in enumerate(frames) if i != k]
            measured.append([measure(compare(m, held)) for m in (model, trained)])
        for when, column in zip(("before", "after"), zip(*measured, strict=True), strict=True):
            for name, field in (("force", "force_mae"), ("slope", "force_slope")):
                expected = np.mean([getattr(each, field) for each in column])
                assert getattr(outcome, f"{name}_{when}") == pytest.approx(expected, rel=1e-5)
            stress = np.mean([each.stress_mae for each in column])
            assert getattr(outcome, f"stress_{when}") == pytest.approx(stress, rel=1e-4)
        assert outcome.worse == np.mean([b.force_mae > a.force_mae for a, b in measured])

    def test_goes_on_where_it_was(
        self, model: Potential, frames: list[Frame], tmp_path: Path
    ) -> None:
        path = tmp_path / "si.trials"
        made: list[str] = []
        told: dict[str, Any] = {"methods": ("head",), "counts": ("1", "2"), "on_fit": made.append}
        first = self.outcomes(model, frames, path, **told)
        assert len(made) == 1 + 6  # the model as it is, and three choices of one label and of two
        (journal,) = path.glob("*.jsonl")
        lines = journal.read_text().splitlines(keepends=True)
        journal.write_text("".join(lines[:5]) + lines[5][:30])
        made.clear()
        found = self.outcomes(model, frames, path, **told)
        assert len(made) == 2
        assert [repr(o) for o in found] == [repr(o) for o in first]

    def test_fits_that_fail_are_counted(
        self, model: Potential, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fit = training.fit_trained

        def fails_on_the_first(trainee: Trainee, labels: Sequence[Frame], *args: Any) -> Training:
            if labels[0] is frames[0]:
                raise CorrectionError("the loss is no longer finite")
            return fit(trainee, labels, *args)

        monkeypatch.setattr(training, "fit_trained", fails_on_the_first)
        (outcome,) = self.outcomes(model, frames)
        assert (outcome.n_choices, outcome.n_refused) == (3, 1)
        assert np.isfinite(outcome.force_after)

    def test_fits_of_an_earlier_version_are_refused(
        self, model: Potential, frames: list[Frame], tmp_path: Path
    ) -> None:
        earlier = tmp_path / "si.fits"
        earlier.mkdir()
        with pytest.raises(CorrectionError, match=r"si\.fits holds fits of an earlier version"):
            Experiment(model, tmp_path / "si.trials", earlier)

    def test_what_has_no_weights_is_refused(
        self, load_model: LoadModel, frames: list[Frame]
    ) -> None:
        with pytest.raises(CorrectionError, match="weights can be trained for"):
            self.outcomes(load_model(FOREIGN), frames)
