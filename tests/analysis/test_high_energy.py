import json

import numpy as np
import pytest

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.intervals import MEDIAN_FROM
from umlip_bench.analysis.summary import Row
from umlip_bench.benchmarks import load_suite
from umlip_bench.ground.errors import DataError

SUITE = load_suite("high-energy")


def frame(
    x: list[float],
    y: list[float],
    energies: tuple[float, float] = (0.0, 0.0),
    composition: str = "Li",
    stresses: tuple[np.ndarray, np.ndarray] | None = None,
) -> FrameComparison:
    return FrameComparison(
        composition=composition,
        energy_reference=energies[0],
        energy_model=energies[1],
        forces_reference=np.array([x], dtype=float),
        forces_model=np.array([y], dtype=float),
        stress_reference=None if stresses is None else stresses[0],
        stress_model=None if stresses is None else stresses[1],
    )


@pytest.fixture
def materials() -> list[MaterialComparison]:
    """Three materials of two single-atom frames, to be worked out by hand.

    A: xx, xy, yy = 8, 4, 2: slope 1/2, inverse 2, r2 1; abs(y - x) sums to 2.
    B: 3, 2, 2: slope 2/3, inverse 1, r2 2/3; 1. Compositions differ: no energy slope.
    C: 2, 3, 6: slope 3/2, inverse 1/2, r2 3/4; 2.
    """
    stress = np.diag([1.0, 0.0, 0.0])
    offset = 0.8 * stress + 0.1 * np.eye(3)
    return [
        MaterialComparison(
            "A",
            (
                frame([2, 0, 0], [1, 0, 0], (0.0, 5.0), stresses=(stress, offset)),
                frame([0, 2, 0], [0, 1, 0], (2.0, 6.0)),
            ),
        ),
        MaterialComparison(
            "B",
            (
                frame([1, 1, 0], [1, 0, 0], (0.0, 5.0), "Na"),
                frame([0, 0, 1], [0, 0, 1], (2.0, 6.0), "K"),
            ),
        ),
        MaterialComparison(
            "C",
            (
                frame([1, 0, 0], [2, 0, 0], (0.0, 0.0)),
                frame([0, 1, 0], [0, 1, 1], (1.0, 2.0)),
            ),
        ),
    ]


# metric: value, unit, cases
EXPECTED = {
    "slope_median": (2 / 3, "", 3),
    "slope_pooled": (9 / 13, "", 3),
    "inverse_median": (1.0, "", 3),
    "inverse_pooled": (9 / 10, "", 3),
    "r2_median": (3 / 4, "", 3),
    "r2_pooled": (81 / 130, "", 3),
    "mae": (1 / 3, "eV/Å", 3),
    "mae_pooled": (5 / 18, "eV/Å", 3),
    "cmae_rotate": (2 / 9, "eV/Å", 3),  # of 0, 1/3, 2/9
    "cmae_mse": (1 / 6, "eV/Å", 3),  # of 0, 1/6, 1/6
    "share_soft": (1 / 3, "", 3),
    "share_softened": (2 / 3, "", 3),
    "share_inverse_above_one": (1 / 3, "", 3),
    "energy_slope_median": (5 / 4, "", 2),  # of 1/2 and 2
    "stress_slope_median": (0.86, "", 1),  # (0.9 - 1.1 / 6) / (1 - 1 / 6)
    "stress_mae": (0.3 / 6, "eV/Å^3", 1),  # |-0.1| + 0.1 + 0.1
}
# Of A and C: the lowest frame of each, and the other. B has but one frame of each composition.
BY_ENERGY = {
    "slope_energy_below_0.1": (5 / 4, "", 2),  # of 1/2 and 2
    "inverse_energy_below_0.1": (5 / 4, "", 2),  # of 2 and 1/2
    "slope_energy_above_0.5": (3 / 4, "", 2),  # of 1/2 and 1
    "inverse_energy_above_0.5": (5 / 4, "", 2),  # of 2 and 1/2
}


def test_rows_by_hand(materials: list[MaterialComparison]) -> None:
    rows = SUITE.rows("toy-1.0", "toy-data", materials, n_failed=4)
    assert [row.metric for row in rows] == [*EXPECTED, *BY_ENERGY]
    for row in rows:
        value, unit, cases = {**EXPECTED, **BY_ENERGY}[row.metric]
        assert row.value == pytest.approx(value), row.metric
        assert (row.unit, row.n_cases, row.n_failed) == (unit, cases, 4), row.metric
        assert (row.model, row.data) == ("toy-1.0", "toy-data")
        assert (row.suite, row.variant) == ("high-energy", "fixed-geometry")
        # Three materials: only Clopper-Pearson holds for so few.
        assert (row.ci_low is not None) == row.metric.startswith("share_"), row.metric


def test_numbers_of_a_material(materials: list[MaterialComparison]) -> None:
    a, b, c = (SUITE.numbers(material) for material in materials)
    assert (a["slope"], a["inverse"], a["r2"], a["energy_slope"]) == (0.5, 2.0, 1.0, 0.5)
    assert a["stress_slope"] == pytest.approx(0.86)
    assert (a["n_frames"], a["n_components"]) == (2, 6)
    assert np.isnan([b["energy_slope"], b["stress_slope"], b["stress_mae"]]).all()
    assert c["rmse"] == pytest.approx(np.sqrt(2 / 6))
    assert c["slope_intercept"] == pytest.approx(5 / 4)
    assert c["energy_slope"] == 2.0


