"""Intervals within one material, over its frames: what can be said where there is but one.

They tell how far the result would move with other frames of the same kind, and nothing of other materials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import Compared, MaterialComparison
from umlip_bench.analysis.intervals import Estimate, pooled_estimate
from umlip_bench.analysis.over import WITHOUT_INTERVAL, Over, Value
from umlip_bench.analysis.softening import SUM_XX, SUM_YY, inverse_of, slope_of

FloatArray = NDArray[np.float64]

BLOCKS = 8
"""Of consecutive frames. Coverage measured with 8 blocks: 0.93 to 0.96 where frames forget each other within
half a block, 0.80 to 0.93 within one; lengths that follow from the data themselves do worse."""
CONSECUTIVE_FROM = 40
"""Consecutive frames from which on there are blocks."""
ALIKE = 0.8
"""Frames are consecutive if von Neumann's ratio is below: the mean square difference of neighbours over that
of independent frames, twice the variance (J. von Neumann, Ann. Math. Stat. 12, 367 (1941))."""


def consecutive(material: MaterialComparison) -> bool:
    """Whether frames are likely those of a trajectory, each like the one before.

    Told by positions and cells; where they are not known, or atoms change, yes, which is the safer answer.
    """
    geometries = [frame.geometry for frame in material.frames if frame.geometry is not None]
    numbers = {tuple(g.numbers.tolist()) for g in geometries}
    if len(geometries) < len(material.frames) or len(numbers) > 1:
        return True
    cells = np.array([g.cell for g in geometries])
    scaled = np.array([g.positions @ np.linalg.inv(g.cell) for g in geometries])
    moved = scaled - scaled[0]
    moved -= np.rint(moved)
    moved -= moved.mean(axis=1, keepdims=True)
    states = np.concatenate([moved @ cells.mean(axis=0), cells], axis=1)
    around = states - states.mean(axis=0)
    n, scatter = len(states), float((around**2).sum())
    if n < 3 or scatter == 0.0:
        return False
    return float((np.diff(states, axis=0) ** 2).sum()) < ALIKE * 2 * scatter


def block_sums(compared: Compared) -> FloatArray:
    """Sums over the force components of what counts as independent, shape (blocks, 5).

    Frames, or blocks of them where they are consecutive; one block if they are too few.
    """
    sums = compared.frame_sums
    if not consecutive(compared.material):
        return sums
    n = BLOCKS if len(sums) >= CONSECUTIVE_FROM else 1
    starts = np.linspace(0, len(sums), n, endpoint=False).astype(int)
    return np.asarray(np.add.reduceat(sums, starts, axis=0))


@dataclass(frozen=True)
class WithinOneMaterial(Over):
    """Slope and inverse over all frames, with the jackknife interval over blocks; only of one material.

    ``blocks_within`` says of how many.
    """

    def names(self, key: str) -> tuple[tuple[str, str], ...]:
        """All three."""
        return (
            ("slope_within", "slope, one material"),
            ("inverse_within", "its inverse"),
            ("blocks_within", "blocks of frames"),
        )

    def estimates(
        self, key: str, systems: Sequence[str], values: Sequence[Value]
    ) -> list[tuple[str, Estimate]]:
        """Nothing where there are several materials: then those are what is independent."""
        if len(set(systems)) != 1:
            return []
        blocks = np.concatenate([np.atleast_2d(value) for value in values])
        found = (
            pooled_estimate(blocks, slope_of, blocks[:, SUM_XX]),
            pooled_estimate(blocks, inverse_of, blocks[:, SUM_YY]),
            Estimate(float(len(blocks)), None, None, 0, WITHOUT_INTERVAL),
        )
        rows = (name for name, _ in self.names(key))
        return [(row, replace(each, n=len(values))) for row, each in zip(rows, found, strict=True)]

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """The slope."""
        return self.estimates("", systems, values)[0][1]


@dataclass(frozen=True)
class FramesOfOneMaterial(Over):
    """How many frames there are; only of one material."""

    unit: str | None = ""

    def estimates(
        self, key: str, systems: Sequence[str], values: Sequence[Value]
    ) -> list[tuple[str, Estimate]]:
        """As of `WithinOneMaterial`."""
        found = super().estimates(key, systems, values)
        return found if len(set(systems)) == 1 else []

    def estimate(self, systems: Sequence[str], values: Sequence[Value]) -> Estimate:
        """The sum over cases."""
        return Estimate(
            float(np.sum(np.array(values, dtype=float))), None, None, len(values), WITHOUT_INTERVAL
        )
