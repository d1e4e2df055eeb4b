"""Values of phonons one by one, DFT's and the model's."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from umlip_bench.benchmarks.phonons.result import FIXED, JudgedPhonons, signed_squares

Pair = tuple[NDArray[np.float64], NDArray[np.float64]]


def modes(seen: JudgedPhonons) -> Pair | None:
    """Curvature along DFT's modes, THz²."""
    if seen.dft is None or seen.dft.modes is None or seen.model.modes is None:
        return None
    return seen.dft.modes.ravel(), seen.model.modes.ravel()


def squares(seen: JudgedPhonons) -> Pair | None:
    """Signed squared frequencies on the mesh, THz²."""
    if seen.dft is None:
        return None
    return signed_squares(seen.dft.mesh).ravel(), signed_squares(seen.model.mesh).ravel()


def highest(seen: JudgedPhonons) -> Pair | None:
    """Highest frequency, THz."""
    if seen.dft is None:
        return None
    return np.array([seen.dft.highest]), np.array([seen.model.highest])


def force_constants(seen: JudgedPhonons) -> Pair | None:
    """At DFT's geometry, eV/Å²."""
    if seen.dft is None or seen.variant != FIXED or seen.dft.force_constants is None:
        return None
    assert seen.model.force_constants is not None
    return seen.dft.force_constants.ravel(), seen.model.force_constants.ravel()
