"""ASE's filter of a free cell, with matrix functions that do not outlast a small model.

ASE's optimisers ask `ase.filters.FrechetCellFilter` three times a step for its forces, and each time it takes
a matrix logarithm and nine Fréchet derivatives of the exponential by scipy's general functions: 5 ms a step,
as long as a model takes for a few atoms in a batch. Deformations of a relaxation are near one, where series
converge to rounding in a few terms, and the derivative in all nine directions is one matrix of shape (9, 9).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import ase.filters
import numpy as np
import scipy.linalg
from ase import Atoms
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

NEAR = 0.5
"""Norm, from which on scipy's functions are taken."""
ROUNDING = 1e-18
MOST_TERMS = 40
_ONE = np.eye(3)


class FrechetCellFilter(ase.filters.FrechetCellFilter):
    """The same filter, the same numbers to rounding, in a fraction of the time.

    Parameters
    ----------
    atoms, mask, exp_cell_factor, hydrostatic_strain, constant_volume, scalar_pressure
        As of `ase.filters.FrechetCellFilter`.

    Examples
    --------
    >>> from ase.build import bulk
    >>> from ase.calculators.emt import EMT
    >>> from ase.optimize import FIRE
    >>> crystal = bulk("Cu", a=3.7)
    >>> crystal.calc = EMT()
    >>> _ = FIRE(FrechetCellFilter(crystal), logfile=None).run(fmax=0.001)
    >>> print(f"{crystal.cell.volume:.1f} Å³")
    11.6 Å³
    """

    def __init__(
        self,
        atoms: Atoms,
        mask: ArrayLike | None = None,
        exp_cell_factor: float | None = None,
        hydrostatic_strain: bool = False,
        constant_volume: bool = False,
        scalar_pressure: float = 0.0,
    ) -> None:
        super().__init__(
            atoms, mask, exp_cell_factor, hydrostatic_strain, constant_volume, scalar_pressure
        )
        functions = MatrixFunctions()
        # ASE 3.29 has them in an object of its own.
        holders: list[Any] = [self, getattr(self, "_utility", self)]
        for holder in holders:
            holder.logm = functions.logm
            holder.expm_frechet = functions.expm_frechet


class MatrixFunctions:
    """Of real matrices of shape (3, 3); what was asked last is remembered."""

    def __init__(self) -> None:
        # ASE takes logarithms of the deformation, and of a multiple of it, in turn.
        self._logarithm = lru_cache(maxsize=2)(_of_bytes(logarithm))
        self._derivative = lru_cache(maxsize=1)(_of_bytes(derivative_of_exponential))

    def logm(self, matrix: FloatArray) -> FloatArray:
        """Logarithm; that of scipy to rounding."""
        return self._logarithm(matrix.tobytes()).copy()

    def expm_frechet(
        self, matrix: FloatArray, direction: FloatArray, compute_expm: bool = True
    ) -> FloatArray | tuple[FloatArray, FloatArray]:
        """Derivative of the exponential in a direction; as `scipy.linalg.expm_frechet`."""
        found = (self._derivative(matrix.tobytes()) @ np.ravel(direction)).reshape(3, 3)
        return (scipy.linalg.expm(matrix), found) if compute_expm else found


def _of_bytes(function: Callable[[FloatArray], FloatArray]) -> Callable[[bytes], FloatArray]:
    def of(content: bytes) -> FloatArray:
        return function(np.frombuffer(content).reshape(3, 3))

    return of


def logarithm(matrix: FloatArray) -> FloatArray:
    """Of a matrix of shape (3, 3) near a multiple of one; of others it is scipy's.

    ln sF = ln s + 2 Σ Z^(2k+1) / (2k+1) with Z = (F - 1)(F + 1)⁻¹ and det F = 1.
    """
    size = float(np.cbrt(np.linalg.det(matrix)))
    scaled = matrix / size if size > 0 else matrix
    away = scaled - _ONE
    if size <= 0 or np.linalg.norm(away) >= NEAR:
        return np.asarray(scipy.linalg.logm(matrix))
    z = np.linalg.solve((scaled + _ONE).T, away.T).T
    power, square = z, z @ z
    total = z.copy()
    for k in range(1, MOST_TERMS):
        power = power @ square
        total += power / (2 * k + 1)
        if np.abs(power).max() < ROUNDING:
            break
    return 2.0 * total + np.log(size) * _ONE


def derivative_of_exponential(matrix: FloatArray) -> FloatArray:
    """Of a matrix of shape (3, 3), as one of shape (9, 9) on the elements of a direction E, row by row.

    d exp(X)[E] = Σ_n Σ_j X^j E X^(n-1-j) / n!, far from zero scipy's.
    """
    if np.linalg.norm(matrix) >= NEAR:
        units = np.eye(9).reshape(9, 3, 3)
        columns = [scipy.linalg.expm_frechet(matrix, unit, compute_expm=False) for unit in units]
        return np.reshape(columns, (9, 9)).T
    right = _outer(_ONE, matrix.T)
    # d(Xⁿ) = d(Xⁿ⁻¹) X + Xⁿ⁻¹ E, divided by n! on the way.
    power, term = _ONE, np.eye(9)
    total = term.copy()
    for n in range(2, MOST_TERMS):
        power = power @ matrix / (n - 1)
        term = (right @ term + _outer(power, _ONE)) / n
        total += term
        if np.abs(term).max() < ROUNDING:
            break
    return total


def _outer(left: FloatArray, right: FloatArray) -> FloatArray:
    """Kronecker's product of two matrices of shape (3, 3)."""
    return (left[:, None, :, None] * right[None, :, None, :]).reshape(9, 9)
