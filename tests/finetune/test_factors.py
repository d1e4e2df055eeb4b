"""Closed forms, their intervals, and shrinkage: identities and coverage by simulation."""

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest

from tests.support.narrowing import some
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.factor_law import LAW, Drift
from umlip_bench.finetune.factor_prior import MIN_MATERIALS, UsualFactor, usual_factor
from umlip_bench.finetune.factors import (
    LogFactor,
    States,
    closed_form,
    distinct_atoms,
    evidence,
    frame_sums,
    usual_drift,
)
from umlip_bench.finetune.refusals import unsupported, worsened
from umlip_bench.ground.errors import CorrectionError

CLOSED = (Estimator.ROTATE, Estimator.MSE)
DRIFT = 0.25
CASES = Path(__file__).parent / "data" / "factor_cases.json"


def frame(
    rng: np.random.Generator, log_factor: float, r2: float, n: int = 8, size: float = 1.0
) -> np.ndarray:
    """Sums of a frame whose own factor and r2 are exactly these: x = c y + what y does not explain."""
    y = size * rng.normal(size=(n, 3))
    noise = rng.normal(size=(n, 3))
    noise -= (noise * y).sum() / (y * y).sum() * y
    x = np.exp(log_factor) * y
    x = x + noise * np.sqrt((x * x).sum() * (1 / r2 - 1) / (noise * noise).sum())
    return frame_sums(x, y)


def scatter_of(q: float, n: int) -> float:
    """Variance of one frame's log c about the drift, for n unequal atoms."""
    return q * (1 / (LAW.components * n) + LAW.state**2)


def material(
    rng: np.random.Generator,
    n_frames: int,
    log_c: float,
    n: int = 8,
    drift: float = 0.0,
    sizes: float = 0.0,
    r2: float | None = None,
    matched: bool = False,
) -> np.ndarray:
    """Frames that scatter as the module says; how well the law fits varies from material to material."""
    law = 1.0 if matched else LAW.dof / rng.chisquare(LAW.dof)
    b = drift + LAW.softness * log_c + LAW.drift_spread * rng.normal() if sizes else 0.0
    r2 = rng.uniform(0.93, 0.985) if r2 is None else r2
    frames = []
    for a in sizes * rng.normal(size=n_frames):
        own = log_c - b * a + np.sqrt(law * scatter_of((1 - r2) / r2, n)) * rng.normal()
        frames.append(frame(rng, own, r2, n, np.exp(a)))
    return np.array(frames)


# ---- closed forms


@pytest.mark.parametrize("estimator", CLOSED)
@pytest.mark.parametrize("s", [0.5, 0.83, 1.0, 1.6])
def test_a_proportional_model_gets_one_over_its_factor(estimator: Estimator, s: float) -> None:
    x = np.random.default_rng(0).normal(size=(3, 40, 3))
    found = evidence(np.array([frame_sums(each, s * each) for each in x]), estimator)
    assert found.mean.factor == pytest.approx(1 / s, rel=1e-14)
    # It is so at every amplitude.
    far = found.at(States(found.amplitude + 1.0, 0.1, 10))
    assert far.factor == pytest.approx(1 / s, rel=0.03)
    low, high = far.interval
    assert low < 1 / s < high < 1.1 * low


def test_the_two_forms_differ_by_r2() -> None:
    rng = np.random.default_rng(1)
    sums = material(rng, 4, 0.2)
    total = sums.sum(axis=0)
    r2 = total[1] ** 2 / total[0] / total[2]
    ratio = closed_form(sums, Estimator.ROTATE) / closed_form(sums, Estimator.MSE)
    assert ratio == pytest.approx(1 / r2)


def test_noise_is_softness_to_rotate_only() -> None:
    """A calibrated model, x = y + e, has slope r2 and needs no factor."""
    rng = np.random.default_rng(2)
    y = rng.normal(size=(40, 30, 3))
    x = y + 0.5 * rng.normal(size=y.shape)
    sums = np.array([frame_sums(*pair) for pair in zip(x, y, strict=True)])
    assert closed_form(sums, Estimator.MSE) == pytest.approx(1.0, abs=0.03)
    assert closed_form(sums, Estimator.ROTATE) == pytest.approx(1.25, abs=0.04)


