"""The epochs: batches of labelled frames, Adam with a decaying rate, the best epoch kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from umlip_bench.engine.packing import Packer
from umlip_bench.finetune.method import Epoch
from umlip_bench.finetune.training.checkpoint import Checkpoint
from umlip_bench.finetune.training.loss import Terms, loss_terms
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.finetune.training.targets import Target, count
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.denormals import flushed
from umlip_bench.potentials.protocol import DifferentiablePotential

T = TypeVar("T")

TRAINING_OVER_EVALUATION = 3.0
"""Memory that the second derivatives take, against a call that only evaluates."""


@dataclass(frozen=True)
class History:
    """All epochs and the one that was kept.

    Parameters
    ----------
    epochs
        In order; fewer than asked for if training ended early.
    kept
        Number of the kept epoch, from 1.
    """

    epochs: tuple[Epoch, ...]
    kept: int


def train(
    potential: DifferentiablePotential,
    parameters: Mapping[str, nn.Parameter],
    training: Sequence[Target],
    validation: Sequence[Target],
    settings: TrainingSettings,
    *,
    replay: Sequence[Target] = (),
    checkpoint: Checkpoint | None = None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> History:
    """Train parameters in place; they end as those of the kept epoch.

    Parameters
    ----------
    potential
        The model that the parameters belong to.
    parameters
        Those to train, by name.
    training
        At least one frame.
    validation
        Frames that choose the epoch; without any the last one is kept.
    settings
        What is minimised, and how.
    replay
        Frames with the parent's own values; as many as labels go into every step, weighted by
        ``settings.replay``.
    checkpoint
        Where the state is kept, and taken from if it is there.
    on_epoch
        Called after every epoch that was trained now.

    Raises
    ------
    CorrectionError
        If the loss is no longer finite, or the checkpoint is another training's.
    """
    run = _Run(potential, parameters, training, validation, replay, settings)
    if checkpoint is not None and (state := checkpoint.load()) is not None:
        run.restore(state)
    while not run.ended:
        run.epoch()
        if checkpoint is not None:
            checkpoint.offer(run.state())
        on_epoch(run.history[-1])
    return run.finish()


def add_gradients(
    potential: DifferentiablePotential,
    parameters: Sequence[nn.Parameter],
    batch: Sequence[Target],
    settings: TrainingSettings,
    packer: Packer,
    weight: float = 1.0,
) -> Iterator[Terms]:
    """Add a batch's derivatives to the gradients of parameters, call by call.

    Parameters
    ----------
    potential, parameters
        The model, and what to differentiate with respect to.
    batch
        Frames of one step.
    settings
        Weights of the loss.
    packer
        How many frames go into a call.
    weight
        Factor on the loss.

    Yields
    ------
    Terms
        The share of each call, without `weight`; the loss is detached.

    Raises
    ------
    DeviceError
        If a single frame does not fit into memory.
    """
    counts = count(batch)
    graphs = [target.graph for target in batch]

    def derivatives(members: Sequence[int]) -> tuple[Terms, tuple[Tensor | None, ...]]:
        with flushed(potential.device, potential.dtype):
            with parametrize.cached():  # low-rank updates are applied once per call
                terms = loss_terms(potential, [batch[k] for k in members], counts, settings)
            # Only the parameters' derivatives: `backward` would go on to positions and strain.
            found = torch.autograd.grad(weight * terms.loss, parameters, allow_unused=True)
        return replace(terms, loss=terms.loss.detach()), found

    for call in packer.partition(graphs):
        of_call = partial(_of, call, derivatives)
        for terms, found in packer.in_halves([graphs[k] for k in call], of_call):
            for parameter, gradient in zip(parameters, found, strict=True):
                if gradient is not None:
                    parameter.grad = (
                        gradient if parameter.grad is None else parameter.grad + gradient
                    )
            yield terms


def _of(members: Sequence[int], function: Callable[[Sequence[int]], T], chosen: Sequence[int]) -> T:
    """A function of some members of a list."""
    return function([members[k] for k in chosen])


class _Run:
    """The state of a training between two epochs."""

    def __init__(
        self,
        potential: DifferentiablePotential,
        parameters: Mapping[str, nn.Parameter],
        training: Sequence[Target],
        validation: Sequence[Target],
        replay: Sequence[Target],
        settings: TrainingSettings,
    ) -> None:
        self.potential = potential
        self.names = tuple(parameters)
        self.parameters = list(parameters.values())
        self.training, self.validation, self.replay = training, validation, replay
        self.settings = settings
        self.optimiser = torch.optim.Adam(self.parameters, lr=settings.learning_rate)
        self.average = None if settings.ema is None else _copies(self.parameters)
        self.best = _copies(self.parameters)
        self.best_epoch, self.best_mae = 0, math.inf
        self.history: list[Epoch] = []
        self.packer = Packer(potential)
        if potential.device.type == "cuda":
            self.packer.budget /= TRAINING_OVER_EVALUATION

    @property
    def ended(self) -> bool:
        """Whether all epochs are done, or so many have brought nothing."""
        done, patience = len(self.history), self.settings.patience
        stuck = (
            bool(self.validation) and patience is not None and done - self.best_epoch >= patience
        )
        return done >= self.settings.epochs or stuck

    def epoch(self) -> None:
        """One pass over the labels, then validation."""
        number = len(self.history)
        n_steps = math.ceil(len(self.training) / self.settings.batch_size)
        sums = np.zeros(5)
        for k, (batch, held) in enumerate(self._batches(number)):
            rate = self.settings.rate(number * n_steps + k, self.settings.epochs * n_steps)
            sums += self._step(batch, held, rate)
        counts = count(self.training)
        if not np.isfinite(sums).all():
            raise CorrectionError(
                f"the loss is no longer finite after epoch {number + 1}; use a smaller learning rate than "
                f"{self.settings.learning_rate}, or limit the gradient (clip)"
            )
        validation = self._validate()
        self.history.append(
            Epoch(
                loss=float(sums[0]) / n_steps,
                energy_mae=_mean(sums[1], counts.energies),
                force_mae=_mean(sums[2], counts.forces),
                stress_mae=_mean(sums[3], counts.stresses if self.settings.stress_weight else 0),
                validation_mae=validation,
                curvature_mae=_mean(sums[4], counts.curvatures),
            )
        )
        if not self.validation or validation < self.best_mae:
            self.best = _copies(self._current())
            self.best_epoch, self.best_mae = len(self.history), validation

    def finish(self) -> History:
        """Put the kept epoch's values into the parameters."""
        _set(self.parameters, self.best)
        return History(tuple(self.history), self.best_epoch)

    def state(self) -> dict[str, Any]:
        """All that the rest of the training depends on; tensors and numbers only."""
        return {
            "names": list(self.names),
            "parameters": _copies(self.parameters),
            "optimiser": self.optimiser.state_dict(),
            "average": self.average,
            "best": self.best,
            "best_epoch": self.best_epoch,
            "best_mae": self.best_mae,
            "history": [list(asdict(epoch).values()) for epoch in self.history],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        _set(self.parameters, state["parameters"])
        self.optimiser.load_state_dict(state["optimiser"])
        device = self.potential.device
        if self.average is not None:
            self.average = [value.to(device) for value in state["average"]]
        self.best = [value.to(device) for value in state["best"]]
        self.best_epoch, self.best_mae = state["best_epoch"], state["best_mae"]
        self.history = [Epoch(*values) for values in state["history"]]

    def _batches(self, epoch: int) -> Iterator[tuple[list[Target], list[Target]]]:
        """Labels, and as many replayed frames, of each step; the order follows from seed and epoch."""
        size = self.settings.batch_size
        rng = np.random.default_rng([self.settings.seed, epoch])
        order = rng.permutation(len(self.training))
        for start in range(0, len(order), size):
            batch = [self.training[k] for k in order[start : start + size]]
            held = []
            if self.replay:
                n = min(len(batch), len(self.replay))
                held = [self.replay[k] for k in rng.choice(len(self.replay), n, replace=False)]
            yield batch, held

    def _step(self, batch: list[Target], held: list[Target], rate: float) -> np.ndarray:
        """One step of the optimiser: loss, and sums of absolute errors of the labels."""
        for parameter in self.parameters:
            parameter.grad = None
        sums = self._accumulate(batch, 1.0)
        if held:
            assert self.settings.replay is not None
            sums[0] += self._accumulate(held, self.settings.replay)[0]
        if self.settings.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.settings.clip)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.step()
        if self.average is not None:
            assert self.settings.ema is not None
            for mean, parameter in zip(self.average, self.parameters, strict=True):
                mean.lerp_(parameter.detach(), 1.0 - self.settings.ema)
        return sums

    def _accumulate(self, batch: list[Target], weight: float) -> np.ndarray:
        """Add the gradient of a batch's loss, in as many calls as fit the device; loss and sums of errors."""
        total = np.zeros(5)
        for terms in add_gradients(
            self.potential, self.parameters, batch, self.settings, self.packer, weight
        ):
            errors = (terms.energy, terms.force, terms.stress, terms.curvature)
            total += (weight * float(terms.loss), *errors)
        return total

    def _validate(self) -> float:
        """Force MAE in eV/Å of the averaged weights, if there are such; nan without frames."""
        if not self.validation:
            return math.nan
        kept = _copies(self.parameters)
        _set(self.parameters, self._current())
        total = 0.0
        graphs = [target.graph for target in self.validation]
        for members in self.packer.partition(graphs):
            found = self.packer.evaluate([graphs[k] for k in members], stress=False)
            total += sum(
                float(np.abs(prediction.forces - self.validation[k].forces).sum())
                for k, prediction in zip(members, found, strict=True)
            )
        _set(self.parameters, kept)
        return total / count(self.validation).forces

    def _current(self) -> list[Tensor]:
        return self.average if self.average is not None else _copies(self.parameters)


def _copies(tensors: Sequence[Tensor]) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


def _set(parameters: Sequence[nn.Parameter], values: Sequence[Tensor]) -> None:
    with torch.no_grad():
        for parameter, value in zip(parameters, values, strict=True):
            parameter.copy_(value)


def _mean(total: float, n: int) -> float:
    return float(total) / n if n else math.nan
