"""Training a model on labels, from the potential and the frames to a new potential and its record."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from ase import Atoms

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import BeforeAfter, compare, fingerprint
from umlip_bench.finetune.force_sets import ForceSet, curvature
from umlip_bench.finetune.measures import HELD_OUT, GroupCheck, Measures, measure
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
    IN_SAMPLE,
    VALIDATION,
    CurvatureCheck,
    Split,
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
from umlip_bench.potentials.corrections.folder import CorrectedWeights
from umlip_bench.potentials.corrections.modification import WEIGHTS, TrainedWeights, with_files
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential


@dataclass(frozen=True, eq=False)
class Training(Fit):
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
    potential: TrainablePotential
    parent: TrainablePotential
    kept: bool = True

    def put_on(self, parent: Potential) -> TrainablePotential:
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


def split_labels(n: int, settings: TrainingSettings) -> Split:
    """Draw the validation frames; they and the rest keep the order of the labels."""
    n_validation = int(n * settings.validation_share + 1e-9)
    drawn = np.random.default_rng([settings.seed, n]).permutation(n)[:n_validation]
    validation = tuple(sorted(map(int, drawn)))
    return Split(tuple(k for k in range(n) if k not in validation), validation)


def fit_trained(
    trainee: Trainee, frames: Sequence[Frame], settings: TrainingSettings, around: Surroundings
) -> Training:
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
    sets = around.force_sets
    if not frames and not sets:
        raise CorrectionError("there are no labels to train on; give at least one labelled frame")
    others = around.others
    if others is None:
        own = {frame.composition for frame in frames} | {each.composition for each in sets}
        others = other_materials(parent, own)
    replayed = replayed_half(others) if settings.replay is not None else {}
    split = split_labels(len(frames), settings)
    groups = {
        IN_SAMPLE: [frames[k] for k in split.training],
        VALIDATION: [frames[k] for k in split.validation],
        HELD_OUT: list(around.held_out),
    }
    alignment = _align(trained if trainee.from_random else parent, groups[IN_SAMPLE])
    targets = [
        targets_of_labels(parent, members, _energies(members, alignment))
        for members in (groups[IN_SAMPLE], groups[VALIDATION])
    ]
    replay = _replay(parent, replayed)
    key = _key(parent, frames, sets, trainee.method, settings, replayed)
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
    if alignment.use is EnergyUse.NONE:
        structures = [*(f.atoms for f in groups[IN_SAMPLE]), *(each.rest for each in sets)]
        _hold_energies(trained, parent, structures)
    models = () if around.brief else (parent, trained)
    fit = TrainedFit(
        method=trainee.method,
        settings=settings,
        dtype=str(parent.dtype).removeprefix("torch."),
        labels_sha256=_fingerprint(frames, sets),
        n_labels=len(frames),
        n_parameters=sum(each.numel() for each in trainee.parameters.values()),
        split=split,
        energies=alignment,
        history=history,
        checks=tuple(
            GroupCheck(group, *(_measure(model, members, alignment) for model in models))
            for group, members in groups.items()
            if members and models
        ),
        curvature=None if around.brief else _curvature(parent, trained, sets),
        retention=None if around.brief else _retained(parent, trained, others, replayed),
        replayed=tuple(replayed),
        seconds=seconds,
    )
    return Training(fit, trained, parent, trainee.kept)


def _fingerprint(frames: Sequence[Frame], sets: Sequence[ForceSet]) -> str:
    """Digest of the labels, which without force sets is that of the frames."""
    return identity("labels", list(frames), list(sets)) if sets else fingerprint(frames)


def _curvature(
    parent: Potential, trained: Potential, sets: Sequence[ForceSet]
) -> CurvatureCheck | None:
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


def _retained(
    parent: Potential, trained: Potential, others: Frames, replayed: Frames
) -> Retention | None:
    before, after = (measure_others(model, others) for model in (parent, trained))
    return retention(before, after, tuple(replayed))


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
    trained: TrainablePotential, parent: TrainablePotential, structures: Sequence[Atoms]
) -> None:
    """Where energies were not trained on, keep the parent's energies of the labels.

    Nothing in the loss holds the zero of energy then; by the smallest shift of the element references the
    energies of these structures stay where the parent has them, in least squares.
    """
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
