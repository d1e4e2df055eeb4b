"""What a method of one factor is: one that `evaluate` tries on every choice of labels by arithmetic alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from umlip_bench.finetune.method import Method, S

if TYPE_CHECKING:
    from umlip_bench.analysis.frames import MaterialComparison
    from umlip_bench.finetune.factors import FloatArray, LogFactor, States

Pairs: TypeAlias = "Sequence[tuple[FloatArray, FloatArray]]"
"""DFT's and the model's forces of some frames."""


@dataclass(frozen=True)
class FactorOfLabels:
    """A factor from labels.

    Parameters
    ----------
    own
        What the labels alone ask for.
    result
        What the method makes of it.
    drift
        Fall of log c with the log of the forces, as far as the labels tell.
    refusal
        Why the labels, whose forces it is told, get no factor; ``None`` if they do.
    """

    own: LogFactor
    result: LogFactor
    drift: float
    refusal: Callable[[Pairs], str | None] = lambda pairs: None


FactorFrom: TypeAlias = "Callable[[Sequence[FloatArray], States | None], FactorOfLabels]"


class FactorMethod(Method[S]):
    """A method that puts one factor on the energy surface, which follows from sums over force components.

    `evaluate` then tries every choice of labels by arithmetic alone.
    """

    @abstractmethod
    def factors(
        self, reference: Sequence[MaterialComparison], compositions: set[str]
    ) -> Mapping[str, FactorFrom]:
        """Ways to make the factor, by name.

        Parameters
        ----------
        reference
            The model on the reference set.
        compositions
            Of the labels, which are left out of it.

        Returns
        -------
        dict
            Functions of the sums over the frames of each material, as of `umlip_bench.finetune.factors`, and
            of the states that the factor is to serve.
        """
