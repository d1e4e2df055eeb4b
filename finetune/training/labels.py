"""What a training is given and judged by: labels, their split and zero of energy, other materials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import BeforeAfter, compare, fingerprint
from umlip_bench.finetune.force_sets import ForceSet, curvature
from umlip_bench.finetune.measures import HELD_OUT, GroupCheck, Measures, measure
from umlip_bench.finetune.method import Surroundings
from umlip_bench.finetune.retention import (
    Frames,
    Retention,
    measure_others,
    other_materials,
    replayed_half,
    retention,
)
from umlip_bench.finetune.training.alignment import Alignment, align
from umlip_bench.finetune.training.record import IN_SAMPLE, VALIDATION, CurvatureCheck, Split
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.identity import identity
from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True, eq=False)
class TrainingLabels:
    """What a training is given, and is judged by.

    Parameters
    ----------
    split, groups
        Indices, and the frames by what they serve for.
    force_sets
        Rows of the Hessian.
    others, replayed
        Materials that retention is judged by, and those of them that the model is held to.
    alignment
        The zero of the labels' energies.
    sha256
        Digest of the labels, which without force sets is that of the frames.
    """

    split: Split
    groups: Mapping[str, Sequence[Frame]]
    force_sets: Sequence[ForceSet]
    others: Frames
    replayed: Frames
    alignment: Alignment
    sha256: str

    def check(self, parent: Potential, trained: Potential) -> tuple[GroupCheck, ...]:
        """Every group of frames by both models."""
        models = (parent, trained)
        return tuple(
            GroupCheck(group, *(_measure(model, members, self.alignment) for model in models))
            for group, members in self.groups.items()
            if members
        )

    def check_curvature(self, parent: Potential, trained: Potential) -> CurvatureCheck | None:
        """The force sets by both models; ``None`` without any."""
        sets = self.force_sets
        if not sets:
            return None
        before, after = (curvature(model, sets) for model in (parent, trained))
        return CurvatureCheck(
            materials=tuple(dict.fromkeys(each.system for each in sets)),
            n_supercells=sum(len(each.displaced) for each in sets),
            amplitude=float(np.mean(np.concatenate([each.lengths for each in sets]))),
            slope=BeforeAfter(before.slope, after.slope),
            mae=BeforeAfter(before.mae, after.mae),
        )

    def check_retention(self, parent: Potential, trained: Potential) -> Retention | None:
        """Other materials by both models; ``None`` if there are none to judge by."""
        before, after = (measure_others(model, self.others) for model in (parent, trained))
        return retention(before, after, tuple(self.replayed))


def prepare_labels(
    parent: Potential,
    zero_of: Potential,
    frames: Sequence[Frame],
    settings: TrainingSettings,
    around: Surroundings,
) -> TrainingLabels:
    """Split the labels, and find the zero of their energies on that of a model.

    Parameters
    ----------
    parent
        The model that is trained further.
    zero_of
        Whose zero of energy it is: the parent, or the same with random weights.
    frames
        The labels; at least one, or a force set in `around`.
    settings, around
        Of the training.

    Raises
    ------
    CorrectionError
        If there are no labels.
    """
    sets = around.force_sets
    if not frames and not sets:
        raise CorrectionError("there are no labels to train on; give at least one labelled frame")
    others = around.others
    if others is None:
        own = {frame.composition for frame in frames} | {each.composition for each in sets}
        others = other_materials(parent, own)
    split = split_labels(len(frames), settings)
    groups = {
        IN_SAMPLE: [frames[k] for k in split.training],
        VALIDATION: [frames[k] for k in split.validation],
        HELD_OUT: list(around.held_out),
    }
    return TrainingLabels(
        split=split,
        groups=groups,
        force_sets=sets,
        others=others,
        replayed=replayed_half(others) if settings.replay is not None else {},
        alignment=align_labels(zero_of, groups[IN_SAMPLE]),
        sha256=identity("labels", list(frames), list(sets)) if sets else fingerprint(frames),
    )


def split_labels(n: int, settings: TrainingSettings) -> Split:
    """Draw the validation frames; they and the rest keep the order of the labels."""
    n_validation = int(n * settings.validation_share + 1e-9)
    drawn = np.random.default_rng([settings.seed, n]).permutation(n)[:n_validation]
    validation = tuple(sorted(map(int, drawn)))
    return Split(tuple(k for k in range(n) if k not in validation), validation)


def align_labels(potential: Potential, frames: Sequence[Frame]) -> Alignment:
    """The zero of frames' energies on that of a model."""
    structures = [frame.atoms for frame in frames]
    found = [each.energy for each in predict(potential, structures, stress=False)]
    return align(structures, [frame.energy for frame in frames], found)


def _measure(potential: Potential, frames: Sequence[Frame], alignment: Alignment) -> Measures:
    """Measures with the labels' zero of energy, so that only what was learnt differs."""
    moved = [
        Frame(f.atoms, f.energy - alignment.of(f.atoms), f.forces, f.stress, f.system, f.index)
        for f in frames
    ]
    return measure(compare(potential, moved))
