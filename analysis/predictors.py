"""By what softness could be predicted: slope and inverse of forces in bins of geometry and energy.

Components of single atoms, from the geometries that a run keeps. None of this is causal: where few materials
stand behind a number, it may be theirs.

Bins depend on geometry and DFT's energy alone. A model that is DFT's forces with independent noise has a
slope of 1 in all of them, and a model that DFT's forces scatter about an inverse of 1. Bins by DFT's own
force keep the first and not the second: among the largest forces are more of those that the scatter has
made large. There the slopes of a model without bias run from .84 to .98.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.coordination import effective_coordination
from umlip_bench.analysis.force_chemistry import materials_of
from umlip_bench.analysis.frames import Geometry, MaterialComparison
from umlip_bench.analysis.intervals import Estimate, pooled_estimate
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.softening import (
    N_COMPONENTS,
    SUM_XX,
    SUM_YY,
    component_sums,
    inverse_of,
    slope_of,
)
from umlip_bench.analysis.states import displacements, energies_above, shortest_bonds

FloatArray = NDArray[np.float64]

BINS = 5
"""Quantile bins of a predictor."""


class Predictor(StrEnum):
    """What atoms are sorted by."""

    ENERGY = "energy"
    DISPLACEMENT = "displacement"
    BOND = "bond"
    STRAIN = "strain"
    COORDINATION = "coordination"


LABELS = {
    Predictor.ENERGY: ("DFT energy above the material's lowest frame", "eV/atom"),
    Predictor.DISPLACEMENT: ("displacement from the sites, rms of the frame", "Å"),
    Predictor.BOND: ("shortest bond over the sum of covalent radii", ""),
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
        Of `low`, `high` and `mean`; empty for numbers.
    low, high, mean
        Least, largest and mean value of the atoms in the bin.
    slope, inverse
        Through the origin and best factor, over all components on these atoms; their intervals are over
        materials, by the jackknife of `umlip_bench.analysis.intervals`.
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
    mean: float
    slope: Estimate
    inverse: Estimate
    n_components: int
    n_materials: int


def predictors(run: Run, model: str) -> list[PredictorBin]:
    """Slope and inverse of the forces against what may predict them, in quantile bins over atoms.

    - energy: DFT's, of the frame, per atom above the lowest frame of the material.
    - displacement: of the frame's atoms from their sites (`umlip_bench.analysis.states.displacements`).
    - bond: of the atom, the shortest over the sum of covalent radii.
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
    materials = list(materials_of(run, model))
    return [found for predictor in Predictor for found in _bins(predictor, materials)]


def _bins(predictor: Predictor, materials: Sequence[MaterialComparison]) -> Iterator[PredictorBin]:
    values = [_values(predictor, material) for material in materials]
    known = np.concatenate([each[np.isfinite(each)] for each in values]) if values else np.empty(0)
    edges = quantile_bins(known) if len(known) else []
    label, unit = LABELS[predictor]
    forces = [_forces(material) for material in materials]
    for low, high in edges if len(edges) > 1 else ():
        inside = [(each >= low) & (each <= high) for each in values]
        sums = np.array(
            [
                component_sums(x[own], y[own])
                for (x, y), own in zip(forces, inside, strict=True)
                if own.any()
            ]
        )
        # On sites of high symmetry there is no force, and neither slope nor inverse.
        if not (sums[:, SUM_XX].any() and sums[:, SUM_YY].any()):
            continue
        yield PredictorBin(
            predictor=predictor,
            label=label,
            unit=unit,
            low=low,
            high=high,
            mean=float(known[(known >= low) & (known <= high)].mean()),
            slope=pooled_estimate(sums, slope_of, sums[:, SUM_XX]),
            inverse=pooled_estimate(sums, inverse_of, sums[:, SUM_YY]),
            n_components=round(sums[:, N_COMPONENTS].sum()),
            n_materials=len(sums),
        )


def quantile_bins(values: FloatArray) -> list[tuple[float, float]]:
    """Least and largest value of each bin; equal values are in one, that of their middle rank."""
    distinct, counts = np.unique(values, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2) / counts.sum()
    numbers = np.floor(BINS * ranks)
    members = [distinct[numbers == number] for number in np.unique(numbers)]
    return [(float(own[0]), float(own[-1])) for own in members]


def _values(predictor: Predictor, material: MaterialComparison) -> FloatArray:
    """A predictor for all atoms of a material's frames; nan where it is not known."""
    frames = material.frames
    if predictor is Predictor.ENERGY:
        of_frames = energies_above(material)
    elif predictor is Predictor.DISPLACEMENT:
        of_frames = displacements(material)
    else:
        geometries = [frame.geometry for frame in frames if frame.geometry is not None]
        if len(geometries) < len(frames):
            return np.full(sum(frame.n_atoms for frame in frames), np.nan)
        if predictor is Predictor.BOND:
            return _rounded(np.concatenate([shortest_bonds(each) for each in geometries]))
        if predictor is Predictor.COORDINATION:
            return _rounded(np.concatenate([effective_coordination(each) for each in geometries]))
        of_frames = _strains(material, geometries)
    return _rounded(np.repeat(of_frames, [frame.n_atoms for frame in frames]))


def _strains(material: MaterialComparison, geometries: Sequence[Geometry]) -> FloatArray:
    """Volume of each frame against the mean of its composition, in per cent."""
    volumes = np.array([abs(np.linalg.det(g.cell)) / len(g.numbers) for g in geometries])
    compositions = np.array([frame.composition for frame in material.frames])
    strains = np.empty(len(volumes))
    for composition in np.unique(compositions):
        same = compositions == composition
        strains[same] = volumes[same] / volumes[same].mean() - 1.0
    return 100.0 * strains


def _rounded(values: FloatArray) -> FloatArray:
    """Without the last digits, in which equivalent atoms and equal volumes differ: no bins of these."""
    return np.round(values, 4)


def _forces(material: MaterialComparison) -> tuple[FloatArray, FloatArray]:
    """DFT's and the model's, shape (n, 3), over the atoms of all frames."""
    return (
        np.concatenate([frame.forces_reference for frame in material.frames]),
        np.concatenate([frame.forces_model for frame in material.frames]),
    )
