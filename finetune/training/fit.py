"""Training a model on labels, from the potential and the frames to a new potential and its record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import torch

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import compare, fingerprint
from umlip_bench.finetune.measures import Measures, measure
from umlip_bench.finetune.method import Fit, Surroundings
from umlip_bench.finetune.retention import (
    Frames,
    Retention,
    measure_others,
    other_materials,
    replayed_half,
    retention,
)
from umlip_bench.finetune.training.alignment import Alignment, EnergyUse, align
from umlip_bench.finetune.training.checkpoint import Checkpoint
from umlip_bench.finetune.training.loop import train
from umlip_bench.finetune.training.parameters import Trainee
from umlip_bench.finetune.training.plot import HISTORY, PLOT, plot_history, write_history
from umlip_bench.finetune.training.record import (
    HELD_OUT,
    IN_SAMPLE,
    VALIDATION,
    GroupCheck,
    Split,
    TrainedFit,
)
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import Target, targets_of_labels, targets_of_predictions
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.identity import identity
from umlip_bench.potentials.adapters.worker import WorkerPotential
from umlip_bench.potentials.corrections.folder import CorrectedWeights
from umlip_bench.potentials.corrections.modification import WEIGHTS, TrainedWeights, with_files
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential

P = TypeVar("P", TrainablePotential, WorkerPotential)
"""What has weights of its own that were trained."""


@dataclass(frozen=True, eq=False)
class Training(Fit, Generic[P]):
    """A trained model.

    Parameters
    ----------
    fit
        Its record.
    potential
        The model; evaluates like any other, frozen.
    parent
        The model that was trained further, as it was.
    kept
        Whether the result is a correction that may be kept.
    """

    fit: TrainedFit
    potential: P
    parent: P
    kept: bool = True

    def put_on(self, parent: Potential) -> P:
        """The trained model; there is nothing to put on any other."""
        return self.potential

    @property
    def method(self) -> str:  # type: ignore[override]
        return self.fit.method

    @property
    def replayed(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.fit.replayed

    def keep(self, parent: Potential, folder: Path) -> TrainedWeights:
        """Write the weights as their own library does, and the errors against epochs."""
        if not self.kept:
            raise CorrectionError(
                f"a model trained from {self.method} is for comparison only; no correction is left to keep"
            )
        plot_history(self.fit, self.parent.card.name, folder / PLOT)
        write_history(self.fit.history, folder / HISTORY)
        (folder / WEIGHTS).mkdir()
        digests = {
            name: hashlib.sha256((folder / WEIGHTS / name).read_bytes()).hexdigest()
            for name in self.potential.save_weights(folder / WEIGHTS)
        }
        weights = self.parent.weights
        # A parent that was trained itself is read by the family of its weights, not as a corrected model.
        read_as = weights.base if isinstance(weights, CorrectedWeights) else weights
        card = replace(
            with_files(read_as.card, digests), n_parameters=self.parent.card.n_parameters
        )
        return TrainedWeights(self.method, card)

    def record(self) -> Mapping[str, object]:
        history = self.fit.history
        elsewhere = ("method", "labels_sha256", "n_labels", "history", "replayed")
        record = {k: v for k, v in vars(self.fit).items() if k not in elsewhere}
        return {**record, "epochs": {"trained": len(history.epochs), "kept": history.kept}}

    def labels_record(self) -> Mapping[str, object]:
        return {"sha256": self.fit.labels_sha256, "n_frames": self.fit.n_labels}


@dataclass(frozen=True, eq=False)
class TrainingLabels:
    """What a training is given, and is judged by.

    Parameters
    ----------
    split, groups
        Indices, and the frames by what they serve for.
    others, replayed
        Materials that retention is judged by, and those of them that the model is held to.
    alignment
        The zero of the labels' energies.
    """

    split: Split
    groups: Mapping[str, Sequence[Frame]]
    others: Frames
    replayed: Frames
    alignment: Alignment


def split_labels(n: int, settings: TrainingSettings) -> Split:
    """Draw the validation frames; they and the rest keep the order of the labels."""
    n_validation = int(n * settings.validation_share + 1e-9)
    drawn = np.random.default_rng([settings.seed, n]).permutation(n)[:n_validation]
    validation = tuple(sorted(map(int, drawn)))
    return Split(tuple(k for k in range(n) if k not in validation), validation)


def fit_trained(
    trainee: Trainee, frames: Sequence[Frame], settings: TrainingSettings, around: Surroundings
) -> Training[TrainablePotential]:
    """Train a model's weights on labelled frames.

    Parameters
    ----------
    trainee
        The model, and what is trained of it.
    frames
        The labels, at least one.
    settings
        What is minimised, and how.
    around
        What there is besides; half of its other materials are replayed if the settings say so.

    Raises
    ------
    CorrectionError
        If there are no labels, or the loss diverges.
    StructureError
        If the model cannot evaluate a frame.
    """
    parent, trained = trainee.parent, trainee.potential
    zero_of = trained if trainee.from_random else parent
    labels = prepare_labels(parent, zero_of, frames, settings, around)
    targets = [
        targets_of_labels(parent, members, _energies(members, labels.alignment))
        for members in (labels.groups[IN_SAMPLE], labels.groups[VALIDATION])
    ]
    replay = _replay(parent, labels.replayed)
    key = _key(parent, frames, trainee.method, settings, labels.replayed)
    start = time.perf_counter()
    history = train(
        trained,
        trainee.parameters,
        targets[0],
        targets[1],
        settings,
        replay=replay,
        checkpoint=None if around.checkpoint is None else Checkpoint(around.checkpoint, key),
        on_epoch=around.on_epoch,
    )
    seconds = time.perf_counter() - start
    trainee.finish()
    _settle(trained)
    if labels.alignment.use is EnergyUse.NONE:
        _hold_energies(trained, parent, labels.groups[IN_SAMPLE])
    fit = TrainedFit(
        method=trainee.method,
        settings=settings,
        dtype=str(parent.dtype).removeprefix("torch."),
        labels_sha256=fingerprint(frames),
        n_labels=len(frames),
        n_parameters=sum(each.numel() for each in trainee.parameters.values()),
        split=labels.split,
        energies=labels.alignment,
        history=history,
        checks=() if around.brief else check_groups(parent, trained, labels),
        retention=None if around.brief else retained(parent, trained, labels),
        replayed=tuple(labels.replayed),
        seconds=seconds,
    )
    return Training(fit, trained, parent, trainee.kept)


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
    frames, settings, around
        As of `fit_trained`.

    Raises
    ------
    CorrectionError
        If there are no labels.
    """
    if not frames:
        raise CorrectionError("there are no labels to train on; give at least one labelled frame")
    others = around.others
    if others is None:
        others = other_materials(parent, {frame.composition for frame in frames})
    split = split_labels(len(frames), settings)
    groups = {
        IN_SAMPLE: [frames[k] for k in split.training],
        VALIDATION: [frames[k] for k in split.validation],
        HELD_OUT: list(around.held_out),
    }
    return TrainingLabels(
        split,
        groups,
        others,
        replayed_half(others) if settings.replay is not None else {},
        _align(zero_of, groups[IN_SAMPLE]),
    )


