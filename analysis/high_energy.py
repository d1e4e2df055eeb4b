"""High-energy suite: forces, energies and stresses at the fixed geometries of DFT calculations.

Per material everything is compared over all components of its frames; then medians over the
materials, which weigh each material alike, and pooled values, which weigh each component alike
and so follow the materials with the largest forces. Stress is never pooled with forces.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import (
    LOG,
    LOG_COMPLEMENT,
    Estimate,
    clustered_median_estimate,
    median_estimate,
    pooled_estimate,
    share_estimate,
)
from umlip_bench.analysis.label_suspicion import label_suspicion
from umlip_bench.analysis.softening import (
    N_SUMS,
    SUM_XX,
    SUM_YY,
    component_sums,
    energy_slope,
    inverse_of,
    mae_of,
    r2_of,
    slope_of,
    softening,
    stress_softening,
)
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

SUITE = "high-energy"
VARIANT = "fixed-geometry"


@dataclass(frozen=True, eq=False)
class Geometry(ReadOnlyArrays):
    """Where the atoms of a frame are.

    Parameters
    ----------
    numbers
        Shape (n_atoms,), atomic numbers.
    positions
        Shape (n_atoms, 3), Å.
    cell
        Shape (3, 3), Å, vectors in rows; periodic in all directions.
    """

    numbers: NDArray[np.int64]
    positions: FloatArray
    cell: FloatArray


@dataclass(frozen=True, eq=False)
class FrameComparison(ReadOnlyArrays):
    """DFT's and the model's results for one frame.

    Parameters
    ----------
    composition
        Key of the composition, e.g. the reduced formula; energies are compared only among equal
        keys, per atom.
    energy_reference, energy_model
        Energies of the cell in eV; a reference of nan means that DFT's is not known.
    forces_reference, forces_model
        Shape (n_atoms, 3), in eV/Å.
    stress_reference, stress_model
        Shape (3, 3), in eV/Å^3, both with the same sign convention; both ``None`` if either side
        has none.
    geometry
        For what is told by element or coordination; ``None`` if it is not known.

    Raises
    ------
    DataError
        If shapes do not match or only one side has a stress.
    """

    composition: str
    energy_reference: float
    energy_model: float
    forces_reference: FloatArray
    forces_model: FloatArray
    stress_reference: FloatArray | None = None
    stress_model: FloatArray | None = None
    geometry: Geometry | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = np.shape(self.forces_reference)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != 3:
            raise DataError(f"reference forces of shape {shape}: (n_atoms, 3) is needed")
        if np.shape(self.forces_model) != shape:
            raise DataError(
                f"model forces of shape {np.shape(self.forces_model)} for reference forces of "
                f"shape {shape}"
            )
        if (self.stress_reference is None) != (self.stress_model is None):
            raise DataError("only one side has a stress: give both or neither")
        for stress in (self.stress_reference, self.stress_model):
            if stress is not None and np.shape(stress) != (3, 3):
                raise DataError(f"stress of shape {np.shape(stress)}: (3, 3) is needed")

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.forces_reference)


@dataclass(frozen=True, eq=False)
class MaterialComparison(ReadOnlyArrays):
    """All frames of one material, the independent unit of every interval.

    Parameters
    ----------
    name
        Unique name of the material.
    frames
        At least one.

    Raises
    ------
    DataError
        If there is no frame.
    """

    name: str
    frames: tuple[FrameComparison, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.frames:
            raise DataError(f"material {self.name!r} has no frame")


@dataclass(frozen=True)
class MaterialMetrics:
    """The numbers of one material.

    Parameters
    ----------
    name
        The material.
    slope, slope_intercept, inverse, r2, pearson
        Of the force components, dimensionless; see `umlip_bench.analysis.softening.Softening`.
    mae, rmse, cmae_rotate, cmae_mse
        Of the force components, in eV/Å; see there.
    energy_slope
        Of energy differences per atom among frames of equal composition, dimensionless; nan if no
        two frames share a composition or their reference energies are equal.
    stress_slope
        With an isotropic intercept, dimensionless; nan if no frame has a stress or the reference
        is one constant pressure throughout.
    stress_mae
        In eV/Å^3; nan if no frame has a stress.
    n_frames
        Number of frames.
    n_components
        Number of force components.
    """

    name: str
    slope: float
    slope_intercept: float
    inverse: float
    r2: float
    pearson: float
    mae: float
    rmse: float
    cmae_rotate: float
    cmae_mse: float
    energy_slope: float
    stress_slope: float
    stress_mae: float
    n_frames: int
    n_components: int


def material_metrics(material: MaterialComparison) -> MaterialMetrics:
    """Compare a model with DFT over all frames of one material.

    Parameters
    ----------
    material
        The frames.

    Raises
    ------
    DataError
        If values are not finite or the forces of one side are zero everywhere; names the material.
    """
    frames = material.frames
    try:
        forces = softening(
            np.concatenate([frame.forces_reference for frame in frames]),
            np.concatenate([frame.forces_model for frame in frames]),
        )
        # Some published sets have forces only: their energies are nan.
        known = [frame for frame in frames if not np.isnan(frame.energy_reference)]
        energies = energy_slope(
            [frame.energy_reference / frame.n_atoms for frame in known],
            [frame.energy_model / frame.n_atoms for frame in known],
            [frame.composition for frame in known],
        )
        stress_slope, stress_mae = _stress(frames)
    except DataError as error:
        raise DataError(f"material {material.name!r}: {error}") from error
    return MaterialMetrics(
        name=material.name,
        slope=forces.slope,
        slope_intercept=forces.slope_intercept,
        inverse=forces.inverse,
        r2=forces.r2,
        pearson=forces.pearson,
        mae=forces.mae,
        rmse=forces.rmse,
        cmae_rotate=forces.cmae_rotate,
        cmae_mse=forces.cmae_mse,
        energy_slope=energies,
        stress_slope=stress_slope,
        stress_mae=stress_mae,
        n_frames=len(frames),
        n_components=forces.n,
    )


def high_energy_rows(
    model: str, data: str, materials: Sequence[MaterialComparison], n_failed: int
) -> list[Row]:
    """Summarise a model over materials.

    Parameters
    ----------
    model, data
        Names for the rows.
    materials
        Those that the model gave results for; may be empty.
    n_failed
        Materials that it gave none for.

    Returns
    -------
    list of Row
        Fifteen metrics with intervals as in `umlip_bench.analysis.intervals`. Energy and stress
        rows count only the materials that have them. Where labels are suspicious, a sixteenth is the
        share of materials that are (`umlip_bench.analysis.label_suspicion`).

    Raises
    ------
    DataError
        As in `material_metrics`, or if two materials share a name: they would pass for
        independent.
    """
    names = Counter(material.name for material in materials)
    repeated = sorted(name for name, count in names.items() if count > 1)
    if repeated:
        raise DataError(f"materials given more than once: {', '.join(repeated)}")
    metrics = [material_metrics(material) for material in materials]
    sums = [_frame_sums(material) for material in materials]
    totals = np.array([frame_sums.sum(axis=0) for frame_sums in sums]).reshape(-1, N_SUMS)
    head = RowHead(model=model, data=data, suite=SUITE, variant=VARIANT, n_failed=n_failed)
    n = len(metrics)
    return [
        head.row("slope_median", "", clustered_median_estimate(sums, slope_of)),
        head.row("slope_pooled", "", pooled_slope(totals)),
        head.row("inverse_median", "", clustered_median_estimate(sums, inverse_of)),
        head.row("inverse_pooled", "", pooled_inverse(totals)),
        head.row("r2_median", "", clustered_median_estimate(sums, r2_of)),
        head.row("r2_pooled", "", pooled_r2(totals)),
        head.row("mae", "eV/Å", clustered_median_estimate(sums, mae_of)),
        head.row("mae_pooled", "eV/Å", pooled_mae(totals)),
        # The corrected errors depend on the slope of all frames, not on sums over frames alone:
        # their intervals resample materials only, as the order statistics do exactly.
        head.row("cmae_rotate", "eV/Å", median_estimate([m.cmae_rotate for m in metrics])),
        head.row("cmae_mse", "eV/Å", median_estimate([m.cmae_mse for m in metrics])),
        # A negative slope is no soft model but another mistake, most likely of the labels.
        head.row(
            "share_softened", "", share_estimate(sum(0.0 < m.slope < 1.0 for m in metrics), n)
        ),
        head.row(
            "share_inverse_above_one", "", share_estimate(sum(m.inverse > 1.0 for m in metrics), n)
        ),
        head.row("energy_slope_median", "", _median_of_defined([m.energy_slope for m in metrics])),
        head.row("stress_slope_median", "", _median_of_defined([m.stress_slope for m in metrics])),
        head.row("stress_mae", "eV/Å^3", _median_of_defined([m.stress_mae for m in metrics])),
        *_suspicious_row(head, metrics),
    ]


def _suspicious_row(head: RowHead, metrics: Sequence[MaterialMetrics]) -> list[Row]:
    """Only where there is something to say: labels without a mistake have no such row."""
    suspicious = sum(label_suspicion(m.slope, m.r2) is not None for m in metrics)
    if not suspicious:
        return []
    return [head.row("share_suspicious", "", share_estimate(suspicious, len(metrics)))]


def pooled_slope(totals: FloatArray) -> Estimate:
    """Slope through the origin over all components of all materials.

    Parameters
    ----------
    totals
        Sums of each material as from `component_sums`, shape (n_materials, 5).
    """
    return pooled_estimate(totals, slope_of, totals[:, SUM_XX])


def pooled_inverse(totals: FloatArray) -> Estimate:
    """Best factor on the model over all components; `totals` as in `pooled_slope`."""
    return pooled_estimate(totals, inverse_of, totals[:, SUM_YY])


def pooled_r2(totals: FloatArray) -> Estimate:
    """Uncentred r2 over all components; `totals` as in `pooled_slope`."""
    # What is left unexplained moves r2 away from one, by the few materials where most of it is: which those
    # are the jackknife tells itself.
    return pooled_estimate(totals, r2_of, None, LOG_COMPLEMENT)


def pooled_mae(totals: FloatArray) -> Estimate:
    """Mean absolute error over all components, in eV/Å; `totals` as in `pooled_slope`."""
    return pooled_estimate(totals, mae_of, totals[:, SUM_XX], LOG)


def _frame_sums(material: MaterialComparison) -> FloatArray:
    return np.array([component_sums(f.forces_reference, f.forces_model) for f in material.frames])


def _stress(frames: Sequence[FrameComparison]) -> tuple[float, float]:
    pairs = [
        (_voigt(frame.stress_reference), _voigt(frame.stress_model))
        for frame in frames
        if frame.stress_reference is not None and frame.stress_model is not None
    ]
    if not pairs:
        return float("nan"), float("nan")
    result = stress_softening([reference for reference, _ in pairs], [model for _, model in pairs])
    return result.slope, result.mae


def _voigt(stress: FloatArray) -> FloatArray:
    # xx, yy, zz, yz, xz, xy. Codes print one triangle or both; the mean of the two is taken so
    # that numerical asymmetry does not depend on that choice.
    symmetric = 0.5 * (np.asarray(stress) + np.asarray(stress).T)
    return np.asarray(symmetric[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])


def _median_of_defined(values: Sequence[float]) -> Estimate:
    return median_estimate([value for value in values if not np.isnan(value)])