def test_least_squared_error() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 20, 3))
    y = x + 0.3 * y
    c = closed_form(frame_sums(x, y)[None], Estimator.MSE)
    errors = [((k * y - x) ** 2).sum() for k in (0.99 * c, c, 1.01 * c)]
    assert errors[1] < min(errors[0], errors[2])


@pytest.mark.parametrize("estimator", CLOSED)
def test_forces_the_other_way_round_are_refused(estimator: Estimator) -> None:
    x = np.random.default_rng(4).normal(size=(4, 3))
    with pytest.raises(CorrectionError, match="do not point along DFT's"):
        evidence(frame_sums(x, -x)[None], estimator)


# ---- uncertainty


def test_a_large_cell_is_surer_and_its_copies_are_not() -> None:
    rng = np.random.default_rng(5)
    small, large = (evidence(frame(rng, 0.1, 0.95, n)[None], Estimator.MSE).mean for n in (4, 64))
    q = 0.05 / 0.95
    assert large.variance == pytest.approx(scatter_of(q, 64), rel=0.02)
    assert small.variance == pytest.approx(scatter_of(q, 4), rel=0.1)
    x, y = rng.normal(size=(2, 4, 3))
    y = x + 0.2 * y
    turned = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    both = frame_sums(np.vstack([x, x @ turned]), np.vstack([y, y @ turned]))
    one, copies = (evidence(sums[None], Estimator.MSE) for sums in (frame_sums(x, y), both))
    assert copies.mean.variance == pytest.approx(one.mean.variance)
    assert distinct_atoms(np.zeros((5, 3)), np.zeros((5, 3))) == 1


def test_atoms_that_are_all_equal_say_nothing_of_the_residual() -> None:
    """A strained crystal with one force by symmetry: r2 is one whatever the model."""
    force = np.array([[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]])
    found = evidence(frame_sums(1.3 * force, force)[None], Estimator.MSE)
    assert found.mean.variance == pytest.approx(scatter_of(LAW.residual, 1))


@pytest.mark.parametrize("estimator", CLOSED)
def test_labels_are_carried_along_the_drift(estimator: Estimator) -> None:
    """Frames whose factor falls with their forces; the law's drift is another one."""
    rng = np.random.default_rng(6)
    amplitudes = np.linspace(-1.0, 1.0, 41)
    sums = np.array([frame(rng, 0.3 - DRIFT * a, 0.97, 54, np.exp(a)) for a in amplitudes])
    found = evidence(sums, estimator, Drift(0.0, 0.01))
    # The influence is linearised: off by the square of what log c differs by.
    assert found.drift == pytest.approx(DRIFT, abs=0.03)
    # The first frame has the smallest forces; what its softness adds to the usual drift is known.
    softness = 0.3 + DRIFT
    one = evidence(sums[:1], Estimator.MSE, Drift(DRIFT - LAW.softness * softness, 0.0))
    states = States.of(sums[-1:])
    assert states.amplitude - one.amplitude == pytest.approx(2.0, abs=0.2)
    there = one.at(states)
    assert there.value == pytest.approx(0.3 - DRIFT, abs=0.08)
    assert there.variance > one.at(States.of(sums[:1])).variance > one.mean.variance
    assert one.at(None).variance > one.at(States.of(sums[:1])).variance


def test_the_usual_drift_is_recovered() -> None:
    rng = np.random.default_rng(12)
    for truth in (0.0, 0.3):
        found = [
            usual_drift([material(rng, 5, 0.1, drift=truth, sizes=0.4) for _ in range(15)])
            for _ in range(30)
        ]
        assert np.mean([each.mean for each in found]) == pytest.approx(truth, abs=0.05)
        assert np.mean([abs(each.mean - truth) < 3 * each.variance**0.5 for each in found]) > 0.9


def test_the_estimate_follows_the_labels_once_there_are_many() -> None:
    """Frames that scatter less, or more, than the law says."""
    for spread in (0.02, 0.5):
        rng = np.random.default_rng(6)
        sums = np.array([frame(rng, spread * rng.normal(), 0.97, 24) for _ in range(400)])
        variance = evidence(sums, Estimator.MSE).mean.variance
        assert variance == pytest.approx(spread**2 / 400, rel=0.4)