def check_groups(
    parent: Potential, trained: Potential, labels: TrainingLabels
) -> tuple[GroupCheck, ...]:
    """Every group of frames, by both models."""
    return tuple(
        GroupCheck(
            group, *(_measure(model, members, labels.alignment) for model in (parent, trained))
        )
        for group, members in labels.groups.items()
        if members
    )


def retained(parent: Potential, trained: Potential, labels: TrainingLabels) -> Retention | None:
    """Other materials by both models; ``None`` if there are none to judge by."""
    before, after = (measure_others(model, labels.others) for model in (parent, trained))
    return retention(before, after, tuple(labels.replayed))


def _replay(parent: TrainablePotential, replayed: Frames) -> list[Target]:
    structures = [frame.atoms for members in replayed.values() for frame in members]
    return targets_of_predictions(
        [parent.prepare(atoms) for atoms in structures], predict(parent, structures)
    )


def targets_on_zero_of(potential: Potential, frames: Sequence[Frame]) -> list[Target]:
    """Labels with their energies moved to a model's zero, as a training on all of them has them."""
    return targets_of_labels(potential, frames, _energies(frames, _align(potential, frames)))


def _align(potential: Potential, frames: Sequence[Frame]) -> Alignment:
    structures = [frame.atoms for frame in frames]
    found = [each.energy for each in predict(potential, structures, stress=False)]
    return align(structures, [frame.energy for frame in frames], found)


def _energies(frames: Sequence[Frame], alignment: Alignment) -> list[float]:
    """The labels' energies on the model's zero; nan where they are not trained on."""
    if alignment.use is EnergyUse.NONE:
        return [float("nan")] * len(frames)
    return [frame.energy - alignment.of(frame.atoms) for frame in frames]


def _settle(potential: TrainablePotential) -> None:
    """Freeze, and round to the single precision that the libraries keep weights in."""
    potential.module.requires_grad_(False)
    for parameter in potential.module.parameters():
        parameter.copy_(parameter.float())


def _hold_energies(
    trained: TrainablePotential, parent: TrainablePotential, frames: Sequence[Frame]
) -> None:
    """Where only forces and stress were trained on, keep the parent's energies of the labels.

    Nothing in the loss holds the zero of energy then; by the smallest shift of the element references the
    labelled frames' energies stay where the parent has them, in least squares.
    """
    structures = [frame.atoms for frame in frames]
    before = [each.energy for each in predict(parent, structures, stress=False)]
    after = [each.energy for each in predict(trained, structures, stress=False)]
    trained.shift_references(align(structures, before, after).by_number())


def _measure(potential: Potential, frames: Sequence[Frame], alignment: Alignment) -> Measures:
    """Measures with the labels' zero of energy, so that only what was learnt differs."""
    moved = [
        Frame(f.atoms, f.energy - alignment.of(f.atoms), f.forces, f.stress, f.system, f.index)
        for f in frames
    ]
    return measure(compare(potential, moved))


def _key(
    parent: TrainablePotential,
    frames: Sequence[Frame],
    method: str,
    settings: TrainingSettings,
    replayed: Frames,
) -> str:
    """Digest of all that the result depends on."""
    return identity(
        "training",
        parent.weights.sha256,
        list(frames),
        method,
        settings,
        {name: list(members) for name, members in replayed.items()},
        str(parent.dtype),
        parent.device.type,
        torch.__version__,
    )
