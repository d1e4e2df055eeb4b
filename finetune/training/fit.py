"""Training a model on labels, from the potential and the frames to a new potential and its record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic, TypeVar

import torch
from ase import Atoms

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.force_sets import ForceSet
from umlip_bench.finetune.method import Fit, Surroundings
from umlip_bench.finetune.retention import (
    Frames,
)
from umlip_bench.finetune.training.alignment import Alignment, EnergyUse, align
from umlip_bench.finetune.training.checkpoint import Checkpoint
from umlip_bench.finetune.training.labels import align_labels, prepare_labels
from umlip_bench.finetune.training.loop import train
from umlip_bench.finetune.training.parameters import Trainee
from umlip_bench.finetune.training.plot import HISTORY, PLOT, plot_history, write_history
from umlip_bench.finetune.training.record import (
    IN_SAMPLE,
    VALIDATION,
    TrainedFit,
)
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import (
    Target,
    targets_of_force_sets,
    targets_of_labels,
    targets_of_predictions,
)
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
    learnt, sets = labels.groups[IN_SAMPLE], labels.force_sets
    targets = [
        targets_of_labels(parent, members, _energies(members, labels.alignment))
        for members in (learnt, labels.groups[VALIDATION])
    ]
    replay = _replay(parent, labels.replayed)
    key = _key(parent, frames, sets, trainee.method, settings, labels.replayed)
    start = time.perf_counter()
    history = train(
        trained,
        trainee.parameters,
        [*targets[0], *targets_of_force_sets(parent, sets)],
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
        _hold_energies(trained, parent, [*(f.atoms for f in learnt), *(each.rest for each in sets)])
    fit = TrainedFit(
        method=trainee.method,
        settings=settings,
        dtype=str(parent.dtype).removeprefix("torch."),
        labels_sha256=labels.sha256,
        n_labels=len(frames),
        n_parameters=sum(each.numel() for each in trainee.parameters.values()),
        split=labels.split,
        energies=labels.alignment,
        history=history,
        checks=() if around.brief else labels.check(parent, trained),
        curvature=None if around.brief else labels.check_curvature(parent, trained),
        retention=None if around.brief else labels.check_retention(parent, trained),
        replayed=tuple(labels.replayed),
        seconds=seconds,
    )
    return Training(fit, trained, parent, trainee.kept)


def _replay(parent: TrainablePotential, replayed: Frames) -> list[Target]:
    structures = [frame.atoms for members in replayed.values() for frame in members]
    return targets_of_predictions(
        [parent.prepare(atoms) for atoms in structures], predict(parent, structures)
    )


def targets_on_zero_of(potential: Potential, frames: Sequence[Frame]) -> list[Target]:
    """Labels with their energies moved to a model's zero, as a training on all of them has them."""
    return targets_of_labels(potential, frames, _energies(frames, align_labels(potential, frames)))


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
    trained: TrainablePotential, parent: TrainablePotential, structures: Sequence[Atoms]
) -> None:
    """Where energies were not trained on, keep the parent's energies of the labels.

    Nothing in the loss holds the zero of energy then; by the smallest shift of the element references the
    energies of these structures stay where the parent has them, in least squares.
    """
    before = [each.energy for each in predict(parent, structures, stress=False)]
    after = [each.energy for each in predict(trained, structures, stress=False)]
    trained.shift_references(align(structures, before, after).by_number())


def _key(
    parent: TrainablePotential,
    frames: Sequence[Frame],
    sets: Sequence[ForceSet],
    method: str,
    settings: TrainingSettings,
    replayed: Frames,
) -> str:
    """Digest of all that the result depends on."""
    return identity(
        "training",
        parent.weights.sha256,
        list(frames),
        list(sets),
        method,
        settings,
        {name: list(members) for name, members in replayed.items()},
        str(parent.dtype),
        parent.device.type,
        torch.__version__,
    )
