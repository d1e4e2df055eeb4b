"""All methods on the same labels, and error against the number of labels."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from tests.conftest import LoadModel
from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.datasets.frame import Frame
from umlip_bench.finetune.curve import CurvePlan, CurvePoint, summarise, trace
from umlip_bench.finetune.experiment import TRIALS, Experiment
from umlip_bench.finetune.ladder import Rung, climb, folds_of, recommend
from umlip_bench.finetune.measures import Measures, unseen
from umlip_bench.finetune.method import Chosen
from umlip_bench.finetune.method import method as named
from umlip_bench.finetune.printing import curve as printing
from umlip_bench.finetune.printing.cells import content_of
from umlip_bench.finetune.printing.curve import print_curve, write_curve
from umlip_bench.finetune.retention import other_materials, replayed_half, retention
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.protocol import Potential

from ..conftest import SMALL_MACE
from ..support.labels import labelled, stiffer
from ..support.structures import distorted

CHGNET = "chgnet-0.3.0"
BRIEF = TrainingSettings(epochs=1, batch_size=2)


def chosen(*names: str, settings: TrainingSettings = BRIEF) -> tuple[Any, ...]:
    """Methods by name; of those that train, with these settings."""
    found = [named(each) for each in names]
    return tuple(
        Chosen(each, settings if each.settings is TrainingSettings else each.settings())
        for each in found
    )


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel) -> Potential:
    return load_model(CHGNET)


def rung(method: str, maes: list[float]) -> Rung:
    measures = Measures(len(maes), 1.0, float(np.mean(maes)), 0.0, 0.0, 0.0)
    return Rung(method, measures, tuple(maes), None, 0.0)


class TestRecommendation:
    def test_the_simplest_within_one_standard_error(self) -> None:
        none = rung("none", [0.5, 0.5, 0.5])
        scalar = rung("scalar", [0.2, 0.3, 0.2])
        full = rung("full", [0.25, 0.15, 0.2])
        assert recommend([none, scalar, full]) == "scalar"
        assert recommend([none, scalar, rung("full", [0.1, 0.2, 0.1])]) == "full"
        assert recommend([none, rung("scalar", [0.6, 0.6, 0.6])]) == "none"

    def test_e0_is_never_recommended_for_forces(self) -> None:
        rungs = [rung("none", [0.5]), rung("e0", [0.1]), rung("head", [0.4])]
        assert not named("e0").corrects_forces
        assert recommend(rungs, {"e0"}) == "head"

    def test_one_frame_goes_by_its_error(self) -> None:
        assert (
            recommend([rung("none", [0.5]), rung("scalar", [0.4]), rung("full", [0.3])]) == "full"
        )


class TestFolds:
    def test_given_frames_are_one_fold(self, chgnet: Potential) -> None:
        frames = labelled(chgnet, distorted(3))
        (fold,) = folds_of(frames[:1], frames[1:])
        assert (len(fold.labels), len(fold.held_out)) == (1, 2)

    def test_labels_are_split_so_that_each_is_judged_once(self, chgnet: Potential) -> None:
        frames = labelled(chgnet, distorted(5))
        folds = folds_of(frames, [])
        judged = [frame.index for fold in folds for frame in fold.held_out]
        assert sorted(judged) == [0, 1, 2, 3, 4]
        for fold in folds:
            assert not {f.index for f in fold.labels} & {f.index for f in fold.held_out}

    def test_one_label_alone_is_refused(self, chgnet: Potential) -> None:
        with pytest.raises(CorrectionError, match="--held-out"):
            folds_of(labelled(chgnet, distorted(1)), [])

    def test_labels_are_never_held_out(self, chgnet: Potential) -> None:
        frames = labelled(chgnet, [*distorted(3), *distorted(2, "SiC")])
        assert unseen(frames, frames[:1]) == frames[1:3]


class TestRetention:
    def test_judges_other_materials_only(self, chgnet: Potential) -> None:
        sic = datasets.load("pbe-mini").by_system()["SiC"]
        others = other_materials(chgnet, {frame.composition for frame in sic})
        assert "SiC" not in others
        assert len(others) == 14
        half = replayed_half(others)
        assert len(half) == 7
        before = {name: Measures(1, 0.8, 0.2, 0, 0, 0) for name in others}
        after = {name: Measures(1, 0.9, 0.1, 0, 0, 0) for name in others} | {
            "Si": Measures(1, 0.5, 0.3, 0, 0, 0)
        }
        found = retention(before, after, tuple(half))
        assert set(some(found).materials) == set(others) - set(half)
        assert some(found).mae.before == pytest.approx(0.2)
        assert some(found).mae.after == pytest.approx(0.1)
        assert set(some(found).worse) <= {"Si"}

    def test_another_functional_is_not_judged(self, load_model: LoadModel) -> None:
        assert other_materials(load_model("chgnet-r2scan"), set()) == {}


def test_ladder(load_model: LoadModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """MACE refuses lora and goes on with the rest."""
    model = load_model(SMALL_MACE)
    from umlip_bench.finetune import ladder

    monkeypatch.setattr(ladder, "other_materials", lambda potential, known: {})
    frames = labelled(stiffer(model, 1.25), distorted(3))
    methods = chosen("e0", "head", "lora", "full")
    found = climb(Experiment(model), folds_of(frames, []), methods)
    assert [r.method for r in found.rungs] == ["none", "e0", "head", "full"]
    assert "use head or full" in found.refused["lora"]
    none, e0, *_ = found.rungs
    assert none.held_out.n_frames == 3
    assert none.held_out.force_slope == pytest.approx(0.8, abs=1e-3)
    assert e0.frame_maes == pytest.approx(none.frame_maes)
    json.dumps(content_of(found), allow_nan=False)


class TestCurve:
    plan = CurvePlan(chosen("head", "scratch"), (1, 3), 2)

    def trace(
        self,
        model: Potential,
        frames: list[Frame],
        plan: CurvePlan,
        folder: Path,
        on_fit: Callable[[str], None] = lambda text: None,
        **told: Any,
    ) -> tuple[CurvePoint, ...]:
        return trace(Experiment(model, folder / TRIALS, on_fit=on_fit), frames, plan, **told)

    def test_goes_on_where_it_was(self, chgnet: Potential, tmp_path: Path) -> None:
        frames = labelled(stiffer(chgnet, 1.25), distorted(6))
        fits: list[str] = []
        points = self.trace(chgnet, frames, self.plan, tmp_path, on_fit=fits.append)
        assert len(points) == 2 * (1 + 2 * 2)
        assert len(fits) == len(points) - 1  # no correction is the same for all seeds
        (journal,) = (tmp_path / TRIALS).glob("*.jsonl")
        # A torn last line is a fit that was not finished.
        journal.write_text(journal.read_text()[:-20])
        again: list[str] = []
        assert (
            self.trace(chgnet, frames, self.plan, tmp_path, on_fit=again.append)[:-1] == points[:-1]
        )
        assert again == fits[-1:]
        # Other settings are other points; no correction has none.
        other = replace(
            self.plan, methods=chosen("head", settings=replace(BRIEF, force_weight=1.0))
        )
        more: list[str] = []
        self.trace(chgnet, frames, other, tmp_path, on_fit=more.append)
        assert len(more) == 4
        write_curve("model", "data", points, tmp_path)
        rows = json.loads((tmp_path / printing.SUMMARY).read_text())["rows"]
        assert {(r["method"], r["n_labels"]) for r in rows} >= {("none", 0), ("head", 3)}
        assert len((tmp_path / printing.TABLE).read_text().splitlines()) == 11
        assert (tmp_path / printing.PICTURE).stat().st_size > 1000

    def test_a_fit_that_fails_is_counted_and_the_rest_go_on(
        self, chgnet: Potential, tmp_path: Path
    ) -> None:
        """Labels that point the other way have no positive factor."""
        frames = [replace(frame, forces=-frame.forces) for frame in labelled(chgnet, distorted(5))]
        plan = CurvePlan(chosen("scalar", "head"), (1,), 1)
        seen = []
        points = self.trace(chgnet, frames, plan, tmp_path, on_point=lambda: seen.append(1))
        assert [point.method for point in points] == ["none", "scalar", "head"]
        assert len(seen) == plan.n_points == 3
        assert "no positive factor" in some(points[1].failure)
        assert points[1].held_out is None
        assert points[2].failure is None
        again = self.trace(chgnet, frames, plan, tmp_path)
        assert again[1].failure == points[1].failure
        stream = io.StringIO()
        print_curve("model", points, Console(width=120, file=stream))
        assert "Failed, and left out: scalar, 1 labels, seed 0" in stream.getvalue()
        write_curve("model", "data", points, tmp_path)
        assert "no positive factor" in (tmp_path / printing.TABLE).read_text()

    def test_held_out_frames_are_the_same_for_all(self, chgnet: Potential, tmp_path: Path) -> None:
        frames = labelled(stiffer(chgnet, 1.25), distorted(5))
        plan = replace(self.plan, methods=())
        points = self.trace(chgnet, frames, plan, tmp_path)
        assert len({point.held_out for point in points}) == 1
        assert some(points[0].held_out).n_frames == 2

    def test_too_few_labels(self, chgnet: Potential, tmp_path: Path) -> None:
        frames = labelled(chgnet, distorted(3))
        with pytest.raises(CorrectionError, match="smaller --sizes"):
            self.trace(chgnet, frames, self.plan, tmp_path)

    def test_interval_is_student_s(self) -> None:
        values = [0.1, 0.2, 0.4]
        points = [
            CurvePoint("full", 1, k, Measures(1, v, v, v, float("nan"), v), 0.0)
            for k, v in enumerate(values)
        ]
        rows = {row.metric: row for row in summarise(points)}
        assert "difference_mae" not in rows
        row = rows["force_mae"]
        assert row.value == pytest.approx(0.2)
        half = 4.302653 * np.log(2) / np.sqrt(3)
        assert (row.low, row.high) == pytest.approx((0.2 * np.exp(-half), 0.2 * np.exp(half)))
        assert summarise(points[:2])[0].low is None
