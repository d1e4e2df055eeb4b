"""Trying every choice of labels, on comparisons whose answer is known."""

import io
import json

import numpy as np
import pytest
from rich.console import Console

from umlip_bench.analysis.high_energy import FrameComparison, MaterialComparison
from umlip_bench.finetune.evaluation import (
    MOST_CHOICES,
    choices,
    evaluate,
    evenly,
    print_evaluation,
    worsened,
)
from umlip_bench.finetune.factors import Estimator


def frame(rng, factor, composition, noise=0.0):
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


def material(name, factors, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return MaterialComparison(name, tuple(frame(rng, c, name, noise) for c in factors))


@pytest.fixture
def reference():
    return [material(f"X{k}", [np.exp(0.1 * k - 0.3)] * 3, 0.1, seed=k) for k in range(8)]


def test_choices():
    assert choices(5, 1) == [(0,), (1,), (2,), (3,), (4,)]
    assert len(choices(5, 2)) == 10
    many = choices(60, 4)
    assert len(many) == MOST_CHOICES
    assert all(len(set(c)) == 4 for c in many)
    assert many == choices(60, 4)
    assert len(choices(60, 59)) == 60


def test_evenly():
    assert evenly(range(5), 60) == [0, 1, 2, 3, 4]
    assert evenly(range(101), 3) == [0, 50, 100]


def test_a_material_that_one_factor_mends(reference):
    outcomes = evaluate("chgnet-0.3.0", "toy", [material("A", [1.25] * 5)], reference).outcomes
    assert {o.labels for o in outcomes} == {"1", "2", "4", "all but one"}
    assert {o.estimator for o in outcomes} == {str(e) for e in Estimator}
    for o in outcomes:
        assert (o.n_frames, o.n_refused) == (5, 0)
        assert o.miss < 1e-9
        assert o.slope_before == pytest.approx(0.8)
        assert o.slope_after == pytest.approx(1.0)
        assert o.force_ratio < 1e-9
        assert o.energy_after < 1e-9 < o.energy_before
        assert o.stress_after < 1e-9 < o.stress_before
        assert o.worse == 0.0
    assert worsened(outcomes) == []


def test_frames_that_need_different_factors(reference):
    """One label of two frames: each choice is off by the ratio of their factors."""
    (rotate, mse, _) = evaluate(
        "chgnet-0.3.0", "toy", [material("A", [1.0, 1.5])], reference
    ).outcomes[:3]
    for o in (rotate, mse):
        assert o.n_choices == 2
        assert o.miss == pytest.approx((0.5 + 1 / 3) / 2)
        assert o.worse == 0.5
    # Half the choices lead from a perfect frame to one that is half too large.
    assert worsened([mse]) == (["A"] if mse.force_after > mse.force_before else [])


def test_shrinkage_spares_a_material_that_needs_nothing(reference):
    steady = [material(f"X{k}", [1.0] * 3, 0.05, seed=k) for k in range(8)]
    noisy = material("A", [1.0] * 6, 0.6, seed=3)
    by = {o.estimator: o for o in evaluate("chgnet-0.3.0", "t", [noisy], steady).outcomes[:3]}
    assert by["shrunk"].force_after < by["mse"].force_after < by["rotate"].force_after


def test_frames_and_labels_that_are_not_there(reference):
    rng = np.random.default_rng(0)
    still = frame(rng, 1.0, "B")
    still = FrameComparison("B", 0.0, 0.0, np.zeros((2, 3)), np.zeros((2, 3)))
    one = MaterialComparison("B", (frame(rng, 1.1, "B"), still))
    against = MaterialComparison("C", (frame(rng, 1.1, "C"), frame(rng, -1.0, "C")))
    evaluation = evaluate("chgnet-0.3.0", "toy", [one, against], reference)
    # One frame with forces leaves nothing to hold out; opposite forces are refused.
    assert evaluation.outcomes == ()


def test_compositions_that_differ_have_no_energy_differences(reference):
    rng = np.random.default_rng(1)
    mixed = MaterialComparison("D", tuple(frame(rng, 1.1, c) for c in ("A", "B", "B")))
    evaluation = evaluate("chgnet-0.3.0", "toy", [mixed], reference)
    assert all(np.isnan(o.energy_after) for o in evaluation.outcomes)
    rows = json.loads(json.dumps(evaluation.to_json(), allow_nan=False))["outcomes"]
    assert rows[0]["energy_after"] is None


def test_the_tables(reference):
    materials = [material(n, [1.2, 1.3, 1.1], 0.1, seed=k) for k, n in enumerate("ABCDEFG")]
    evaluation = evaluate("chgnet-0.3.0", "toy", materials, reference)
    stream = io.StringIO()
    print_evaluation(evaluation, Console(width=120, file=stream))
    text = stream.getvalue()
    assert "chgnet-0.3.0 on toy: 1 label" in text
    assert "made worse by shrunk: none" in text
    assert "[" in text.split("force slope")[1].splitlines()[0]
