"""Wave vectors of a mesh, and supercells that are large enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

SMALLEST_SUPERCELL = 8.0
"""Å between opposite faces of a supercell that no reference prescribes, at least."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """Irreducible q-points.

    Parameters
    ----------
    qpoints
        Shape (Q, 3), in units of the primitive cell's reciprocal vectors.
    weights
        Shape (Q,), multiplicities.
    """

    qpoints: np.ndarray
    weights: np.ndarray


def large_enough(unitcell: Atoms) -> np.ndarray:
    """Matrix of the supercell, shape (3, 3), whose faces are `SMALLEST_SUPERCELL` apart or more."""
    heights = 1 / np.linalg.norm(np.linalg.inv(unitcell.cell.array), axis=0)
    # A little less than the limit does: a file's last digit decides nothing.
    return np.diag(np.maximum(1, np.ceil(SMALLEST_SUPERCELL / heights - 1e-3)).astype(int))
