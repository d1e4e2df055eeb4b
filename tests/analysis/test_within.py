"""A verdict on one material: its interval holds the truth within the material, and says what it is."""

from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from tests.conftest import LoadModel
from tests.support.measuring import measured, published
from tests.support.narrowing import some
from umlip_bench.analysis.frames import Compared, FrameComparison, Geometry, MaterialComparison
from umlip_bench.analysis.intervals import pooled_estimate
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.softening import SUM_XX, slope_of
from umlip_bench.analysis.within import BLOCKS, CONSECUTIVE_FROM, block_sums, consecutive
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.suite import Mode

CELL = bulk("Si", cubic=True)
SUITE = suite_of("high-energy")


def trajectory(
    n: int, memory: float, seed: int = 0, scale: float = 0.8, name: str = "Si"
) -> MaterialComparison:
    """Frames whose displacements, and the model's errors, remember those before with `memory`."""
    rng = np.random.default_rng(seed)
    moved, error = rng.normal(size=(2, 8, 3))
    fresh = np.sqrt(1 - memory**2)
    frames = []
    for _ in range(n):
        moved = memory * moved + fresh * rng.normal(size=(8, 3))
        error = memory * error + fresh * rng.normal(size=(8, 3))
        x = -2.0 * moved
        y = (scale + 0.2 * error[0, 0]) * x
        geometry = Geometry(CELL.numbers, CELL.positions + 0.1 * moved, CELL.cell.array)
        frames.append(FrameComparison("Si", np.nan, 0.0, x, y, geometry=geometry))
    return MaterialComparison(name, tuple(frames), "Si")


def test_trajectories_are_told_from_independent_frames() -> None:
    assert not consecutive(trajectory(30, 0.0))
    assert consecutive(trajectory(100, 0.6))
    unknown = tuple(
        FrameComparison("Si", np.nan, 0.0, f.forces_reference, f.forces_model)
        for f in trajectory(30, 0.0).frames
    )
    assert consecutive(MaterialComparison("Si", unknown))
    assert len(block_sums(Compared(trajectory(30, 0.0)))) == 30
    of_blocks = block_sums(Compared(trajectory(100, 0.6)))
    assert len(of_blocks) == BLOCKS
    np.testing.assert_allclose(
        of_blocks.sum(axis=0), Compared(trajectory(100, 0.6)).frame_sums.sum(axis=0)
    )
    assert len(block_sums(Compared(trajectory(30, 0.8)))) == 1


@pytest.mark.parametrize(
    ("material", "said"),
    [
        (trajectory(30, 0.0), "over 30 frames)"),
        (trajectory(200, 0.6), "over 8 blocks of 25 consecutive frames)"),
    ],
)
def test_one_material_has_a_verdict_of_its_own(material: MaterialComparison, said: str) -> None:
    rows = SUITE.rows("toy", "data", [material], 0)
    found = {row.metric: row for row in rows}
    assert found["slope_median"].ci_low is None
    assert some(found["slope_within"].ci_low) < 0.8 < some(found["slope_within"].ci_high)
    verdict = SUITE.verdict(rows, "toy")
    assert verdict.startswith("toy: soft within this material (0.")
    assert said in verdict
    assert "nothing of other materials" in SUITE.caption(rows)
    labels = dict(SUITE.presentation.labels)
    assert labels["slope_within"] == "slope, one material"


def test_too_few_frames_leave_one_material_undecided() -> None:
    rows = SUITE.rows("toy", "data", [trajectory(5, 0.0)], 0)
    assert "undecided (too few frames for an interval within this material: 5)" in SUITE.verdict(
        rows, "toy"
    )


def test_several_materials_are_judged_by_materials() -> None:
    def of_systems(*systems: str) -> list[MaterialComparison]:
        made = (trajectory(30, 0.0, seed=k, name=f"m{k}") for k in range(len(systems)))
        return [MaterialComparison(m.name, m.frames, s) for m, s in zip(made, systems, strict=True)]

    def metrics(results: list[MaterialComparison]) -> set[str]:
        return {row.metric for row in SUITE.rows("toy", "data", results, 0)}

    assert "slope_within" not in metrics(of_systems("Si", "Ge"))
    # Two runs of one material are one material.
    assert "slope_within" in metrics(of_systems("Si", "Si"))


