import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from umlip_bench.analysis.softening import (
    component_sums,
    energy_slope,
    inverse_of,
    mae_of,
    r2_of,
    slope_of,
    softening,
    stress_softening,
)
from umlip_bench.ground.errors import DataError


@pytest.fixture
def forces() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(7, 11, 3))
    return x, 0.8 * x + 0.2 * rng.normal(size=x.shape)


@pytest.mark.parametrize("factor", [0.5, 0.81, 1.0, 1.7])
def test_proportional_model(factor: float, forces: tuple[np.ndarray, np.ndarray]) -> None:
    x, _ = forces
    result = softening(x, factor * x)
    assert result.slope == pytest.approx(factor)
    assert result.slope_intercept == pytest.approx(factor)
    assert result.inverse == pytest.approx(1 / factor)
    assert result.r2 == pytest.approx(1.0)
    assert result.pearson == pytest.approx(1.0)
    assert result.mae == pytest.approx(abs(1 - factor) * np.mean(np.abs(x)))
    assert result.rmse == pytest.approx(abs(1 - factor) * np.sqrt(np.mean(x**2)))
    assert result.cmae_rotate == pytest.approx(0.0, abs=1e-14)
    assert result.cmae_mse == pytest.approx(0.0, abs=1e-14)
    assert result.n == x.size


