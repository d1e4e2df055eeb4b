"""DFT's modes, and the curvature of a model along them.

Squared frequencies that are sorted on both sides forget which motion they belong to: a model whose modes are
others, or whose force constants are noisy, seems better than it is, since noise drives eigenvalues apart.
Along DFT's eigenvectors e the model's curvature is <e|D|e>. Noise without bias leaves its mean where it is,
and the slope through the origin over all modes is that of the force constants over the roots of the masses,
tr(D_DFT D) / tr(D_DFT²).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from umlip_bench.benchmarks.phonons.crystal import Crystal

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

DEGENERATE = 1e-3
"""Of the largest |ω²|; neighbouring modes no farther apart count as degenerate."""


@dataclass(frozen=True, eq=False)
class Modes:
    """DFT's modes at the wave vectors that fit into the supercell, where finite displacements are exact.

    Within a degenerate subspace eigenvectors are arbitrary. There the model's curvatures are the eigenvalues
    of its dynamical matrix in the subspace, as of degenerate perturbation theory, and DFT's are their mean.

    Parameters
    ----------
    qpoints
        Shape (C, 3), in units of the primitive cell's reciprocal vectors.
    vectors
        Eigenvectors in columns, shape (C, B, B).
    curvatures
        Signed ω², THz², shape (C, B), rising; equal within a degenerate subspace.
    places
        Of the atoms of the primitive cell that the phases of the eigenvectors belong to, shape (n, 3), in
        units of its vectors.
    """

    qpoints: FloatArray
    vectors: ComplexArray
    curvatures: FloatArray
    places: FloatArray

    @classmethod
    def of(cls, crystal: Crystal, force_constants: FloatArray) -> Modes:
        """Those of a crystal with force constants of shape (n, N, 3, 3), eV/Å²."""
        qpoints = crystal.commensurate()
        values, vectors = np.linalg.eigh(crystal.dynamical_matrices(force_constants, qpoints))
        near = DEGENERATE * np.abs(values).max()
        for of_q in values:
            for own in _groups(of_q, near):
                of_q[own] = of_q[own].mean()
        return cls(qpoints, vectors, values, _places(crystal))

    def along(self, crystal: Crystal, force_constants: FloatArray) -> FloatArray:
        """Curvatures along these modes of other force constants, of the same or a deformed crystal.

        Returns
        -------
        ndarray
            Shape (C, B), THz², in the order of `curvatures`.
        """
        matrices = crystal.dynamical_matrices(force_constants, self.qpoints)
        # Where atoms have moved within the cell, the phases of the same motion are others.
        moved = _places(crystal) - self.places
        moved -= np.rint(moved)
        phases = np.exp(2j * np.pi * np.repeat(self.qpoints @ moved.T, 3, axis=1))
        vectors = phases.conj()[:, :, None] * self.vectors
        projected = vectors.conj().transpose(0, 2, 1) @ matrices @ vectors
        found = np.empty(self.curvatures.shape)
        for of_q, matrix, values in zip(found, projected, self.curvatures, strict=True):
            for own in _groups(values, 0.0):
                of_q[own] = np.linalg.eigvalsh(matrix[own, own])
        return found


def _groups(values: FloatArray, near: float) -> list[slice]:
    """Runs of rising values, each no farther than `near` from the next."""
    starts = [0, *(np.flatnonzero(np.diff(values) > near) + 1).tolist(), len(values)]
    return [slice(first, last) for first, last in pairwise(starts)]


def _places(crystal: Crystal) -> FloatArray:
    return np.asarray(crystal.primitive.get_scaled_positions(wrap=False))