@pytest.mark.coverage
@pytest.mark.parametrize(("n", "memory"), [(12, 0.0), (40, 0.0), (100, 0.6), (200, 0.8)])
def test_intervals_within_a_material_hold_its_slope(n: int, memory: float) -> None:
    """95 % where frames forget each other within half a block."""
    held = []
    for seed in range(300):
        sums = block_sums(Compared(trajectory(n, memory, seed)))
        estimate = pooled_estimate(sums, slope_of, sums[:, SUM_XX])
        if estimate.low is not None:
            held.append(some(estimate.low) < 0.8 < some(estimate.high))
    # Few independent frames are sometimes like a trajectory, and then have no interval.
    assert len(held) > 0.9 * 300
    assert 0.91 <= np.mean(held) <= 0.99


@pytest.fixture(scope="module")
def molybdenum(load_model: LoadModel) -> MaterialComparison:
    """A published trajectory at 300, then 3000, then 6000 K, and a few frames of each kept aside."""
    suite = load_suite("high-energy")
    case = next(c for c in suite.cases(published("mlearn"), Mode.FULL) if c.name == "Mo AIMD-NVT")
    found = measured(suite, load_model("m3gnet-mp-2021.2.8"), [case])[case.name]
    assert isinstance(found, MaterialComparison)
    return found


def interval(sums: np.ndarray) -> tuple[float, float]:
    found = pooled_estimate(sums, slope_of, sums[:, SUM_XX])
    return some(found.low), some(found.high)


def part(material: MaterialComparison, which: slice) -> MaterialComparison:
    return replace(material, frames=material.frames[which])


@pytest.mark.model
def test_blocks_of_a_real_trajectory(molybdenum: MaterialComparison) -> None:
    """They know what frames taken for independent do not: forces at 300 K say nothing of 6000 K."""
    compared = Compared(molybdenum)
    assert consecutive(molybdenum)
    blocks = block_sums(compared)
    assert len(blocks) == BLOCKS
    np.testing.assert_allclose(blocks.sum(axis=0), compared.frame_sums.sum(axis=0))
    low, high = interval(blocks)
    narrow, wide = interval(compared.frame_sums)
    assert low < narrow < compared.forces.slope < wide < high
    assert high - low > 2 * (wide - narrow)
    # Every second frame tells what the others, and all together, are.
    thinned = part(molybdenum, slice(0, None, 2))
    assert consecutive(thinned)
    low, high = interval(block_sums(Compared(thinned)))
    others = Compared(part(molybdenum, slice(1, None, 2))).forces.slope
    assert low < others < high
    assert low < compared.forces.slope < high
    # The cold frames alone are softer than any interval of frames taken for independent allows.
    cold = Compared(part(molybdenum, slice(0, 30)))
    assert cold.forces.slope < narrow


@pytest.mark.model
def test_a_real_trajectory_in_another_order_or_cut_short(molybdenum: MaterialComparison) -> None:
    order = np.random.default_rng(0).permutation(len(molybdenum.frames))
    shuffled = replace(molybdenum, frames=tuple(molybdenum.frames[k] for k in order))
    assert not consecutive(shuffled)
    assert len(block_sums(Compared(shuffled))) == len(molybdenum.frames)
    short = part(molybdenum, slice(0, None, 4))
    assert consecutive(short)
    assert len(short.frames) < CONSECUTIVE_FROM
    assert len(block_sums(Compared(short))) == 1
    said = {
        name: SUITE.verdict(SUITE.rows("m3gnet", "mlearn", [each], 0), "m3gnet")
        for name, each in (("whole", molybdenum), ("shuffled", shuffled), ("short", short))
    }
    assert "over 8 blocks of 15 consecutive frames)" in said["whole"]
    assert "no softening resolved within this material" in said["whole"]
    assert "over 120 frames)" in said["shuffled"]
    assert (
        f"undecided (too few frames for an interval within this material: {len(short.frames)}"
        in (said["short"])
    )
