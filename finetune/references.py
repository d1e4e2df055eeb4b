"""The method e0: element references refitted to labelled energies, in closed form.

    E' = E + sum over elements of (number of atoms) x (shift)

Labels of another code or without the corrections that a model was trained with have another zero of energy
for each element. The shifts are the least-squares offsets of `training.alignment`. Forces, stress and energy
differences within a composition stay as they are: this brings energies to the labels' zero, so that
energies of different compositions can be compared with the labels', and corrects no softness.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import BeforeAfter, fingerprint
from umlip_bench.finetune.method import ClosedFit
from umlip_bench.finetune.training.alignment import Alignment, align
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.corrections.modification import ReferenceShift
from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True)
class ShiftFit(ClosedFit):
    """Fitted shifts.

    Parameters
    ----------
    alignment
        The shifts, and how far the labels determine them.
    labels_sha256
        Digest of geometries and labels.
    n_labels
        Frames.
    energy_mae
        Of total energies, in eV/atom, of the labels themselves.
    held_out_mae
        The same of frames held out; ``None`` without such.
    """

    alignment: Alignment
    labels_sha256: str
    n_labels: int
    energy_mae: BeforeAfter
    held_out_mae: BeforeAfter | None

    apart = ("labels_sha256", "n_labels")

    @property
    def shifts(self) -> Mapping[str, float]:
        """In eV by element."""
        return self.alignment.offsets

    @property
    def correction(self) -> ReferenceShift:
        return ReferenceShift(self.shifts)

    def labels_record(self) -> Mapping[str, object]:
        return {"sha256": self.labels_sha256, "n_frames": self.n_labels}


def fit_references(
    potential: Potential, frames: Sequence[Frame], *, held_out: Sequence[Frame] = ()
) -> ShiftFit:
    """Fit one shift per element to labelled energies.

    Parameters
    ----------
    potential
        Any model.
    frames
        The labels; at least one with an energy.
    held_out
        Frames that are only measured.

    Raises
    ------
    CorrectionError
        If no label has an energy.
    StructureError
        If the model cannot evaluate a frame.
    """
    found = _predict(potential, frames)
    alignment = align([f.atoms for f in frames], [f.energy for f in frames], found)
    if not alignment.offsets:
        raise CorrectionError(
            f"none of the {len(frames)} labels has an energy to fit element references to; use a method "
            "that is fitted to forces (scalar, head, lora, full)"
        )
    return ShiftFit(
        alignment=alignment,
        labels_sha256=fingerprint(frames),
        n_labels=len(frames),
        energy_mae=_errors(frames, found, alignment),
        held_out_mae=_errors(held_out, _predict(potential, held_out), alignment)
        if held_out
        else None,
    )


def _predict(potential: Potential, frames: Sequence[Frame]) -> list[float]:
    return [p.energy for p in predict(potential, [f.atoms for f in frames], stress=False)]


def _errors(frames: Sequence[Frame], found: Sequence[float], alignment: Alignment) -> BeforeAfter:
    pairs = [
        (
            (energy - f.energy) / len(f.atoms),
            (energy + alignment.of(f.atoms) - f.energy) / len(f.atoms),
        )
        for f, energy in zip(frames, found, strict=True)
        if not np.isnan(f.energy)
    ]
    before, after = np.abs(np.array(pairs).reshape(-1, 2)).mean(axis=0)
    return BeforeAfter(float(before), float(after))
