"""Low-rank updates of weight matrices, W + B A / sqrt(r), of which only A and B are trained.

E. J. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, ICLR 2022. A is random, B starts at
zero, so that training starts from the model as it is. The scale 1/sqrt(r) keeps the size of the update
independent of the rank (D. Kalajdzievski, arXiv:2312.03732). After training the update is merged into the
matrix: what is kept is an ordinary model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRankUpdate(nn.Module):
    """The update of one matrix, as a parametrization of it.

    Parameters
    ----------
    weight
        The matrix, shape (out, in).
    rank
        r; at most the smaller side of the matrix.
    generator
        Of A's random values.
    """

    def __init__(self, weight: Tensor, rank: int, generator: torch.Generator) -> None:
        super().__init__()
        n_out, n_in = weight.shape
        rank = min(rank, n_out, n_in)
        drawn = torch.randn(rank, n_in, generator=generator, dtype=torch.float64) / math.sqrt(n_in)
        self.down = nn.Parameter(drawn.to(weight))
        self.up = nn.Parameter(weight.new_zeros(n_out, rank))
        self.scale = 1.0 / math.sqrt(rank)

    def forward(self, weight: Tensor) -> Tensor:
        """The updated matrix."""
        return torch.addmm(weight, self.up, self.down, alpha=self.scale)


def add_updates(
    maps: Mapping[str, nn.Linear], rank: int, generator: torch.Generator
) -> dict[str, nn.Parameter]:
    """Put an update on every map and return what is to be trained, by name."""
    parameters: dict[str, nn.Parameter] = {}
    for name, linear in maps.items():
        update = LowRankUpdate(linear.weight, rank, generator)
        parametrize.register_parametrization(linear, "weight", update)
        parameters[f"{name}.down"] = update.down
        parameters[f"{name}.up"] = update.up
    return parameters


def merge_updates(maps: Mapping[str, nn.Linear]) -> None:
    """Turn every map into an ordinary one with the update inside."""
    for linear in maps.values():
        parametrize.remove_parametrizations(linear, "weight", leave_parametrized=True)
        linear.weight.requires_grad_(False)