def test_energies_are_per_atom_and_frames_may_differ_in_size() -> None:
    rng = np.random.default_rng(0)
    frames = []
    for n_atoms in (2, 4, 4):
        x = rng.normal(size=(n_atoms, 3))
        energy = n_atoms * rng.normal()
        frames.append(FrameComparison("LiCl", energy, 0.6 * energy + 9 * n_atoms, x, 0.7 * x))
    metrics = SUITE.numbers(MaterialComparison("LiCl", tuple(frames)))
    assert metrics["energy_slope"] == pytest.approx(0.6)
    assert metrics["slope"] == pytest.approx(0.7)
    assert metrics["n_components"] == 30


def test_shear_stress_is_counted_once_and_symmetrised() -> None:
    reference = np.zeros((3, 3))
    reference[0, 1] = 0.2
    frames = (frame([1, 0, 0], [1, 0, 0], stresses=(reference, np.zeros((3, 3)))),)
    metrics = SUITE.numbers(MaterialComparison("A", frames))
    assert metrics["stress_mae"] == pytest.approx(0.1 / 6)
    assert metrics["stress_slope"] == 0.0


@pytest.mark.parametrize("n", [15, 40])
def test_intervals_hold_their_values(n: int) -> None:
    rng = np.random.default_rng(n)
    many = []
    for index in range(n):
        slope = 0.8 + 0.05 * rng.normal()
        frames = []
        for _ in range(6):
            x = rng.normal(size=(8, 3))
            y = slope * x + 0.1 * rng.normal(size=x.shape)
            energy = rng.normal()
            stress = np.diag(rng.normal(size=3))
            frames.append(FrameComparison("Si", energy, 0.9 * energy, x, y, stress, 0.9 * stress))
        many.append(MaterialComparison(str(index), tuple(frames)))
    rows = SUITE.rows("toy", "toy", many, 0)
    assert rows == SUITE.rows("toy", "toy", many, 0)
    for row in rows:
        if row.n_cases < MEDIAN_FROM:  # Few frames are as far from the lowest.
            assert "_energy_" in row.metric
            continue
        assert row.ci_low is not None
        assert row.ci_high is not None
        assert row.ci_low <= row.value <= row.ci_high, row.metric
    found = {row.metric: row for row in rows}
    assert found["slope_median"].value == pytest.approx(0.8, abs=0.03)
    assert found["share_softened"].value == 1.0


def test_no_materials_left() -> None:
    rows = SUITE.rows("toy", "toy", [], n_failed=3)
    assert [row.metric for row in rows] == list(EXPECTED)
    for row in rows:
        assert np.isnan(row.value)
        assert (row.ci_low, row.n_cases, row.n_failed) == (None, 0, 3)
        assert row.to_json()["value"] is None


def test_errors(materials: list[MaterialComparison]) -> None:
    with pytest.raises(DataError, match="more than once: A"):
        SUITE.rows("toy", "toy", [materials[0], materials[0]], 0)
    still = MaterialComparison("still", (frame([0, 0, 0], [0, 0, 1]),))
    with pytest.raises(DataError, match="'still': the reference is zero"):
        SUITE.numbers(still)
    with pytest.raises(DataError, match="has no frame"):
        MaterialComparison("empty", ())
    with pytest.raises(DataError, match=r"\(n_atoms, 3\)"):
        FrameComparison("Li", 0.0, 0.0, np.zeros(3), np.zeros(3))
    with pytest.raises(DataError, match="model forces"):
        FrameComparison("Li", 0.0, 0.0, np.zeros((1, 3)), np.zeros((2, 3)))
    with pytest.raises(DataError, match="both or neither"):
        FrameComparison("Li", 0.0, 0.0, np.zeros((1, 3)), np.zeros((1, 3)), np.eye(3), None)
    with pytest.raises(DataError, match=r"stress of shape \(6,\)"):
        FrameComparison("Li", 0.0, 0.0, np.ones((1, 3)), np.ones((1, 3)), np.ones(6), np.ones(6))


def test_row_to_json() -> None:
    row = Row("m", "d", "s", "v", "slope", 0.5, "", 0.25, None, 7, 1, "strain 0.5 %")
    assert json.loads(json.dumps(row.to_json(), allow_nan=False)) == {
        "model": "m",
        "data": "d",
        "suite": "s",
        "variant": "v",
        "metric": "slope",
        "value": 0.5,
        "unit": "",
        "ci_low": 0.25,
        "ci_high": None,
        "n_cases": 7,
        "n_failed": 1,
        "amplitude": "strain 0.5 %",
        "n_below": 0,
        "n_above": 0,
        "n_systems": 0,
    }
    assert (
        Row("m", "d", "s", "v", "x", float("inf"), "", None, None, 1, 0).to_json()["value"] is None
    )


@pytest.mark.parametrize("label", [1.0 + 4e-9, 1.0 - 4e-9])
def test_rounded_labels_are_no_softness(label: float) -> None:
    """A model against its own forces, written to eight decimals, is neither soft nor stiff."""
    own = [MaterialComparison(name, (frame([label, 0, 0], [1, 0, 0]),)) for name in "AB"]
    found = {row.metric: row.value for row in SUITE.rows("toy", "data", own, 0)}
    assert [found[f"share_{name}"] for name in ("soft", "softened", "inverse_above_one")] == [0] * 3
