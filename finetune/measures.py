"""How far a model is from labelled frames: the same numbers for every method and set of frames."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.softening import slope_of
from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import (
    compare,
    energy_differences,
    fingerprint,
    force_sums,
    stresses,
)
from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True)
class Measures:
    """Errors over some frames.

    Parameters
    ----------
    n_frames
        Their number.
    force_slope
        Of all force components through the origin; dimensionless.
    force_mae
        Of the components, in eV/Å.
    energy_mae
        Of total energies, zero of energy included, in eV/atom; nan where no frame has one.
    difference_mae
        Of energies relative to the mean of their material and composition, in eV/atom; nan where no two
        frames share theirs.
    stress_mae
        Of the Voigt components, in eV/Å³; nan where no frame has a stress.
    """

    n_frames: int
    force_slope: float
    force_mae: float
    energy_mae: float
    difference_mae: float
    stress_mae: float


HELD_OUT = "held out"
"""Name of the group of frames that a fit did not see."""


@dataclass(frozen=True)
class GroupCheck:
    """A group of frames before and after.

    Parameters
    ----------
    group
        Its name, such as `HELD_OUT`.
    before, after
        Measures of the model and of the corrected model.
    """

    group: str
    before: Measures
    after: Measures


def held_out_check(
    parent: Potential, corrected: Potential, frames: Sequence[Frame]
) -> GroupCheck | None:
    """A model and what was made of it on frames that the fit did not see; ``None`` without such.

    Raises
    ------
    StructureError
        If the model cannot evaluate a frame.
    """
    if not frames:
        return None
    return GroupCheck(
        HELD_OUT, *(measure(compare(potential, frames)) for potential in (parent, corrected))
    )


def measure(materials: Sequence[MaterialComparison]) -> Measures:
    """The numbers of all frames of some materials together; at least one frame."""
    frames = [frame for material in materials for frame in material.frames]
    pairs = [energy_differences(material) for material in materials]
    differences = np.concatenate([model - reference for reference, model in pairs])
    known = [f for f in frames if not np.isnan(f.energy_reference)]
    energies = np.array([(f.energy_model - f.energy_reference) / f.n_atoms for f in known])
    reference, model = stresses(frames)
    total = force_sums(frames).sum(axis=0)
    return Measures(
        n_frames=len(frames),
        force_slope=float(slope_of(total)) if total[0] > 0 else float("nan"),
        force_mae=float(np.concatenate(force_errors(frames)).mean()),
        energy_mae=_mean(energies),
        difference_mae=_mean(differences),
        stress_mae=_mean(model - reference),
    )


def force_errors(frames: Sequence[FrameComparison]) -> list[np.ndarray]:
    """Absolute errors of the components of each frame, in eV/Å."""
    return [np.abs(f.forces_model - f.forces_reference).ravel() for f in frames]


def _mean(errors: np.ndarray) -> float:
    return float(np.abs(errors).mean()) if errors.size else float("nan")


def unseen(
    frames: Sequence[Frame], labels: Sequence[Frame], others: Collection[str] = ()
) -> list[Frame]:
    """Frames to judge a correction by: of the labels' compositions, or others, but none of the labels."""
    compositions = {*others, *(frame.composition for frame in labels)}
    known = {fingerprint([frame]) for frame in labels}
    return [
        frame
        for frame in frames
        if frame.composition in compositions and fingerprint([frame]) not in known
    ]