def test_states_without_forces() -> None:
    with pytest.raises(CorrectionError, match="no forces in the states of use"):
        States.of(frame_sums(np.zeros((2, 3)), np.zeros((2, 3)))[None])


@pytest.mark.coverage
@pytest.mark.parametrize("n_atoms", [4, 54])
@pytest.mark.parametrize("n_frames", [1, 2, 4, 20])
def test_coverage(n_frames: int, n_atoms: int) -> None:
    """Of the factor of further frames, told by their amplitudes."""
    rng = np.random.default_rng(7)
    n, hits = 800, 0
    for _ in range(n):
        sums = material(rng, n_frames + 10, 0.15, n_atoms, DRIFT, 0.4, r2=0.95)
        held = sums[n_frames:]
        found = evidence(sums[:n_frames], Estimator.MSE, Drift(DRIFT, 0.0)).at(States.of(held))
        low, high = found.interval
        hits += low <= closed_form(held, Estimator.MSE) <= high
    assert 0.92 < hits / n < 0.985


# ---- shrinkage


def simulated(
    rng: np.random.Generator, n_materials: int, mean: float, tau: float, matched: bool = False
) -> list[np.ndarray]:
    return [
        material(rng, 5, mean + tau * rng.normal(), 24, matched=matched) for _ in range(n_materials)
    ]


def test_the_usual_factor_is_recovered() -> None:
    rng = np.random.default_rng(8)
    found = [usual_factor(simulated(rng, 15, 0.15, 0.12)) for _ in range(60)]
    assert np.mean([u.log_mean for u in found]) == pytest.approx(0.15, abs=0.015)
    assert np.mean([u.log_variance for u in found]) == pytest.approx(0.12**2, rel=0.2)
    scatter = np.var([u.log_mean for u in found])
    assert np.mean([u.log_mean_variance for u in found]) == pytest.approx(scatter, rel=0.5)


def test_materials_that_do_not_differ_have_no_variance_between_them() -> None:
    rng = np.random.default_rng(9)
    found = [
        usual_factor(simulated(rng, 15, 0.15, 0.0, matched=True)).log_variance for _ in range(40)
    ]
    assert np.median(found) < 0.01**2


def test_factors_known_exactly_scatter_as_they_are() -> None:
    x = np.random.default_rng(10).normal(size=(200, 3))
    logs = np.linspace(-0.2, 0.3, 9)
    usual = usual_factor([frame_sums(np.exp(log) * x, x)[None] for log in logs])
    assert usual.log_mean == pytest.approx(logs.mean(), abs=1e-6)
    assert usual.log_variance == pytest.approx(logs.var(ddof=1), rel=1e-3)
    assert usual.expected_variance > usual.log_variance + LAW.elsewhere**2


def test_a_sure_label_keeps_its_factor_and_a_doubtful_one_gives_way() -> None:
    usual = UsualFactor(0.1, 0.001, 0.01, 14, elsewhere=0.0)
    exact = LogFactor(0.4, 0.0, 4.0)
    assert usual.weight(exact) == 1.0
    assert usual.shrink(exact) == exact
    weights = [usual.weight(LogFactor(0.4, v, 4.0)) for v in (1e-12, 1e-3, 1e-2, 1.0)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] == pytest.approx(1.0)
    doubtful = usual.shrink(LogFactor(0.4, 1e6, 4.0))
    assert doubtful.value == pytest.approx(0.1, abs=1e-6)
    assert doubtful.variance == pytest.approx(usual.expected_variance)
    assert doubtful.dof == pytest.approx(13, abs=1e-3)


def test_no_scatter_between_materials_and_an_exact_label() -> None:
    usual = UsualFactor(0.1, 0.0, 0.0, 14, elsewhere=0.0)
    assert usual.shrink(LogFactor(0.4, 0.0, 4.0)).value == 0.4
    assert usual.shrink(LogFactor(0.4, 0.1, 4.0)).value == pytest.approx(0.1)


