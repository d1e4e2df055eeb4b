"""An epoch of training here against CHGNet's own trainer, on the same frames and with the same loss.

Both sides start from prepared graphs. Before anything is timed the gradients of one batch are compared.
"""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
import torch
from ase.units import GPa
from chgnet.trainer import Trainer
from pymatgen.io.ase import AseAtomsAdaptor

from umlip_bench.datasets import Frame
from umlip_bench.engine.packing import Packer
from umlip_bench.finetune.training.fit import targets_on_zero_of
from umlip_bench.finetune.training.loop import add_gradients, train
from umlip_bench.finetune.training.parameters import unfreeze
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import Target
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential

MIN_REPEATS = 5
TOLERANCE = 1e-3
"""Largest difference of gradients, relative to their norm, that single precision explains."""


@dataclass(frozen=True)
class TrainingSpeed:
    """Times of one epoch on both sides.

    Parameters
    ----------
    n_frames, n_atoms, batch_size
        What an epoch was.
    library, ours
        Seconds, medians over the repeats.
    ratio, ratio_low, ratio_high
        Median, smallest and largest of the library's time over ours, repeat by repeat.
    repeats
        Number of paired repeats.
    gradient_difference
        Norm of the difference of both sides' gradients over their norm, largest of all batches.
    """

    n_frames: int
    n_atoms: int
    batch_size: int
    library: float
    ours: float
    ratio: float
    ratio_low: float
    ratio_high: float
    repeats: int
    gradient_difference: float


def compare_training(
    potential: ChgnetPotential, frames: Sequence[Frame], batch_size: int, repeats: int
) -> TrainingSpeed:
    """Time epochs in turn.

    Parameters
    ----------
    potential
        CHGNet.
    frames
        Labels with stresses.
    batch_size
        Frames per step.
    repeats
        Paired repeats, at least `MIN_REPEATS`.

    Raises
    ------
    CorrectionError
        If gradients differ by more than `TOLERANCE`, there are too few repeats, or a frame has no stress.
    """
    if repeats < MIN_REPEATS:
        raise CorrectionError(f"{repeats} repeats are too few; at least {MIN_REPEATS} are needed")
    if any(frame.stress is None for frame in frames):
        raise CorrectionError("CHGNet's trainer is timed on frames with stresses; give such frames")
    settings = TrainingSettings(epochs=1, batch_size=batch_size, validation_share=0.0)
    ours = potential.copy()
    parameters = ours.trainable()
    unfreeze(ours, parameters)
    targets = targets_on_zero_of(potential, frames)
    library = _Library(potential, frames, targets, settings)

    starts = range(0, len(frames), batch_size)
    worst = 0.0
    for k, start in enumerate(starts):
        for parameter in parameters.values():
            parameter.grad = None
        batch = targets[start : start + batch_size]
        for _ in add_gradients(ours, list(parameters.values()), batch, settings, Packer(ours)):
            pass
        found = {name: p.grad for name, p in parameters.items() if p.grad is not None}
        worst = max(worst, _difference(library.gradients(k), found))
    if worst > TOLERANCE:
        raise CorrectionError(
            f"gradients differ from those of CHGNet's trainer by {worst:.1e} of their norm, tolerated are "
            f"{TOLERANCE:.0e}; the timing would mean nothing"
        )

    def epoch() -> None:
        train(ours, parameters, targets, [], settings)

    library.epoch()
    epoch()
    times = np.array([(_seconds(library.epoch), _seconds(epoch)) for _ in range(repeats)])
    ratios = times[:, 0] / times[:, 1]
    return TrainingSpeed(
        n_frames=len(frames),
        n_atoms=sum(len(frame.atoms) for frame in frames),
        batch_size=batch_size,
        library=median(times[:, 0].tolist()),
        ours=median(times[:, 1].tolist()),
        ratio=float(np.median(ratios)),
        ratio_low=float(ratios.min()),
        ratio_high=float(ratios.max()),
        repeats=repeats,
        gradient_difference=worst,
    )


class _Library:
    """CHGNet's trainer with the same weights, graphs prepared."""

    def __init__(
        self,
        potential: ChgnetPotential,
        frames: Sequence[Frame],
        targets: Sequence[Target],
        settings: TrainingSettings,
    ) -> None:
        self.model = potential.copy().module.requires_grad_(True)
        self.model.composition_model.requires_grad_(False)
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer = Trainer(
                model=self.model,
                targets="efs",
                energy_loss_ratio=settings.energy_weight,
                force_loss_ratio=settings.force_weight,
                stress_loss_ratio=settings.stress_weight,
                optimizer="Adam",
                criterion="MSE",
                epochs=1000,
                learning_rate=settings.learning_rate,
                print_freq=10**9,
                use_device=str(potential.device),
            )
        size = settings.batch_size
        self.batches = [
            self._batch(frames[start : start + size], targets[start : start + size])
            for start in range(0, len(frames), size)
        ]

    def epoch(self) -> None:
        """One pass of the library's own method over the prepared batches."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.trainer._train(self.batches, 0)

    def gradients(self, k: int) -> dict[str, torch.Tensor]:
        """Of one batch's loss, by the library's model and criterion."""
        graphs, targets = self.batches[k]
        for graph in graphs:
            graph.atom_frac_coord.requires_grad = True
        self.model.zero_grad(set_to_none=True)
        loss = self.trainer.criterion(targets, self.model(graphs, task="efs"))["loss"]
        loss.backward()
        return {
            name: p.grad.clone() for name, p in self.model.named_parameters() if p.grad is not None
        }

    def _batch(self, frames: Sequence[Frame], targets: Sequence[Target]) -> tuple[list[Any], dict]:
        convert = self.model.graph_converter
        graphs = [convert(AseAtomsAdaptor.get_structure(frame.atoms)) for frame in frames]
        device = next(self.model.parameters()).device

        def real(values: object) -> torch.Tensor:
            return torch.as_tensor(np.asarray(values), dtype=torch.float32, device=device)

        return graphs, {
            "e": real([t.energy / len(f.atoms) for t, f in zip(targets, frames, strict=True)]),
            "f": [real(frame.forces) for frame in frames],
            "s": [real(np.asarray(frame.stress) / GPa) for frame in frames],
        }


def _difference(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> float:
    """Norm of the difference over the norm; a parameter without a gradient has a zero one."""
    total = square = 0.0
    for name in {*expected, *found}:
        pair = [g[name].double() if name in g else None for g in (expected, found)]
        one, other = (p if p is not None else torch.zeros(()) for p in pair)
        total += float((one - other).square().sum())
        square += float(one.square().sum())
    return (total / square) ** 0.5


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
