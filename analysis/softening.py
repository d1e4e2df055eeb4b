"""How soft a model is against DFT: slopes through the origin and what is left after correcting.

Notation throughout: x is DFT (the reference), y the model, both over all components of one
material. A slope alone does not show softening: a calibrated model whose errors are noise that
it cannot resolve, x = y + e, has slope = r2 < 1 although no factor on it would lower its error.
The inverse, the factor on the model that minimises the squared error, is 1 there and above 1
only for forces that are systematically too small. The two obey slope * inverse = r2.

The slope as a measure of softening, and the corrected MAE that rotates the model's forces onto
the diagonal, follow B. Deng et al., npj Comput. Mater. 11, 9 (2025).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]

# Columns of the sums that `component_sums` returns. All pooled and resampled force metrics are
# functions of these, so that a bootstrap never has to touch single components.
SUM_XX, SUM_XY, SUM_YY, SUM_ABS_ERROR, N_COMPONENTS = range(5)
N_SUMS = 5


@dataclass(frozen=True)
class Softening:
    """Comparison of a model's components y with DFT's x, over one material.

    Parameters
    ----------
    slope
        sum(xy) / sum(xx), the least squares slope through the origin; dimensionless.
    slope_intercept
        Ordinary least squares slope with intercept; dimensionless; nan if x is constant.
    inverse
        sum(xy) / sum(yy), the factor on the model that minimises its squared error; dimensionless.
    r2
        sum(xy)^2 / (sum(xx) sum(yy)), uncentred; equals ``slope * inverse``; dimensionless.
    pearson
        Pearson's correlation; dimensionless; nan if x or y is constant.
    mae
        Mean of abs(y - x); in the units of x (eV/Å for forces).
    rmse
        Root of the mean of (y - x)^2; in the units of x.
    cmae_rotate
        Mean of abs(y / slope - x): the MAE left after rotating onto the diagonal, in-sample; in
        the units of x; inf if the slope is exactly zero.
    cmae_mse
        Mean of abs(inverse * y - x): the MAE left after the best factor, in-sample; in the units
        of x.
    n
        Number of components.
    """

    slope: float
    slope_intercept: float
    inverse: float
    r2: float
    pearson: float
    mae: float
    rmse: float
    cmae_rotate: float
    cmae_mse: float
    n: int


@dataclass(frozen=True)
class StressSoftening:
    """Comparison of a model's stress components with DFT's, with an intercept.

    The fit is y = slope * x + intercept by least squares over all six Voigt components of all frames.
    The intercept takes up much, though not all, of an isotropic offset (Pulay stress, another
    plane-wave cut-off), which says nothing of the curvature of the potential energy surface; stress
    is therefore never fitted through the origin.

    Parameters
    ----------
    slope
        Least squares slope; dimensionless; nan if all reference components are equal.
    intercept
        In eV/Å^3; nan if the slope is.
    pearson
        Correlation of the components; dimensionless; nan if all components of one side are equal.
    mae
        Mean absolute error over all components, nothing taken off, in eV/Å^3.
    n
        Number of components, six per frame.
    """

    slope: float
    intercept: float
    pearson: float
    mae: float
    n: int


def softening(reference: ArrayLike, model: ArrayLike) -> Softening:
    """Compare a model's components with the reference's.

    Parameters
    ----------
    reference
        DFT components x of any shape, e.g. (n_frames, n_atoms, 3) in eV/Å; flattened.
    model
        The model's components y, same shape and units.

    Returns
    -------
    Softening
        Slopes, correlations and errors; see there for formulas and units.

    Raises
    ------
    DataError
        On unequal shapes, fewer than two components, values that are not finite, a reference that
        is zero everywhere (no slope) or a model that is zero everywhere (no inverse).
    """
    x, y = _pair(reference, model)
    if not np.any(x):
        raise DataError("the reference is zero in every component: the slope is undefined")
    if not np.any(y):
        raise DataError(
            "the model predicts zero forces everywhere (zero in every component): "
            "the factor that corrects it is undefined"
        )
    sums = component_sums(x, y)
    slope = float(slope_of(sums))
    inverse = float(inverse_of(sums))
    return Softening(
        slope=slope,
        slope_intercept=_slope(_deviations(x), _deviations(y)),
        inverse=inverse,
        r2=float(r2_of(sums)),
        pearson=_cosine(_deviations(x), _deviations(y)),
        mae=float(mae_of(sums)),
        rmse=float(np.sqrt(np.mean((y - x) ** 2))),
        cmae_rotate=float(np.mean(np.abs(y / slope - x))) if slope != 0.0 else float("inf"),
        cmae_mse=float(np.mean(np.abs(inverse * y - x))),
        n=int(x.size),
    )


def energy_slope(
    reference_per_atom: ArrayLike, model_per_atom: ArrayLike, groups: Sequence[str]
) -> float:
    """Slope of the model's energy differences against DFT's, among frames of equal composition.

    Both energies enter as deviations from the mean of their group, so that an offset per
    composition (reference atoms, another pseudopotential) cancels; then sum(xy) / sum(xx).

    Parameters
    ----------
    reference_per_atom
        DFT energies in eV/atom, shape (n_frames,).
    model_per_atom
        The model's energies in eV/atom, shape (n_frames,).
    groups
        Composition of each frame, length n_frames; equal strings may be compared.

    Returns
    -------
    float
        The dimensionless slope; nan if no two frames share a composition, or if all frames that
        do have the same reference energy: there is then no energy difference to compare.

    Raises
    ------
    DataError
        On unequal lengths or energies that are not finite.
    """
    x = np.asarray(reference_per_atom, dtype=np.float64)
    y = np.asarray(model_per_atom, dtype=np.float64)
    if x.ndim != 1 or x.shape != y.shape or len(groups) != len(x):
        raise DataError(
            f"energies of shapes {x.shape} and {y.shape} with {len(groups)} compositions: "
            "one of each per frame is needed"
        )
    _require_finite(x, "reference energies")
    _require_finite(y, "model energies")
    names = np.asarray(groups, dtype=str)
    dx = np.zeros_like(x)
    dy = np.zeros_like(y)
    for name in np.unique(names):
        member = names == name
        dx[member] = _deviations(x[member])
        dy[member] = _deviations(y[member])
    return _slope(dx, dy)


def stress_softening(reference: ArrayLike, model: ArrayLike) -> StressSoftening:
    """Compare a model's stress with DFT's by least squares with an intercept.

    Parameters
    ----------
    reference
        DFT stress in Voigt order xx, yy, zz, yz, xz, xy, shape (n_frames, 6), in eV/Å^3.
    model
        The model's stress, same shape, order, sign convention and units.

    Returns
    -------
    StressSoftening
        Slope, intercept and errors; see there for the fit and for what is nan when.

    Raises
    ------
    DataError
        On other shapes, no frame at all, or values that are not finite.
    """
    x, y = _pair(reference, model)
    if np.shape(reference)[1:] != (6,):
        raise DataError(f"stress of shape {np.shape(reference)}: (n_frames, 6) is needed")
    dx, dy = _deviations(x), _deviations(y)
    slope = _slope(dx, dy)
    return StressSoftening(
        slope=slope,
        intercept=float(np.mean(y) - slope * np.mean(x)),
        pearson=_cosine(dx, dy),
        mae=float(np.mean(np.abs(y - x))),
        n=int(x.size),
    )


def component_sums(reference: ArrayLike, model: ArrayLike) -> FloatArray:
    """Sufficient statistics of a set of components, additive over frames and materials.

    Parameters
    ----------
    reference, model
        x and y, same shape and units.

    Returns
    -------
    ndarray
        Shape (5,): sum(xx), sum(xy), sum(yy), sum of abs(y - x), number of components; the columns
        ``SUM_XX`` to ``N_COMPONENTS``.
    """
    x = np.asarray(reference, dtype=np.float64).ravel()
    y = np.asarray(model, dtype=np.float64).ravel()
    return np.array([x @ x, x @ y, y @ y, np.abs(y - x).sum(), x.size], dtype=np.float64)


def slope_of(sums: FloatArray) -> FloatArray:
    """Slope through the origin from sums of shape (..., 5); shape (...)."""
    return np.asarray(sums[..., SUM_XY] / sums[..., SUM_XX])


def inverse_of(sums: FloatArray) -> FloatArray:
    """Factor of least squared error on the model from sums of shape (..., 5); shape (...)."""
    return np.asarray(sums[..., SUM_XY] / sums[..., SUM_YY])


def r2_of(sums: FloatArray) -> FloatArray:
    """Uncentred r2 = slope * inverse from sums of shape (..., 5); shape (...)."""
    # As a product of ratios rather than sum(xy)^2 / ...: no overflow, and the identity is exact.
    return slope_of(sums) * inverse_of(sums)


def mae_of(sums: FloatArray) -> FloatArray:
    """Mean absolute error from sums of shape (..., 5); shape (...), in the units of x."""
    return np.asarray(sums[..., SUM_ABS_ERROR] / sums[..., N_COMPONENTS])


def _pair(reference: ArrayLike, model: ArrayLike) -> tuple[FloatArray, FloatArray]:
    x = np.asarray(reference, dtype=np.float64)
    y = np.asarray(model, dtype=np.float64)
    if x.shape != y.shape:
        raise DataError(f"reference of shape {x.shape} and model of shape {y.shape} do not match")
    if x.size < 2:
        raise DataError(f"{x.size} component(s): a comparison needs at least two")
    _require_finite(x, "reference components")
    _require_finite(y, "model components")
    return x.ravel(), y.ravel()


def _require_finite(values: FloatArray, what: str) -> None:
    bad = int(np.count_nonzero(~np.isfinite(values)))
    if bad:
        raise DataError(f"{bad} of {values.size} {what} are not finite")


def _deviations(values: FloatArray) -> FloatArray:
    # The mean of equal numbers may differ from them in the last digit: that is no deviation.
    if np.ptp(values) == 0.0:
        return np.zeros_like(values)
    return np.asarray(values - values.mean())


def _slope(x: FloatArray, y: FloatArray) -> float:
    xx = float(x @ x)
    return float(x @ y) / xx if xx > 0.0 else float("nan")


def _cosine(x: FloatArray, y: FloatArray) -> float:
    norm = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(x @ y) / norm if norm > 0.0 else float("nan")
