"""Softness of forces by how far from equilibrium a state is: by DFT's energy, and by displacement."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import Compared, MaterialComparison
from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over_sums import SystemMedian
from umlip_bench.analysis.softening import N_SUMS, inverse_of, slope_of
from umlip_bench.analysis.states import displacements, energies_above

FloatArray = NDArray[np.float64]
OfFrames = Callable[[MaterialComparison], FloatArray]

ENERGIES = (0.1, 0.5)
"""eV per atom above the lowest frame of the material, between ranges."""
DISPLACEMENTS = (0.1, 0.3)
"""Å, root mean square over the atoms of a frame, between ranges."""


def metrics() -> tuple[Metric[Compared], ...]:
    """Slope and inverse of the frames in each range, medians over the materials that have any."""
    return (
        *_ranges("energy", ENERGIES, "eV/atom", energies_above),
        *_ranges("displacement", DISPLACEMENTS, "Å", displacements),
    )


def _ranges(
    kind: str, edges: Sequence[float], unit: str, of: OfFrames
) -> Iterator[Metric[Compared]]:
    ends = (0.0, *edges, np.inf)
    for low, high in pairwise(ends):
        if low == 0.0:
            name, words = f"below_{high:g}", f"< {high:g}"
        elif high == np.inf:
            name, words = f"above_{low:g}", f"> {low:g}"
        else:
            name, words = f"{low:g}_to_{high:g}", f"{low:g} to {high:g}"
        yield Metric(
            f"forces_{kind}_{name}",
            _sums(of, low, high),
            over=(
                SystemMedian(
                    f"slope, {words} {unit.removesuffix('/atom')}",
                    name=f"slope_{kind}_{name}",
                    statistic=slope_of,
                    always=False,
                ),
                SystemMedian(name=f"inverse_{kind}_{name}", statistic=inverse_of, always=False),
            ),
            column=False,
        )


def _sums(of: OfFrames, low: float, high: float) -> Callable[[Compared], FloatArray]:
    """Sums over the frames in a range; nan without any."""

    def found(compared: Compared) -> FloatArray:
        values = of(compared.material)
        inside = (values >= low) & (values < high)
        if not inside.any():
            return np.full(N_SUMS, np.nan)
        return np.asarray(compared.frame_sums[inside].sum(axis=0))

    return found
