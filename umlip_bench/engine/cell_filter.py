"""ASE's filter of a free cell, with matrix functions that do not outlast a small model.

ASE's optimisers ask `ase.filters.FrechetCellFilter` three times a step for its forces, and each time it takes
a matrix logarithm and nine Fréchet derivatives of the exponential by scipy's general functions: 5 to 8 ms a
step, as long as a model takes for a few atoms in a batch. Deformations of a relaxation are near one, where
series converge to rounding in a few terms, and the derivative in all nine directions is one matrix of shape
(9, 9), made once at each geometry.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import ase.filters
import numpy as np
import scipy.linalg
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
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
        # ASE takes logarithms of the deformation, and of a multiple of it, in turn.
        self._logarithm = lru_cache(maxsize=2)(_logarithm_of_bytes)
        # ASE 3.29 has its functions in an object of its own.
        holder: Any = getattr(self, "_utility", self)
        holder.logm = self._logm
        self._asked: tuple[object, ...] | None = None
        self._answer = np.empty((0, 3))

    def get_forces(self, **kwargs: bool) -> FloatArray:
        """Forces on the atoms and on the logarithm of the deformation; as of ASE's filter.

        What they are made of tells whether they are asked for again.
        """
        stress = self.atoms.get_stress(**kwargs)
        forces = self.atoms.get_forces(**kwargs)
        asked = (
            *(stress.tobytes(), forces.tobytes(), self.atoms.cell.array.tobytes()),
            *(self.orig_cell.tobytes(), np.asarray(self.mask).tobytes()),
            *(self.exp_cell_factor, self.scalar_pressure),
            *(self.hydrostatic_strain, self.constant_volume),
        )
        if asked != self._asked:
            self._answer = self._made_of(forces, voigt_6_to_full_3x3_stress(stress))
            self._asked = asked
        return self._answer.copy()

    def _made_of(self, forces: FloatArray, stress: FloatArray) -> FloatArray:
        """What ASE makes of forces and stress; the stress that convergence is judged by is set as there."""
        volume = self.atoms.cell.volume
        deformation = self.deform_grad()
        virial = -volume * (stress + self.scalar_pressure * _ONE)
        if self.hydrostatic_strain:
            virial = virial.trace() / 3.0 * _ONE
        virial = virial * self.mask
        slopes = virial @ np.linalg.inv(deformation.T)
        derivative = derivative_of_exponential(self._logm(deformation))
        on_logarithm = (np.ravel(slopes) @ derivative).reshape(3, 3)
        judged = -virial / volume
        if self.constant_volume:
            on_logarithm = on_logarithm - on_logarithm.trace() / 3.0 * _ONE
            judged = judged - judged.trace() / 3.0 * _ONE
        self.stress = full_3x3_to_voigt_6_stress(judged)
        return np.vstack([forces @ deformation, on_logarithm / self.exp_cell_factor])

    def _logm(self, matrix: FloatArray) -> FloatArray:
        return self._logarithm(matrix.tobytes()).copy()


def _logarithm_of_bytes(content: bytes) -> FloatArray:
    return logarithm(np.frombuffer(content).reshape(3, 3))


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
