"""What is trained of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import nn

from umlip_bench.potentials.trainable import TrainablePotential


@dataclass(frozen=True, eq=False)
class Trainee:
    """A copy of a model, of which some parameters are trained.

    Parameters
    ----------
    method
        Name of the method that chose them.
    parent
        The model, which stays as it is.
    potential
        The copy.
    parameters
        Those that are trained, by name; all others are frozen.
    finish
        To be called once, after training, to have an ordinary model.
    from_random
        Whether it starts from random values, and its zero of energy with it.
    kept
        Whether the result is a correction that may be kept.
    """

    method: str
    parent: TrainablePotential
    potential: TrainablePotential
    parameters: Mapping[str, nn.Parameter]
    finish: Callable[[], None]
    from_random: bool
    kept: bool

    def __post_init__(self) -> None:
        unfreeze(self.potential, self.parameters)


def unfreeze(potential: TrainablePotential, parameters: Mapping[str, nn.Parameter]) -> None:
    """Freeze a model but for some of its parameters, in place."""
    potential.module.requires_grad_(False)
    for parameter in parameters.values():
        parameter.requires_grad_(True)
