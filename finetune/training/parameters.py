"""What each method trains of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import nn

from umlip_bench.finetune.training.lowrank import add_updates, merge_updates
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.corrections.modification import FULL, HEAD, LOW_RANK
from umlip_bench.potentials.corrections.scaled import ScaledPotential
from umlip_bench.potentials.corrections.shifted import ShiftedPotential
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.trainable import TrainablePotential

SCRATCH = "scratch"
"""All parameters from random values: what the labels alone would give, for comparison."""


@dataclass(frozen=True)
class Trained:
    """The parameters that are trained, and how to have an ordinary model afterwards.

    Parameters
    ----------
    parameters
        By name; all other parameters of the model are frozen.
    finish
        To be called once, after training.
    """

    parameters: Mapping[str, nn.Parameter]
    finish: Callable[[], None]


def check_trainable(potential: Potential, method: str) -> TrainablePotential:
    """Refuse models whose weights cannot be trained by a method.

    Raises
    ------
    CorrectionError
        Says what can be done instead.
    """
    name = potential.card.name
    if isinstance(potential, ScaledPotential | ShiftedPotential):
        raise CorrectionError(
            f"{name} is {potential.parent.card.name} with a correction in closed form on top, and has no "
            f"weights of its own to train; fit {method} to {potential.parent.card.name}"
        )
    if not isinstance(potential, TrainablePotential):
        raise CorrectionError(
            f"{name}: weights can be trained for CHGNet, M3GNet, TensorNet and MACE, not for the family "
            f"{potential.card.family}; the methods scalar and e0 work for every model"
        )
    if method not in _CHOICES:
        raise CorrectionError(f"{method!r} trains no weights; {', '.join(_CHOICES)} do")
    if method == LOW_RANK and not potential.linear_maps():
        raise CorrectionError(
            f"{name}: lora updates plain matrices, and this model has none (MACE's equivariant maps keep "
            "the weights of many small matrices in one array); use head or full"
        )
    return potential


def choose(potential: TrainablePotential, method: str, settings: TrainingSettings) -> Trained:
    """Unfreeze what a method trains, in place.

    Parameters
    ----------
    potential
        A copy that may be changed; accepted by `check_trainable`.
    method
        ``head``, ``lora``, ``full`` or ``scratch``.
    settings
        Rank and seed.
    """
    potential.module.requires_grad_(False)
    chosen = _CHOICES[method](potential, settings)
    for parameter in chosen.parameters.values():
        parameter.requires_grad_(True)
    return chosen


def _head(potential: TrainablePotential, settings: TrainingSettings) -> Trained:
    return Trained(potential.head_parameters(), _nothing)


def _full(potential: TrainablePotential, settings: TrainingSettings) -> Trained:
    return Trained(potential.trainable(), _nothing)


def _scratch(potential: TrainablePotential, settings: TrainingSettings) -> Trained:
    potential.reinitialise(settings.seed)
    return Trained(potential.trainable(), _nothing)


def _low_rank(potential: TrainablePotential, settings: TrainingSettings) -> Trained:
    maps = potential.linear_maps()
    generator = torch.Generator().manual_seed(settings.seed)
    return Trained(add_updates(maps, settings.rank, generator), finish=lambda: merge_updates(maps))


def _nothing() -> None:
    """Nothing needs to be undone."""


_CHOICES: dict[str, Callable[[TrainablePotential, TrainingSettings], Trained]] = {
    HEAD: _head,
    LOW_RANK: _low_rank,
    FULL: _full,
    SCRATCH: _scratch,
}