def test_against_library_fits(forces: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = (a.ravel() for a in forces)
    result = softening(x, y)
    assert result.slope == pytest.approx(np.linalg.lstsq(x[:, None], y)[0][0])
    assert result.inverse == pytest.approx(np.linalg.lstsq(y[:, None], x)[0][0])
    assert result.slope_intercept == pytest.approx(np.polyfit(x, y, 1)[0])
    assert result.pearson == pytest.approx(np.corrcoef(x, y)[0, 1])


def test_slope_times_inverse_is_r2(forces: tuple[np.ndarray, np.ndarray]) -> None:
    result = softening(*forces)
    assert result.slope * result.inverse == pytest.approx(result.r2, rel=1e-15)


def test_inverse_minimises_squared_error(forces: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = forces
    best = softening(x, y).inverse
    squared = [np.sum((f * y - x) ** 2) for f in (best - 1e-3, best, best + 1e-3)]
    assert squared[1] < min(squared[0], squared[2])


def test_calibrated_noise_has_slope_r2_and_inverse_one() -> None:
    # x = y + e with e independent of y: what the model does not resolve is no softening.
    rng = np.random.default_rng(2)
    y = rng.normal(size=400_000)
    result = softening(y + 0.5 * rng.normal(size=y.size), y)
    assert result.r2 == pytest.approx(0.8, abs=0.005)
    assert result.slope == pytest.approx(result.r2, abs=0.005)
    assert result.inverse == pytest.approx(1.0, abs=0.005)
    assert result.cmae_mse == pytest.approx(result.mae, rel=0.005)
    assert result.cmae_rotate > result.mae


def test_hand_computed() -> None:
    result = softening([1.0, 0.0], [2.0, 2.0])
    assert (result.slope, result.inverse, result.r2) == (2.0, 0.25, 0.5)
    assert (result.mae, result.rmse) == (1.5, np.sqrt(2.5))
    assert (result.cmae_rotate, result.cmae_mse) == (0.5, 0.5)
    assert result.slope_intercept == 0.0


def test_invariances(forces: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = forces
    expected = softening(x, y)
    order = np.random.default_rng(3).permutation(x.size)
    turn = Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix()
    for other in (
        softening(51.4 * x, 51.4 * y),
        softening(x.ravel()[order], y.ravel()[order]),
        softening(x @ turn.T, y @ turn.T),
    ):
        assert other.slope == pytest.approx(expected.slope)
        assert other.inverse == pytest.approx(expected.inverse)
        assert other.r2 == pytest.approx(expected.r2)
    assert softening(10 * x, 10 * y).mae == pytest.approx(10 * expected.mae)
    assert softening(10 * x, 10 * y).cmae_rotate == pytest.approx(10 * expected.cmae_rotate)


def test_component_sums_add_up(forces: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = forces
    sums = np.sum([component_sums(a, b) for a, b in zip(x, y, strict=True)], axis=0)
    expected = softening(x, y)
    assert slope_of(sums) == pytest.approx(expected.slope)
    assert inverse_of(sums) == pytest.approx(expected.inverse)
    assert r2_of(sums) == pytest.approx(expected.r2)
    assert mae_of(sums) == pytest.approx(expected.mae)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        ([1.0, 2.0], [1.0, 2.0, 3.0], "do not match"),
        ([[1.0, 2.0]], [[1.0], [2.0]], "do not match"),
        ([1.0], [1.0], "at least two"),
        ([1.0, np.nan], [1.0, 2.0], "1 of 2 reference components are not finite"),
        ([1.0, 2.0], [np.inf, np.nan], "2 of 2 model components are not finite"),
        ([0.0, 0.0], [1.0, 2.0], "reference is zero"),
        ([1.0, 2.0], [0.0, 0.0], "zero forces everywhere"),
    ],
)
def test_errors(x: list[float], y: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        softening(x, y)


def test_undefined_parts_are_nan_or_inf() -> None:
    constant = softening([0.1, 0.1, 0.1], [1.0, 2.0, 3.0])
    assert np.isnan(constant.slope_intercept)
    assert np.isnan(constant.pearson)
    orthogonal = softening([1.0, 0.0], [0.0, 1.0])
    assert orthogonal.slope == 0.0
    assert orthogonal.cmae_rotate == np.inf


def test_energy_slope_ignores_offsets_per_composition() -> None:
    rng = np.random.default_rng(4)
    groups = ["LiCl"] * 5 + ["Li2O"] * 4
    x = rng.normal(-4, 0.2, 9)
    y = 0.7 * x + 0.01 * rng.normal(size=9)
    shifted = y + np.array([3.0] * 5 + [-11.0] * 4)
    assert energy_slope(x, shifted, groups) == pytest.approx(energy_slope(x, y, groups))
    assert energy_slope(x, 0.7 * x + 2.0, groups) == pytest.approx(0.7)


def test_energy_slope_hand_computed() -> None:
    # Deviations: x -1, 1 | -2, 2 (the single frame drops out), y -0.5, 0.5 | -2, 2.
    x = [0.0, 2.0, 10.0, 14.0, 100.0]
    y = [7.0, 8.0, 0.0, 4.0, -50.0]
    assert energy_slope(x, y, ["a", "a", "b", "b", "c"]) == pytest.approx(9.0 / 10.0)


@pytest.mark.parametrize(
    ("x", "groups"),
    [([1.0, 2.0], ["a", "b"]), ([1.0], ["a"]), ([], []), ([0.1, 0.1, 0.1], ["a", "a", "a"])],
)
def test_energy_slope_without_differences_is_nan(x: list[float], groups: list[str]) -> None:
    assert np.isnan(energy_slope(x, np.arange(len(x)), groups))


def test_energy_slope_errors() -> None:
    with pytest.raises(DataError, match="one of each per frame"):
        energy_slope([1.0, 2.0], [1.0, 2.0], ["a"])
    with pytest.raises(DataError, match="model energies are not finite"):
        energy_slope([1.0, 2.0], [1.0, np.nan], ["a", "a"])


def test_stress_slope_ignores_a_constant() -> None:
    rng = np.random.default_rng(5)
    x = 0.05 + rng.normal(size=(6, 6)) * 0.02
    exact = stress_softening(x, 0.9 * x + 0.03)
    assert exact.slope == pytest.approx(0.9)
    assert exact.intercept == pytest.approx(0.03)
    assert exact.pearson == pytest.approx(1.0)
    assert exact.n == 36
    y = 0.9 * x + 0.002 * rng.normal(size=x.shape)
    shifted = stress_softening(x, y + 0.01)
    assert shifted.slope == pytest.approx(stress_softening(x, y).slope)
    assert shifted.pearson == pytest.approx(stress_softening(x, y).pearson)
    assert shifted.intercept == pytest.approx(stress_softening(x, y).intercept + 0.01)


def test_stress_slope_against_library_fit() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(2, 4, 6))
    slope, intercept = np.polyfit(x.ravel(), y.ravel(), 1)
    assert stress_softening(x, y).slope == pytest.approx(slope)
    assert stress_softening(x, y).intercept == pytest.approx(intercept)


def test_stress_edge_cases() -> None:
    flat = stress_softening(np.full((1, 6), 0.1), np.arange(6.0)[None])
    assert np.isnan(flat.slope)
    assert np.isnan(flat.intercept)
    assert np.isnan(flat.pearson)
    assert flat.mae == pytest.approx(np.mean(np.abs(np.arange(6) - 0.1)))
    with pytest.raises(DataError, match=r"\(n_frames, 6\)"):
        stress_softening(np.ones((2, 3, 3)), np.ones((2, 3, 3)))
