"""Frames of one material, of which some are labels and the others judge what is made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import FrameComparison
from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.finetune.comparison import force_sums, stresses
from umlip_bench.finetune.factor_method import FactorFrom
from umlip_bench.finetune.factors import FloatArray, States
from umlip_bench.ground.errors import CorrectionError

IntArray = NDArray[np.int64]

Trial = tuple[float, ...]
"""One choice of the labels: miss, coverage, interval score, worse, then the pairs before and after of
`umlip_bench.finetune.evaluation.ChoicesOutcome`."""


class JudgedFrames:
    """The frames of one material as arrays, of which labels and held-out frames are picked.

    Parameters
    ----------
    frames
        DFT beside the uncorrected model, all with forces.
    """

    def __init__(self, frames: Sequence[FrameComparison]) -> None:
        self.sums = force_sums(frames)
        self.x = np.concatenate([frame.forces_reference.ravel() for frame in frames])
        self.y = np.concatenate([frame.forces_model.ravel() for frame in frames])
        sizes = [frame.forces_reference.size for frame in frames]
        self.frame_of_component = np.repeat(np.arange(len(frames)), sizes)
        self.energies = np.array(
            [(f.energy_reference / f.n_atoms, f.energy_model / f.n_atoms) for f in frames]
        )
        if len({frame.composition for frame in frames}) > 1:
            self.energies[:] = np.nan
        self.stress_x, self.stress_y = stresses(frames)
        if len(self.stress_x) < len(frames):
            self.stress_x = self.stress_y = np.full((len(frames), 6), np.nan)

    def scaled_trial(
        self,
        labels: tuple[int, ...],
        factor_of: FactorFrom,
        told: bool = True,
    ) -> Trial | None:
        """One factor from some of the frames, the others being the states of use, told or not.

        ``None`` if no positive factor helps.
        """
        held = self._others(labels)
        try:
            found = factor_of(
                [self.sums[list(labels)]], States.of(self.sums[held]) if told else None
            )
            asked = factor_of([self.sums[held]], None).own.value
        except CorrectionError:
            return None
        refused = found.refusal([self._forces(label) for label in labels]) is not None
        factor = 1.0 if refused else found.result.factor
        low, high = found.result.log_interval
        errors = self._pairs(
            labels, factor * self.y, factor * self.energies[:, 1], factor * self.stress_y
        )
        missed = max(low - asked, asked - high, 0.0)
        score = high - low + 2.0 / (1.0 - CONFIDENCE) * missed
        return abs(factor / math.exp(asked) - 1.0), float(missed == 0.0), score, *errors

    def _forces(self, frame: int) -> tuple[FloatArray, FloatArray]:
        own = self.frame_of_component == frame
        return self.x[own], self.y[own]

    def fitted_trial(self, labels: tuple[int, ...], after: JudgedFrames) -> Trial:
        """A corrected model's, from the same frames beside its own predictions."""
        errors = self._pairs(labels, after.y, after.energies[:, 1], after.stress_y)
        return math.nan, math.nan, math.nan, *errors

    def _others(self, labels: tuple[int, ...]) -> IntArray:
        return np.setdiff1d(np.arange(len(self.sums)), labels)

    def _pairs(
        self, labels: tuple[int, ...], y: FloatArray, energies: FloatArray, stress: FloatArray
    ) -> Trial:
        """Worse, and the pairs before and after, of the frames that are no labels."""
        held = self._others(labels)
        components = np.isin(self.frame_of_component, held)
        x, before, after = self.x[components], self.y[components], y[components]
        forces = _mean_error(before - x), _mean_error(after - x)
        energy_errors = (
            values[held] - values[list(labels)].mean()
            for values in (
                self.energies[:, 1] - self.energies[:, 0],
                energies - self.energies[:, 0],
            )
        )
        return (
            float(forces[1] > forces[0]),
            float(x @ before / (x @ x)),
            float(x @ after / (x @ x)),
            *forces,
            *map(_mean_error, energy_errors),
            _mean_error(self.stress_y[held] - self.stress_x[held]),
            _mean_error(stress[held] - self.stress_x[held]),
        )


def _mean_error(errors: FloatArray) -> float:
    return float(np.abs(errors).mean())
