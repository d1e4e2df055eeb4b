"""How many neighbours an atom has, counted without radii."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import Geometry
from umlip_bench.ground.structures import brought_near

FloatArray = NDArray[np.float64]

CUTOFF = 7.0
"""Å; atoms farther away are no neighbours."""
ITERATIONS = 20
"""Of the average distance; after five the numbers change in the third digit."""
_SELF_DISTANCE = 1e-8


def effective_coordination(geometry: Geometry) -> FloatArray:
    """Effective coordination numbers.

    Each atom within 7 Å counts exp(1 - (d / d_av)^6), one where it is as far as the neighbours are on
    average, d_av being the mean of all d with the same weights. The number needs no radii and changes
    smoothly when atoms move: 12 in fcc, 6 in rocksalt, 4 in diamond. Elements are not told apart, so that
    atoms of the same kind count where they are nearly as near as others (fluorine in fluorite: 8.2).
    Disorder lowers it: by a tenth to a sixth where every coordinate is off by 0.12 Å.

    Source: R. Hoppe, Z. Kristallogr. 150, 23 (1979).

    Parameters
    ----------
    geometry
        Periodic in all directions.

    Returns
    -------
    ndarray
        Shape (n_atoms,), dimensionless; 0 for an atom without any other within 7 Å.
    """
    from pymatgen.optimization.neighbors import find_points_in_spheres

    positions = brought_near(geometry.positions, geometry.cell)
    centres, _, _, distances = find_points_in_spheres(
        positions,
        positions,
        r=CUTOFF,
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(geometry.cell, dtype=np.float64),
    )
    others = distances > _SELF_DISTANCE
    centres, distances = centres[others], distances[others]
    n = len(positions)
    average = np.full(n, np.inf)
    np.minimum.at(average, centres, distances)  # where the iteration starts
    numbers: FloatArray = np.zeros(n)
    for _ in range(ITERATIONS):
        ratio = distances / average[centres]
        # Products, since powers are ten times as slow.
        cube = ratio * ratio * ratio
        weights = np.exp(1.0 - cube * cube)
        numbers = np.asarray(np.bincount(centres, weights, minlength=n), dtype=np.float64)
        sums = np.bincount(centres, weights * distances, minlength=n)
        average = np.divide(sums, numbers, out=average, where=numbers > 0.0)
    return numbers
