"""How weights are trained. The defaults are the protocol of the paper.

B. Deng et al., npj Comput. Mater. 11, 9 (2025): mean squared errors of energy, force and stress weighted
0.1 : 100 : 0.1, Adam from 1e-3 with cosine decay to 1e-5 in 100 epochs, nine frames of ten for training
and the tenth for choosing the epoch by its force error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from umlip_bench.ground.errors import CorrectionError


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that the result depends on besides model, labels and device.

    Parameters
    ----------
    epochs
        Passes over the labels.
    batch_size
        Frames per step of the optimiser; not stated in the paper.
    learning_rate, final_learning_rate
        Of Adam, at the first step and after the last; decays as half a cosine.
    energy_weight, force_weight, stress_weight
        Of the squared errors in (eV/atom)², (eV/Å)² and GPa², each the mean over frames or components.
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

    epochs: int = 100
    batch_size: int = 8
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    energy_weight: float = 0.1
    force_weight: float = 100.0
    stress_weight: float = 0.1
    huber: float | None = None
    validation_share: float = 0.1
    patience: int | None = None
    clip: float | None = None
    ema: float | None = None
    rank: int = 8
    replay: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name, allowed, text in _ALLOWED:
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and allowed(value)):
                raise CorrectionError(f"{name} is {value}; it must be {text}")
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

    def with_seed(self, seed: int) -> TrainingSettings:
        """The same with another seed."""
        return replace(self, seed=seed)

    def to_plain(self) -> dict[str, Any]:
        """For the card."""
        return asdict(self)


_ALLOWED: tuple[tuple[str, Callable[[float], bool], str], ...] = (
    ("epochs", lambda v: v >= 1, "at least 1"),
    ("batch_size", lambda v: v >= 1, "at least 1"),
    ("learning_rate", lambda v: v > 0, "positive"),
    ("final_learning_rate", lambda v: v >= 0, "zero or positive"),
    ("energy_weight", lambda v: v >= 0, "zero or positive"),
    ("force_weight", lambda v: v > 0, "positive"),
    ("stress_weight", lambda v: v >= 0, "zero or positive"),
    ("huber", lambda v: v > 0, "positive, or none for squared errors"),
    ("validation_share", lambda v: 0 <= v < 1, "from 0 to below 1"),
    ("patience", lambda v: v >= 1, "at least 1 epoch, or none"),
    ("clip", lambda v: v > 0, "positive, or none for no limit"),
    ("ema", lambda v: 0 < v < 1, "between 0 and 1, or none"),
    ("rank", lambda v: v >= 1, "at least 1"),
    ("replay", lambda v: v > 0, "positive, or none"),
)
