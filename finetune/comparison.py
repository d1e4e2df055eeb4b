"""A model beside labelled frames, and the errors that are left under a factor."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.softening import stress_softening
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.factors import FloatArray, frame_sums
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential

MIN_RMS_FORCE = 0.02
"""eV/Å. Frames below it, crystals at rest, hold no more than the noise of DFT's forces."""

_VOIGT = ([0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1])


@dataclass(frozen=True)
class BeforeAfter:
    """A number of the uncorrected and of the corrected model, in the same unit."""

    before: float
    after: float


def compare(potential: Potential, frames: Sequence[Frame]) -> tuple[MaterialComparison, ...]:
    """Evaluate all frames once and put the predictions beside the labels, by material.

    Raises
    ------
    StructureError
        If the potential cannot evaluate a frame.
    """
    return beside(frames, predict(potential, [frame.atoms for frame in frames]))


def beside(
    frames: Sequence[Frame], predictions: Sequence[Prediction]
) -> tuple[MaterialComparison, ...]:
    """Predictions put beside the labels, by material."""
    groups: dict[str, list[FrameComparison]] = {}
    for frame, prediction in zip(frames, predictions, strict=True):
        both = frame.stress is not None and prediction.stress is not None
        groups.setdefault(frame.system, []).append(
            FrameComparison(
                composition=frame.composition,
                energy_reference=frame.energy,
                energy_model=prediction.energy,
                forces_reference=frame.forces,
                forces_model=prediction.forces,
                stress_reference=frame.stress if both else None,
                stress_model=prediction.stress if both else None,
            )
        )
    return tuple(MaterialComparison(name, tuple(members)) for name, members in groups.items())


def with_forces(frames: Iterable[FrameComparison]) -> tuple[FrameComparison, ...]:
    """The frames whose DFT forces are more than noise."""
    return tuple(frame for frame in frames if rms_force(frame) >= MIN_RMS_FORCE)


def rms_force(frame: FrameComparison) -> float:
    """Root mean square DFT force component in eV/Å."""
    return float(np.sqrt(np.mean(frame.forces_reference**2)))


def force_sums(frames: Iterable[FrameComparison]) -> FloatArray:
    """Sums over each frame that its factor follows from, shape (n_frames, 6); see `frame_sums`."""
    return np.array([frame_sums(f.forces_reference, f.forces_model) for f in frames])


def force_error(frame: FrameComparison, factor: float) -> float:
    """Sum over components of abs(c y - x) in eV/Å."""
    return float(np.abs(factor * frame.forces_model - frame.forces_reference).sum())


def force_mae(frames: Sequence[FrameComparison], factors: Sequence[float]) -> float:
    """Mean absolute error of the force components in eV/Å, with a factor for each frame."""
    pairs = zip(frames, factors, strict=True)
    total = sum(force_error(frame, factor) for frame, factor in pairs)
    return total / sum(frame.forces_reference.size for frame in frames)


def energy_differences(material: MaterialComparison) -> tuple[FloatArray, FloatArray]:
    """DFT's and the model's energies relative to the mean of their composition.

    An offset between the two, of other pseudopotentials or of energy corrections, is a constant for a
    composition and drops out, and so does E_ref.

    Returns
    -------
    reference, model
        Each of shape (n,), eV/atom, over frames that share their composition with another one and
        whose DFT energy is known.
    """
    groups: dict[str, list[tuple[float, float]]] = {}
    for frame in material.frames:
        if not np.isnan(frame.energy_reference):
            n = frame.n_atoms
            pair = (frame.energy_reference / n, frame.energy_model / n)
            groups.setdefault(frame.composition, []).append(pair)
    deviations = [
        np.array(pairs) - np.mean(pairs, axis=0) for pairs in groups.values() if len(pairs) > 1
    ]
    both = np.concatenate(deviations) if deviations else np.zeros((0, 2))
    return both[:, 0], both[:, 1]


def stresses(frames: Iterable[FrameComparison]) -> tuple[FloatArray, FloatArray]:
    """DFT's and the model's stresses in Voigt order, each of shape (n_frames, 6), eV/Å³."""
    pairs = [
        (frame.stress_reference, frame.stress_model)
        for frame in frames
        if frame.stress_reference is not None and frame.stress_model is not None
    ]
    both = np.array(pairs, dtype=float).reshape(-1, 2, 3, 3)
    symmetric = 0.5 * (both + both.transpose(0, 1, 3, 2))
    voigt = symmetric[:, :, _VOIGT[0], _VOIGT[1]]
    return voigt[:, 0], voigt[:, 1]


def stress_slopes(
    reference: FloatArray, model: FloatArray, factor: float
) -> tuple[BeforeAfter, BeforeAfter]:
    """Slope (with an intercept) and mean absolute error (eV/Å³) of the stress, before and after."""
    before = stress_softening(reference, model)
    after = stress_softening(reference, factor * model)
    return BeforeAfter(before.slope, after.slope), BeforeAfter(before.mae, after.mae)


def fingerprint(frames: Iterable[Frame]) -> str:
    """Digest of geometries and labels, whatever file they came in."""
    digest = hashlib.sha256()
    for frame in frames:
        for array in (
            frame.atoms.numbers,
            frame.atoms.positions,
            frame.atoms.cell.array,
            frame.energy,
            frame.forces,
            np.nan if frame.stress is None else frame.stress,
        ):
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
    return digest.hexdigest()
