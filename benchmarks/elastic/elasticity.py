"""Elastic constants from stresses of strained crystals, and the moduli of a polycrystal.

Voigt's order is xx, yy, zz, yz, xz, xy; shear strains are engineering ones, ε₄ = 2 ε_yz, so that
σ_i = C_ij ε_j. Stress has ASE's sign: positive under tension. Everything is in Cartesian axes.

Voigt's matrices do not rotate like tensors: what must not depend on how a crystal lies, lengths and
eigenvalues, is taken in the form of Kelvin and Mandel, with shear components of strain and stress times √2
(M. M. Mehrabadi and S. C. Cowin, Q. J. Mech. Appl. Math. 43, 15 (1990)).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
_MANDEL = np.sqrt([1, 1, 1, 2, 2, 2])
"""From stress in Voigt's order, whose shear is the tensor's, to Kelvin's and Mandel's."""


@dataclass(frozen=True, eq=False)
class ElasticFit(ReadOnlyArrays):
    """Elastic constants fitted to stresses.

    Parameters
    ----------
    constants
        Shape (6, 6), symmetric, in the unit of the stress.
    residual
        Length of the stresses that the fit leaves over, over that of the stresses, both as tensors; 0
        where they are exactly linear in strain and have the symmetry, or where no strain was redundant.
    """

    constants: FloatArray
    residual: float


@dataclass(frozen=True)
class Moduli(ReadOnlyArrays):
    """Of a polycrystal without texture; the unit is that of the elastic constants.

    Parameters
    ----------
    bulk, shear
        Voigt-Reuss-Hill averages.
    bulk_voigt, shear_voigt
        Upper bounds, of equal strain.
    bulk_reuss, shear_reuss
        Lower bounds, of equal stress.
    """

    bulk: float
    shear: float
    bulk_voigt: float
    shear_voigt: float
    bulk_reuss: float
    shear_reuss: float


def strain_tensor(voigt: FloatArray) -> FloatArray:
    """Symmetric tensor of shape (3, 3) from six components with engineering shear."""
    tensor = np.zeros((3, 3))
    for value, (i, j) in zip(voigt, VOIGT, strict=True):
        tensor[i, j] = tensor[j, i] = value if i == j else 0.5 * value
    return tensor


def stress_vector(stress: FloatArray) -> FloatArray:
    """Six components, in the order of `VOIGT`, of a tensor of shape (3, 3)."""
    symmetric = 0.5 * (np.asarray(stress) + np.asarray(stress).T)
    return np.array([symmetric[pair] for pair in VOIGT])


def invariant_constants(rotations: FloatArray) -> FloatArray:
    """Basis of the elastic constants that a point group leaves free.

    Parameters
    ----------
    rotations
        All operations of the group, Cartesian, shape (R, 3, 3).

    Returns
    -------
    ndarray
        Shape (K, 6, 6), symmetric matrices; K is 3 for cubic and 21 for triclinic crystals.
    """
    # Each symmetric matrix of a basis is averaged over the group; what is left spans the invariants.
    averaged = []
    stress_maps = [_stress_rotation(rotation) for rotation in rotations]
    for i in range(6):
        for j in range(i, 6):
            unit = np.zeros((6, 6))
            unit[i, j] = unit[j, i] = 1.0
            # σ' = M σ and ε = Mᵀ ε' (work is invariant), hence C' = M C Mᵀ.
            averaged.append(np.mean([m @ unit @ m.T for m in stress_maps], axis=0))
    _, sizes, directions = np.linalg.svd(np.reshape(averaged, (21, 36)))
    rank = int(np.sum(sizes > 1e-8 * sizes[0]))
    return np.reshape(directions[:rank], (rank, 6, 6))


def _stress_rotation(rotation: FloatArray) -> FloatArray:
    """The matrix that rotates a stress in Voigt's order, shape (6, 6)."""
    columns = []
    for i, j in VOIGT:
        unit = np.zeros((3, 3))
        unit[i, j] = unit[j, i] = 1.0
        columns.append(stress_vector(rotation @ unit @ rotation.T))
    return np.transpose(columns)


