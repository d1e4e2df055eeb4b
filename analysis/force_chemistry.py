"""Forces by the element of the atom that they act on, and by what could predict where they are soft.

Components of single atoms, from the geometries that a run keeps. None of this is causal: where few materials
stand behind a number, it may be theirs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.coordination import effective_coordination
from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.intervals import (
    Estimate,
    clustered_median_estimate,
    pooled_estimate,
)
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

BINS = 5
"""Quantile bins of a predictor."""


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
    for material in _materials(run, model):
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


# ---- what predicts it


class Predictor(StrEnum):
    """What an atom's forces are sorted by."""

    FORCE = "force"
    STRAIN = "strain"
    COORDINATION = "coordination"


LABELS = {
    Predictor.FORCE: ("DFT force on the atom", "eV/Å"),
    Predictor.STRAIN: ("volume against the material's mean", "%"),
    Predictor.COORDINATION: ("effective coordination number", ""),
}
"""In words, and the unit."""


@dataclass(frozen=True)
class PredictorBin:
    """Forces on the atoms for which a predictor is between two quantiles.

    Parameters
    ----------
    predictor
        Which.
    label
        In words.
    unit
        Of `low` and `high`; empty for numbers.
    low, high
        Least and largest value in the bin.
    slope
        Through the origin over all components on these atoms; dimensionless.
    ci_low, ci_high
        95 % interval over materials, by the jackknife of `umlip_bench.analysis.intervals`; ``None`` for too
        few materials.
    n_components
        Force components.
    n_materials
        Materials with an atom in the bin.
    """

    predictor: Predictor
    label: str
    unit: str
    low: float
    high: float
    slope: float
    ci_low: float | None
    ci_high: float | None
    n_components: int
    n_materials: int


def predictors(run: Run, model: str) -> list[PredictorBin]:
    """Slope of the forces against what may predict it, in quantile bins over atoms.

    - force: norm of DFT's force on the atom. Bins so depend on DFT alone, and selecting by it leaves
      the slope of the model on DFT as it is. Sorting by the model's force, or by the error, would not: an
      atom whose force the model happens to overrate would be moved to a higher bin. For r2 and the inverse
      such bins are of no use, since noise weighs more where forces are small.
    - strain: volume per atom of the frame, over the mean of the material's frames of that composition, less
      one.
    - coordination: `umlip_bench.analysis.coordination.effective_coordination`.

    Materials are pooled. A bin may hold other materials than the next: a trend is one of the data set,
    not of an atom in a given material.

    Parameters
    ----------
    run, model
        The run and the name of the model.

    Returns
    -------
    list of PredictorBin
        In the order of `Predictor`, five of each or fewer where values coincide; a predictor that has
        one bin only, or needs geometries that are not known, is left out.
    """
    materials = list(_materials(run, model))
    return [found for predictor in Predictor for found in _bins(predictor, materials)]


def _bins(predictor: Predictor, materials: Sequence[MaterialComparison]) -> Iterator[PredictorBin]:
    per_material = [_values(predictor, material) for material in materials]
    known = [values for values in per_material if values is not None]
    if not known:
        return
    bins = _quantile_bins(np.concatenate(known))
    label, unit = LABELS[predictor]
    for low, high in bins if len(bins) > 1 else ():
        sums = []
        for values, material in zip(per_material, materials, strict=True):
            if values is None:
                continue
            x, y = _forces(material)
            inside = (values >= low) & (values <= high)
            if inside.any():
                sums.append(component_sums(x[inside], y[inside]))
        estimate = _pooled_slope(np.array(sums))
        if estimate is None:
            continue
        yield PredictorBin(
            predictor=predictor,
            label=label,
            unit=unit,
            low=low,
            high=high,
            slope=estimate.value,
            ci_low=estimate.low,
            ci_high=estimate.high,
            n_components=round(sum(s[N_SUMS - 1] for s in sums)),
            n_materials=estimate.n,
        )


def _quantile_bins(values: FloatArray) -> list[tuple[float, float]]:
    """Least and largest value of each bin; equal values are in one, that of their middle rank."""
    distinct, counts = np.unique(values, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
    numbers = np.floor(BINS * ranks)
    members = [distinct[numbers == number] for number in np.unique(numbers)]
    return [(float(own[0]), float(own[-1])) for own in members]


def _pooled_slope(sums: FloatArray) -> Estimate | None:
    """Slope over all materials; ``None`` where DFT's forces are zero by symmetry."""
    if not sums[:, SUM_XX].sum() > 0.0:
        return None
    return pooled_estimate(sums, slope_of, sums[:, SUM_XX])


def _values(predictor: Predictor, material: MaterialComparison) -> FloatArray | None:
    """A predictor for all atoms of a material's frames; ``None`` if a geometry is not known."""
    if predictor is Predictor.FORCE:
        return np.asarray(np.linalg.norm(_forces(material)[0], axis=1))
    geometries = [frame.geometry for frame in material.frames if frame.geometry is not None]
    if len(geometries) < len(material.frames):
        return None
    if predictor is Predictor.COORDINATION:
        numbers = np.concatenate([effective_coordination(geometry) for geometry in geometries])
        return _rounded(numbers)
    volumes = np.array([abs(np.linalg.det(g.cell)) / len(g.numbers) for g in geometries])
    compositions = np.array([frame.composition for frame in material.frames])
    strains = np.empty(len(volumes))
    for composition in np.unique(compositions):
        same = compositions == composition
        strains[same] = volumes[same] / volumes[same].mean() - 1.0
    percent = 100.0 * strains
    return _rounded(np.repeat(percent, [frame.n_atoms for frame in material.frames]))


def _rounded(values: FloatArray) -> FloatArray:
    """Without the last digits, in which equivalent atoms and equal volumes differ: no bins of these."""
    return np.round(values, 4)


def _forces(material: MaterialComparison) -> tuple[FloatArray, FloatArray]:
    """DFT's and the model's, shape (n, 3), over the atoms of all frames."""
    return (
        np.concatenate([frame.forces_reference for frame in material.frames]),
        np.concatenate([frame.forces_model for frame in material.frames]),
    )


def _numbers(frame: FrameComparison) -> NDArray[np.int64]:
    assert frame.geometry is not None
    return frame.geometry.numbers


def _materials(run: Run, model: str) -> Iterator[MaterialComparison]:
    suite = suite_of_forces(run)
    yield from () if suite is None else run.results(suite.name, model)


def suite_of_forces(run: Run) -> AnySuite | None:
    """The first suite of a run whose results are forces on frames; ``None`` if there is none."""
    found = (suite_of(name) for name in run.suites)
    return next((suite for suite in found if suite.result is MaterialComparison), None)
