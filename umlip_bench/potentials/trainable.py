"""What a family adds to `DifferentiablePotential` so that its weights can be trained and kept.

The training loop is the same for all families (`umlip_bench.finetune.training`); what differs is which
layers make an energy of an atom's features, where the element references are, and how the family's own
library writes a model.
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
from torch import nn

from umlip_bench.potentials.protocol import DifferentiablePotential


class TrainablePotential(DifferentiablePotential):
    """A potential whose weights may be trained.

    Parameters
    ----------
    module
        The library's module, with every parameter of the model; frozen unless it is being trained.
    head
        Submodules of `module` that make an energy of the features of an atom, by their dotted names: the
        last layers.
    apart
        Submodules whose parameters are never trained: element references, which are fitted in closed
        form, and outputs other than the energy.
    """

    module: nn.Module
    head: ClassVar[tuple[str, ...]]
    apart: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def shift_references(self, shifts: np.ndarray) -> None:
        """Add to the element references, in place and in the precision that the library keeps them in.

        Parameters
        ----------
        shifts
            Shape (119,), eV by atomic number; zero where nothing changes.
        """

    @abstractmethod
    def reinitialise(self, seed: int) -> None:
        """Give all parameters but those `apart` the random values that training starts from, in place."""

    @abstractmethod
    def save_weights(self, folder: Path) -> tuple[str, ...]:
        """Write the model as its own library does, on the CPU, into an existing folder.

        Returns
        -------
        tuple of str
            Names of the files, in the order in which the family's loader takes them.
        """

    def copy(self) -> Self:
        """An independent copy: training it leaves this one as it is."""
        return copy.deepcopy(self)

    def trainable(self) -> dict[str, nn.Parameter]:
        """All parameters that training may change, by name."""
        return {
            name: parameter
            for name, parameter in self.module.named_parameters()
            if not _within(name, self.apart)
        }

    def head_parameters(self) -> dict[str, nn.Parameter]:
        """Those of the last layers."""
        return {
            name: parameter
            for name, parameter in self.trainable().items()
            if _within(name, self.head)
        }

    def linear_maps(self) -> dict[str, nn.Linear]:
        """Plain matrices among the trainable parameters, by name; none where a family has no such."""
        return {
            name: module
            for name, module in self.module.named_modules()
            if isinstance(module, nn.Linear) and not _within(name, self.apart)
        }


def _within(name: str, submodules: tuple[str, ...]) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in submodules)
