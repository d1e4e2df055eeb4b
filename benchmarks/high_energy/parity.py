"""Values of frames one by one, DFT's and the model's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import Compared, FrameComparison
from umlip_bench.ground.units import GPA, MILLI

FloatArray = NDArray[np.float64]


def forces(compared: Compared) -> tuple[FloatArray, FloatArray]:
    """Force components, eV/Å."""
    frames = compared.material.frames
    return (
        np.concatenate([f.forces_reference.ravel() for f in frames]),
        np.concatenate([f.forces_model.ravel() for f in frames]),
    )


def energies(compared: Compared) -> tuple[FloatArray, FloatArray] | None:
    """Energies above the mean of their composition, meV/atom, where at least two frames have it."""
    groups: dict[str, list[FrameComparison]] = {}
    for frame in compared.material.frames:
        if not np.isnan(frame.energy_reference):
            groups.setdefault(frame.composition, []).append(frame)
    centred = [_centred(group) for group in groups.values() if len(group) > 1]
    if not centred:
        return None
    x, y = np.concatenate(centred, axis=1) / MILLI
    return x, y


def stresses(compared: Compared) -> tuple[FloatArray, FloatArray] | None:
    """Stress components, GPa."""
    voigt = np.triu_indices(3)
    found = [
        (f.stress_reference[voigt], f.stress_model[voigt])
        for f in compared.material.frames
        if f.stress_reference is not None and f.stress_model is not None
    ]
    if not found:
        return None
    x, y = np.concatenate(found, axis=1) / GPA
    return x, y


def _centred(frames: Sequence[FrameComparison]) -> FloatArray:
    """Energies per atom above their mean, shape (2, n), eV: DFT's and the model's."""
    both = np.array([[f.energy_reference, f.energy_model] for f in frames]).T
    both /= [f.n_atoms for f in frames]
    return np.asarray(both - both.mean(axis=1, keepdims=True))
