"""What a single point costs: k-points, bands and plane waves."""

from __future__ import annotations

import numpy as np
import spglib
from structures import Point  # type: ignore[import-not-found]

VALENCE = {
    "Al": 3,
    "As": 5,
    "B": 3,
    "C": 4,
    "Ca": 10,
    "Cl": 7,
    "F": 7,
    "Ga": 3,
    "K": 9,
    "Li": 1,
    "Mg": 10,
    "N": 5,
    "Na": 7,
    "O": 6,
    "S": 6,
    "Si": 4,
    "Sr": 10,
    "Ti": 12,
    "Zn": 12,
}
"""Electrons of the PAW data sets."""

FIXED, SCALE = 8.0, 6e-4
"""Seconds for each single point, and for each k-point, band and plane wave of it: fitted to single points."""


def expected_seconds(target: Point) -> float:
    """Time of a single point on one core, to a factor of two or so; see `SCALE`."""
    valence = sum(VALENCE.get(symbol, 12) for symbol in target.atoms.symbols)
    waves = target.atoms.get_volume() * target.settings.cutoff**1.5 / 8000
    bands = valence / 2 + 4
    kpoints = irreducible(target)
    dense = 1.5 if target.settings.density < 1e-5 else 1.0
    rungs = 3.0 if target.settings.functional != "PBE" else 1.0
    return FIXED + SCALE * dense * rungs * kpoints * bands * waves * (1 + bands / 50)


def irreducible(target: Point) -> int:
    """Number of k-points that are left by the rotations about the origin and by time reversal."""
    cell = (target.atoms.cell.array, target.atoms.get_scaled_positions(), target.atoms.numbers)
    found = spglib.get_symmetry(cell, symprec=1e-5)
    rotations = [
        rotation
        for rotation, shift in zip(found["rotations"], found["translations"], strict=True)
        if target.point_group and np.abs(shift - np.round(shift)).max() < 1e-4
    ] or [np.eye(3, dtype=int)]
    mesh = np.array(target.mesh)
    grid = np.array(list(np.ndindex(*target.mesh)))
    lowest = np.arange(len(grid))
    for rotation in rotations:
        for sign in (1, -1):
            turned = sign * (grid / mesh) @ rotation * mesh
            if np.abs(turned - np.round(turned)).max() < 1e-6:
                where = np.ravel_multi_index((np.round(turned).astype(int) % mesh).T, target.mesh)
                lowest = np.minimum(lowest, where)
    return int((lowest == np.arange(len(grid))).sum())