@pytest.mark.coverage
@pytest.mark.parametrize("n_labels", [1, 4])
def test_shrinkage_helps_and_its_interval_covers(n_labels: int) -> None:
    """Materials that are like those of the reference set, and labels of few atoms and large residual."""
    rng = np.random.default_rng(11)
    hits, errors = 0, []
    n = 500
    for k in range(n):
        if k % 10 == 0:
            usual = replace(usual_factor(simulated(rng, 14, 0.15, 0.1)), elsewhere=0.0)
        truth = 0.15 + 0.1 * rng.normal()
        label = evidence(material(rng, n_labels, truth, n=4, r2=0.85), Estimator.MSE).mean
        shrunk = usual.shrink(label)
        low, high = shrunk.interval
        hits += low <= np.exp(truth) <= high
        errors.append((abs(label.value - truth), abs(shrunk.value - truth)))
    plain, better = np.mean(errors, axis=0)
    assert better < plain
    assert 0.91 < hits / n < 0.99


def test_too_few_materials() -> None:
    rng = np.random.default_rng(12)
    materials = simulated(rng, MIN_MATERIALS, 0.1, 0.1)
    materials[0] = materials[0] * np.array([1, -1, 1, 1, 1, 1])
    with pytest.raises(CorrectionError, match=f"for {MIN_MATERIALS - 1} reference materials"):
        usual_factor(materials)


# ---- refusals


def test_forces_that_have_nothing_to_do_with_dft_are_unsupported() -> None:
    rng = np.random.default_rng(13)
    refused = []
    for _ in range(400):
        x, y = rng.normal(size=(2, 6, 3))
        sums = frame_sums(x, y)[None]
        if (x * y).sum() > 0:
            refused.append(unsupported(sums) is not None)
    # Of those that point along DFT's by chance, a tenth do so beyond the limit of 95 %.
    assert np.mean(refused) == pytest.approx(0.9, abs=0.05)
    assert unsupported(frame(rng, 0.2, 0.5, 54)[None]) is None
    assert "nothing to do with DFT's" in some(unsupported(frame(rng, 0.2, 0.14, 4)[None]))


def test_a_factor_that_makes_its_own_labels_worse() -> None:
    y = np.ones((2, 3))
    assert worsened([(y, 0.8 * y)], 1.2) is None
    assert "0.300 instead of 0.200" in some(worsened([(y, 0.8 * y)], 1.625))


# ---- real cases


def real_choices() -> Iterator[tuple[dict[str, str], LogFactor, LogFactor, float]]:
    """Choices of one and two labels of real materials: the label's factor told, untold, and what is asked.

    Frames of ``umlip-bench run high-energy``, six of each material evenly spaced, as sums; the usual factors
    are those of the models on the reference set.
    """
    for case in json.loads(CASES.read_text()):
        usual = UsualFactor(**case["usual"], drift=Drift(*case["drift"]))
        sums = np.array(case["sums"])
        for labels in chain(*(combinations(range(len(sums)), n) for n in (1, 2))):
            held = np.delete(sums, labels, axis=0)
            found = evidence(sums[list(labels)], Estimator.MSE, usual.drift)
            told, untold = (usual.shrink(found.at(states)) for states in (States.of(held), None))
            yield case, told, untold, math.log(closed_form(held, Estimator.MSE))


def test_intervals_hold_the_factors_of_real_materials() -> None:
    rows = []
    for case, told, untold, asked in real_choices():
        row: list[str | float] = [case["model"]]
        for found in (told, untold):
            low, high = found.log_interval
            row += [low <= asked <= high, high - low + 40 * max(low - asked, asked - high, 0.0)]
        rows.append([*row, abs(told.value - asked), abs(untold.value - asked)])
    models = {row[0] for row in rows}
    assert len(models) == 3
    columns = np.array([row[1:] for row in rows])
    held, score, held_untold, score_untold, miss, miss_untold = columns.mean(axis=0)
    assert len(rows) > 600
    assert 0.92 < held < 0.99
    assert 0.85 < held_untold < 0.99
    assert score < 0.8 * score_untold
    assert miss < 0.8 * miss_untold
