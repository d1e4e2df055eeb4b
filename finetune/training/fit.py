"""Training a model on labels, from the potential and the frames to a new potential and its record."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import compare, fingerprint
from umlip_bench.finetune.measures import Measures, measure
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
from umlip_bench.finetune.training.loop import Epoch, History, train
from umlip_bench.finetune.training.parameters import SCRATCH, check_trainable, choose
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import Target, targets_of_labels, targets_of_predictions
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.identity import identity
from umlip_bench.potentials.corrections.modification import FULL
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential

IN_SAMPLE, VALIDATION, HELD_OUT = "trained on", "validation", "held out"
"""Groups of frames that a model is measured on."""


@dataclass(frozen=True)
class Split:
    """Which labels were trained on; indices from 0 into the labels.

    Parameters
    ----------
    training, validation
        The latter chose the epoch; empty if the last one was taken.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class GroupCheck:
    """A group of frames before and after.

    Parameters
    ----------
    group
        `IN_SAMPLE`, `VALIDATION` or `HELD_OUT`.
    before, after
        Energies of both on the labels' zero: offsets are taken off.
    """

    group: str
    before: Measures
    after: Measures


@dataclass(frozen=True)
class TrainedFit:
    """The record of a training.

    Parameters
    ----------
    method
        ``head``, ``lora``, ``full`` or ``scratch``.
    settings
        What was minimised, and how.
    dtype
        Number format of the training.
    labels_sha256
        Digest of geometries and labels.
    n_labels
        Frames, validation included.
    n_parameters
        Numbers that were trained.
    split
        Which frames served for what.
    energies
        What became of the labels' energies.
    history
        All epochs, and the one that was kept.
    checks
        Every group of frames before and after.
    retention
        Other materials; ``None`` if there are none to judge by.
    seconds
        Time of the training now, without an interrupted part.
    """

    method: str
    settings: TrainingSettings
    dtype: str
    labels_sha256: str
    n_labels: int
    n_parameters: int
    split: Split
    energies: Alignment
    history: History
    checks: tuple[GroupCheck, ...]
    retention: Retention | None
    seconds: float


@dataclass(frozen=True, eq=False)
class Training:
    """A trained model.

    Parameters
    ----------
    fit
        Its record.
    potential
        The model; evaluates like any other, frozen.
    parent
        The model that was trained further, as it was.
    """

    fit: TrainedFit
    potential: TrainablePotential
    parent: TrainablePotential


def split_labels(n: int, settings: TrainingSettings) -> Split:
    """Draw the validation frames; they and the rest keep the order of the labels."""
    n_validation = int(n * settings.validation_share + 1e-9)
    drawn = np.random.default_rng([settings.seed, n]).permutation(n)[:n_validation]
    validation = tuple(sorted(map(int, drawn)))
    return Split(tuple(k for k in range(n) if k not in validation), validation)


def fit_trained(
    potential: Potential,
    frames: Sequence[Frame],
    method: str = FULL,
    settings: TrainingSettings | None = None,
    *,
    held_out: Sequence[Frame] = (),
    others: Frames | None = None,
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Training:
    """Train a model's weights on labelled frames.

    Parameters
    ----------
    potential
        The model; it stays as it is.
    frames
        The labels, at least one.
    method
        ``head``, ``lora``, ``full``, or ``scratch`` for random initial values.
    settings
        By default the paper's protocol.
    held_out
        Frames that are only measured, before and after.
    others
        Materials that retention is judged by, and half of which are replayed if the settings say so; those
        of `other_materials` by default.
    checkpoint
        File to go on from, and to write while training.
    on_epoch
        Called after every epoch.

    Raises
    ------
    CorrectionError
        If the model cannot be trained by this method, there are no labels, or the loss diverges.
    StructureError
        If the model cannot evaluate a frame.
    """
    settings = settings or TrainingSettings()
    parent = check_trainable(potential, method)
    if not frames:
        raise CorrectionError("there are no labels to train on; give at least one labelled frame")
    if others is None:
        others = other_materials(parent, {frame.composition for frame in frames})
    replayed = replayed_half(others) if settings.replay is not None else {}
    split = split_labels(len(frames), settings)
    groups = {
        IN_SAMPLE: [frames[k] for k in split.training],
        VALIDATION: [frames[k] for k in split.validation],
        HELD_OUT: list(held_out),
    }

    trained = parent.copy()
    chosen = choose(trained, method, settings)
    n_parameters = sum(parameter.numel() for parameter in chosen.parameters.values())
    # From random values the model starts elsewhere: its zero is what it starts with.
    alignment = _align(trained if method == SCRATCH else parent, groups[IN_SAMPLE])
    training, validation = (
        targets_of_labels(parent, members, _energies(members, alignment))
        for members in (groups[IN_SAMPLE], groups[VALIDATION])
    )
    structures = [frame.atoms for members in replayed.values() for frame in members]
    replay = targets_of_predictions(
        [parent.prepare(atoms) for atoms in structures], predict(parent, structures)
    )

    key = _key(parent, frames, method, settings, replayed)
    start = time.perf_counter()
    history = train(
        trained,
        chosen.parameters,
        training,
        validation,
        settings,
        replay=replay,
        checkpoint=None if checkpoint is None else Checkpoint(checkpoint, key),
        on_epoch=on_epoch,
    )
    seconds = time.perf_counter() - start
    chosen.finish()
    _settle(trained)
    if alignment.use is EnergyUse.NONE:
        _hold_energies(trained, parent, groups[IN_SAMPLE])
    fit = TrainedFit(
        method=method,
        settings=settings,
        dtype=str(parent.dtype).removeprefix("torch."),
        labels_sha256=fingerprint(frames),
        n_labels=len(frames),
        n_parameters=n_parameters,
        split=split,
        energies=alignment,
        history=history,
        checks=tuple(
            GroupCheck(group, *(_measure(m, members, alignment) for m in (parent, trained)))
            for group, members in groups.items()
            if members
        ),
        retention=retention(
            measure_others(parent, others), measure_others(trained, others), tuple(replayed)
        ),
        seconds=seconds,
    )
    return Training(fit, trained, parent)


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
