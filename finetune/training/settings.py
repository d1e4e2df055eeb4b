"""How weights are trained. The defaults are the protocol of the paper.

B. Deng et al., npj Comput. Mater. 11, 9 (2025): mean squared errors of energy, force and stress weighted
0.1 : 100 : 0.1, Adam from 1e-3 with cosine decay to 1e-5 in 100 epochs, nine frames of ten for training
and the tenth for choosing the epoch by its force error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.limits import (
    Count,
    Decay,
    Index,
    NotNegative,
    Positive,
    Share,
    check_limits,
)


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that the result depends on besides model, labels and device.

    Parameters
    ----------
    epochs
        Passes over the labels.
    batch_size
        Frames per step of the optimiser; not stated in the paper.
    learning_rate
        Of Adam at the first step; decays as half a cosine.
    final_learning_rate
        After the last step.
    energy_weight
        Of the squared error of energies, (eV/atom)², the mean over frames.
    force_weight
        Of that of forces, (eV/Å)², the mean over components.
    stress_weight
        Of that of stresses, GPa², the mean over components.
    curvature_weight
        Of that of rows of the Hessian, (eV/Å²)², the mean over components; where there are force sets.
    huber
        Error, in the same units, above which the loss grows linearly (half the squared error below);
        ``None`` for squared errors.
    validation_share
        Share of the labels that chooses the epoch; rounded down to whole frames. With none, as for less
        than ten labels and a tenth, every label is trained on and the last epoch is taken.
    patience
        Epochs without a better validation error after which training ends; ``None`` never.
    clip
        Largest norm of the gradient, to which larger ones are scaled; ``None`` for no limit.
    ema
        Decay per step of an exponential moving average of the weights, which is then what is validated and
        kept; ``None`` for the weights themselves.
    rank
        Rank of the updates of ``lora``.
    replay
        Weight of a loss that holds the model to its parent's predictions on materials that are not
        labelled; ``None`` for none.
    seed
        Of the split, the order of the frames, and random initial values.

    Raises
    ------
    CorrectionError
        If a number makes no sense; says which are allowed.
    """

    epochs: Count = 100
    batch_size: Count = 8
    learning_rate: Positive = 1e-3
    final_learning_rate: NotNegative = 1e-5
    energy_weight: NotNegative = 0.1
    force_weight: Positive = 100.0
    stress_weight: NotNegative = 0.1
    curvature_weight: NotNegative = 1.0
    huber: Positive | None = None
    validation_share: Share = 0.1
    patience: Count | None = None
    clip: Positive | None = None
    ema: Decay | None = None
    rank: Count = 8
    replay: Positive | None = None
    seed: Index = 0

    def __post_init__(self) -> None:
        check_limits(self, CorrectionError)
        if self.final_learning_rate > self.learning_rate:
            raise CorrectionError(
                f"final_learning_rate {self.final_learning_rate} is above learning_rate "
                f"{self.learning_rate}; the rate decays"
            )

    def rate(self, step: int, n_steps: int) -> float:
        """Learning rate of a step, counted from 0, of so many."""
        cosine = 0.5 * (1.0 + math.cos(math.pi * step / n_steps))
        low, high = self.final_learning_rate, self.learning_rate
        return low + (high - low) * cosine