def elastic_constants(basis: FloatArray, strains: FloatArray, stresses: FloatArray) -> ElasticFit:
    """Elastic constants of the given symmetry by least squares, which no rotation of the axes changes.

    Parameters
    ----------
    basis
        From `invariant_constants`, shape (K, 6, 6).
    strains
        Shape (S, 6), engineering shear.
    stresses
        Change of stress for each, shape (S, 6).

    Raises
    ------
    DataError
        If the strains do not suffice or a stress is not finite.
    """
    design = _design(basis, strains)
    if not np.isfinite(stresses).all():
        raise DataError("a stress is not finite")
    rank = int(np.linalg.matrix_rank(design, tol=1e-8 * np.abs(strains).max()))
    if rank < len(basis):
        raise DataError(f"{len(strains)} strains determine {rank} of {len(basis)} constants")
    given = np.ravel(stresses * _MANDEL)
    free, *_ = np.linalg.lstsq(design, given, rcond=None)
    left_over = np.linalg.norm(given - design @ free)
    return ElasticFit(
        constants=np.tensordot(free, basis, axes=1),
        residual=float(left_over / np.linalg.norm(given)) if given.any() else 0.0,
    )


def _design(basis: FloatArray, strains: FloatArray) -> FloatArray:
    """Stresses that each basis matrix gives for the strains, in Mandel's form, shape (6 S, K)."""
    return np.array([(strains @ matrix.T * _MANDEL).ravel() for matrix in basis]).T


def moduli(constants: FloatArray) -> Moduli:
    """Voigt's, Reuss's and Hill's averages (R. Hill, Proc. Phys. Soc. A 65, 349 (1952)).

    Parameters
    ----------
    constants
        Shape (6, 6).

    Raises
    ------
    DataError
        If the constants cannot be inverted.
    """
    c = np.asarray(constants)
    if np.linalg.matrix_rank(c) < 6:
        raise DataError("elastic constants without an inverse: some strain costs no energy")
    s = np.linalg.inv(c)
    diagonal, off = c[0, 0] + c[1, 1] + c[2, 2], c[0, 1] + c[0, 2] + c[1, 2]
    s_diagonal, s_off = s[0, 0] + s[1, 1] + s[2, 2], s[0, 1] + s[0, 2] + s[1, 2]
    bulk_voigt = (diagonal + 2 * off) / 9
    voigt = shear_voigt(c)
    bulk_reuss = 1 / (s_diagonal + 2 * s_off)
    shear_reuss = 15 / (4 * (s_diagonal - s_off) + 3 * (s[3, 3] + s[4, 4] + s[5, 5]))
    return Moduli(
        bulk=float(bulk_voigt + bulk_reuss) / 2,
        shear=float(voigt + shear_reuss) / 2,
        bulk_voigt=float(bulk_voigt),
        shear_voigt=voigt,
        bulk_reuss=float(bulk_reuss),
        shear_reuss=float(shear_reuss),
    )


def shear_voigt(constants: FloatArray) -> float:
    """Voigt's average of the shear modulus, which an unstable crystal has too.

    Parameters
    ----------
    constants
        Shape (6, 6).
    """
    c = np.asarray(constants)
    diagonal, off = c[0, 0] + c[1, 1] + c[2, 2], c[0, 1] + c[0, 2] + c[1, 2]
    return float(diagonal - off + 3 * (c[3, 3] + c[4, 4] + c[5, 5])) / 15


def lowest_eigenvalue(constants: FloatArray) -> float:
    """The least stiffness against any strain of a given length, in the unit of the constants.

    Of Kelvin's and Mandel's matrix, which has the same eigenvalues in all axes; of a cubic crystal the
    least of C11 + 2 C12, C11 - C12 and 2 C44.

    Parameters
    ----------
    constants
        Shape (6, 6), Voigt.
    """
    return float(np.linalg.eigvalsh(constants * np.outer(_MANDEL, _MANDEL)).min())


def is_stable(constants: FloatArray) -> bool:
    """Whether every strain costs energy (Born; F. Mouhat and F.-X. Coudert, PRB 90, 224104 (2014))."""
    return lowest_eigenvalue(constants) > 0
