"""Closed forms, their intervals, and shrinkage: identities and coverage by simulation."""

import numpy as np
import pytest

from umlip_bench.analysis.softening import component_sums
from umlip_bench.finetune.factor_prior import MIN_MATERIALS, UsualFactor, usual_factor
from umlip_bench.finetune.factors import (
    PRIOR_DOF,
    SPREAD,
    Estimator,
    LogFactor,
    closed_form,
    log_factor,
)
from umlip_bench.ground.errors import CorrectionError

CLOSED = (Estimator.ROTATE, Estimator.MSE)


def frame(rng: np.random.Generator, log_factor: float, r2: float, n: int = 24) -> np.ndarray:
    """Sums of a frame whose own factor and r2 are exactly these: x = c y + what y does not explain."""
    y = rng.normal(size=n)
    noise = rng.normal(size=n)
    noise -= (noise @ y) / (y @ y) * y
    x = np.exp(log_factor) * y
    x = x + noise * np.sqrt((x @ x) * (1 / r2 - 1) / (noise @ noise))
    return component_sums(x, y)


def material(
    rng: np.random.Generator, n_frames: int, log_c: float, matched: bool = False
) -> np.ndarray:
    """Frames that scatter as the module says; how well the law fits varies from material to material."""
    law = 1.0 if matched else PRIOR_DOF / rng.chisquare(PRIOR_DOF)
    frames = []
    r2 = rng.uniform(0.93, 0.995)
    for _ in range(n_frames):
        own = log_c + np.sqrt(law * SPREAD * (1 - r2) / r2) * rng.normal()
        frames.append(frame(rng, own, r2))
    return np.array(frames)


# ---- closed forms


@pytest.mark.parametrize("estimator", CLOSED)
@pytest.mark.parametrize("s", [0.5, 0.83, 1.0, 1.6])
def test_a_proportional_model_gets_one_over_its_factor(estimator: Estimator, s: float) -> None:
    x = np.random.default_rng(0).normal(size=(3, 24))
    result = log_factor(np.array([component_sums(row, s * row) for row in x]), estimator)
    assert result.factor == pytest.approx(1 / s, rel=1e-14)
    assert result.variance < 1e-15
    np.testing.assert_allclose(result.interval, 1 / s, rtol=1e-6)


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
    y = rng.normal(size=(40, 90))
    x = y + 0.5 * rng.normal(size=y.shape)
    sums = np.array([component_sums(*pair) for pair in zip(x, y, strict=True)])
    assert closed_form(sums, Estimator.MSE) == pytest.approx(1.0, abs=0.03)
    assert closed_form(sums, Estimator.ROTATE) == pytest.approx(1.25, abs=0.04)


def test_least_squared_error() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 60))
    y = x + 0.3 * y
    c = closed_form(component_sums(x, y)[None], Estimator.MSE)
    errors = [((k * y - x) ** 2).sum() for k in (0.99 * c, c, 1.01 * c)]
    assert errors[1] < min(errors[0], errors[2])


@pytest.mark.parametrize("estimator", CLOSED)
def test_forces_the_other_way_round_are_refused(estimator: Estimator) -> None:
    x = np.random.default_rng(4).normal(size=12)
    with pytest.raises(CorrectionError, match="do not point along DFT's"):
        log_factor(component_sums(x, -x)[None], estimator)


def test_the_number_of_atoms_does_not_make_one_frame_surer() -> None:
    """Components of a frame are no independent draws: twice the cell is not twice the evidence."""
    rng = np.random.default_rng(5)
    sums = frame(rng, 0.1, 0.97)
    assert log_factor(2 * sums[None], Estimator.MSE) == log_factor(sums[None], Estimator.MSE)


def test_the_estimate_follows_the_labels_once_there_are_many() -> None:
    """Frames that scatter less, or more, than the law says."""
    for spread in (0.04, 0.5):
        rng = np.random.default_rng(6)
        sums = np.array([frame(rng, spread * rng.normal(), 0.97) for _ in range(400)])
        variance = log_factor(sums, Estimator.MSE).variance
        assert variance == pytest.approx(spread**2 / 400, rel=0.4)


@pytest.mark.coverage
@pytest.mark.parametrize("estimator", CLOSED)
@pytest.mark.parametrize("n_frames", [1, 2, 5, 20])
def test_coverage(estimator: Estimator, n_frames: int) -> None:
    rng = np.random.default_rng(7)
    n = 1200
    # The common truth of the frames: rotate's own is larger by r2.
    hits = 0
    for _ in range(n):
        sums = material(rng, n_frames, 0.15)
        total = sums.sum(axis=0)
        r2 = total[1] ** 2 / total[0] / total[2] if estimator is Estimator.ROTATE else 1.0
        low, high = log_factor(sums, estimator).interval
        hits += low <= np.exp(0.15) / r2 <= high
    assert 0.92 < hits / n < 0.985


# ---- shrinkage


def simulated(
    rng: np.random.Generator, n_materials: int, mean: float, tau: float
) -> list[np.ndarray]:
    return [material(rng, 5, mean + tau * rng.normal()) for _ in range(n_materials)]


def test_the_usual_factor_is_recovered() -> None:
    rng = np.random.default_rng(8)
    found = [usual_factor(simulated(rng, 15, 0.15, 0.12)) for _ in range(60)]
    assert np.mean([u.log_mean for u in found]) == pytest.approx(0.15, abs=0.015)
    assert np.mean([u.log_variance for u in found]) == pytest.approx(0.12**2, rel=0.2)
    scatter = np.var([u.log_mean for u in found])
    assert np.mean([u.log_mean_variance for u in found]) == pytest.approx(scatter, rel=0.5)


def test_materials_that_do_not_differ_have_no_variance_between_them() -> None:
    rng = np.random.default_rng(9)
    found = [usual_factor(simulated(rng, 15, 0.15, 0.0)).log_variance for _ in range(40)]
    assert np.median(found) < 0.01**2


def test_factors_known_exactly_scatter_as_they_are() -> None:
    x = np.random.default_rng(10).normal(size=24)
    logs = np.linspace(-0.2, 0.3, 9)
    usual = usual_factor([component_sums(np.exp(log) * x, x)[None] for log in logs])
    assert usual.log_mean == pytest.approx(logs.mean())
    assert usual.log_variance == pytest.approx(logs.var(ddof=1))


def test_a_sure_label_keeps_its_factor_and_a_doubtful_one_gives_way() -> None:
    usual = UsualFactor(0.1, 0.001, 0.01, 14)
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
    usual = UsualFactor(0.1, 0.0, 0.0, 14)
    assert usual.shrink(LogFactor(0.4, 0.0, 4.0)).value == 0.4
    assert usual.shrink(LogFactor(0.4, 0.1, 4.0)).value == pytest.approx(0.1)


@pytest.mark.coverage
@pytest.mark.parametrize("n_labels", [1, 4])
def test_shrinkage_helps_and_its_interval_covers(n_labels: int) -> None:
    rng = np.random.default_rng(11)
    hits, errors = 0, []
    n = 500
    for k in range(n):
        if k % 10 == 0:
            usual = usual_factor(simulated(rng, 14, 0.15, 0.1))
        truth = 0.15 + 0.1 * rng.normal()
        label = log_factor(material(rng, n_labels, truth), Estimator.MSE)
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
    materials[0] = materials[0] * np.array([1, -1, 1, 1, 1])
    with pytest.raises(CorrectionError, match=f"for {MIN_MATERIALS - 1} reference materials"):
        usual_factor(materials)
