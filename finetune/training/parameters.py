"""What is trained of a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

from umlip_bench.finetune.training.settings import TrainingSettings

if TYPE_CHECKING:
    from torch import nn

    from umlip_bench.potentials.protocol import Potential
    from umlip_bench.potentials.trainable import TrainablePotential


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
    finish: Callable[[], None] = lambda: None


class Choice(Protocol):
    """A choice of parameters, which `umlip_bench.finetune.methods.trained` has the methods of.

    Attributes
    ----------
    name
        Of the method.
    kept
        Whether the result is a correction that may be kept.
    from_random
        Whether the model starts from random values, and its zero of energy with it.
    """

    name: ClassVar[str]
    kept: ClassVar[bool]
    from_random: ClassVar[bool]

    def trainable(self, potential: Potential) -> TrainablePotential:
        """The model as one whose weights can be trained so.

        Raises
        ------
        CorrectionError
            If they cannot; says what can be done instead.
        """

    def choose(self, potential: TrainablePotential, settings: TrainingSettings) -> Trained:
        """What is trained of a copy of the model, which may be changed."""


def choose(potential: TrainablePotential, choice: Choice, settings: TrainingSettings) -> Trained:
    """Unfreeze what is trained, in place, of a copy that may be changed."""
    potential.module.requires_grad_(False)
    chosen = choice.choose(potential, settings)
    for parameter in chosen.parameters.values():
        parameter.requires_grad_(True)
    return chosen
