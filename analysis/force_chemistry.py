"""Forces by the element of the atom that they act on.

Components of single atoms, from the geometries that a run keeps. None of this is causal: where few materials
stand behind a number, it may be theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.intervals import clustered_median_estimate
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.softening import (
    N_SUMS,
    SUM_XX,
    SUM_YY,
    component_sums,
    inverse_of,
    mae_of,
    slope_of,
)
from umlip_bench.analysis.suite import AnySuite
from umlip_bench.ground.elements import SYMBOLS

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ElementForces:
    """Forces on the atoms of one element.

    Parameters
    ----------
    symbol
        The element.
    slope, inverse
        Medians over materials, of the values over all components on the element's atoms in the material;
        dimensionless, see `umlip_bench.analysis.softening.Softening`.
    slope_low, slope_high, inverse_low, inverse_high
        95 % intervals over materials; ``None`` below six.
    mae
        Likewise, in eV/Å.
    n_atoms
        Atoms, over all frames.
    n_materials
        Materials that have the element, with forces on it.
    """

    symbol: str
    slope: float
    slope_low: float | None
    slope_high: float | None
    inverse: float
    inverse_low: float | None
    inverse_high: float | None
    mae: float
    n_atoms: int
    n_materials: int


def element_forces(run: Run, model: str) -> list[ElementForces]:
    """Forces of the high-energy suite, element by element.

    Only forces on the element's own atoms count, so that a soft cation beside a stiff anion shows.

    Parameters
    ----------
    run, model
        The run and the name of the model.

    Returns
    -------
    list of ElementForces
        By atomic number. Empty if the run has no high-energy cases of the model, or was made before
        geometries were kept.
    """
    sums: dict[int, list[FloatArray]] = {}
    for material in materials_of(run, model):
        frames = [frame for frame in material.frames if frame.geometry is not None]
        for number in np.unique([z for frame in frames for z in _numbers(frame)]):
            of_frames = np.array(
                [
                    component_sums(f.forces_reference[own], f.forces_model[own])
                    for f in frames
                    if (own := _numbers(f) == number).any()
                ]
            )
            total = of_frames.sum(axis=0)
            # On a site of high symmetry there is no force, and neither slope nor inverse.
            if total[SUM_XX] > 0.0 and total[SUM_YY] > 0.0:
                sums.setdefault(int(number), []).append(of_frames)
    return [_element(SYMBOLS[number - 1], sums[number]) for number in sorted(sums)]


def _element(symbol: str, materials: Sequence[FloatArray]) -> ElementForces:
    slope = clustered_median_estimate(materials, slope_of)
    inverse = clustered_median_estimate(materials, inverse_of)
    n_components = sum(frames[:, N_SUMS - 1].sum() for frames in materials)
    return ElementForces(
        symbol=symbol,
        slope=slope.value,
        slope_low=slope.low,
        slope_high=slope.high,
        inverse=inverse.value,
        inverse_low=inverse.low,
        inverse_high=inverse.high,
        mae=clustered_median_estimate(materials, mae_of).value,
        n_atoms=round(n_components / 3),
        n_materials=slope.n,
    )


def _numbers(frame: FrameComparison) -> NDArray[np.int64]:
    assert frame.geometry is not None
    return frame.geometry.numbers


def materials_of(run: Run, model: str) -> Iterator[MaterialComparison]:
    """Results of the first suite of a run whose results are forces on frames."""
    suite = suite_of_forces(run)
    yield from () if suite is None else run.results_of(MaterialComparison, suite.name, model)


def suite_of_forces(run: Run) -> AnySuite | None:
    """The first suite of a run whose results are forces on frames; ``None`` if there is none."""
    found = (suite_of(name) for name in run.suites)
    return next((suite for suite in found if suite.result is MaterialComparison), None)
