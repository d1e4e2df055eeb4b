"""Gated perceptrons of concatenated features, without the concatenation.

CHGNet and M3GNet concatenate the features of atoms, bonds and angles for each edge (or angle) and
multiply by one matrix. The product is the sum of the blocks' products, and most blocks belong to far
fewer atoms and bonds than there are edges and angles: multiplying before gathering gives the same
numbers with a fraction of the arithmetic and memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

Part = tuple[Tensor, Tensor | None]
"""Features and the rows to gather from them; ``None`` takes all rows as they are."""


def two_branches(
    core: Iterable[nn.Module], gate: Iterable[nn.Module], parts: Sequence[Part]
) -> tuple[Tensor, Tensor]:
    """Apply both branches of a gated perceptron to the concatenation of gathered parts.

    Parameters
    ----------
    core, gate
        Layers of the two branches. Each begins with a linear map of the concatenation, perhaps
        after dropout, which at evaluation does nothing.
    parts
        Features in the order of the concatenation.

    Returns
    -------
    core, gate
        Outputs of the two branches, each of shape (rows, width).
    """
    core_map, *core_rest = _from_first_linear(core)
    gate_map, *gate_rest = _from_first_linear(gate)
    hidden = _linear_of_concatenation([core_map, gate_map], parts)
    if core_rest and gate_rest and isinstance(core_rest[0], nn.SiLU | nn.ReLU | nn.Tanh):
        # Both branches go on with the same activation: one pass over contiguous memory.
        assert type(core_rest[0]) is type(gate_rest[0])
        hidden = core_rest[0](hidden)
        core_rest, gate_rest = core_rest[1:], gate_rest[1:]
    from_core, from_gate = hidden.split(core_map.out_features, dim=1)
    for layer in core_rest:
        from_core = layer(from_core)
    for layer in gate_rest:
        from_gate = layer(from_gate)
    return from_core, from_gate


def _from_first_linear(layers: Iterable[nn.Module]) -> list:
    layers = list(layers)
    return layers[next(k for k, layer in enumerate(layers) if isinstance(layer, nn.Linear)) :]


def _linear_of_concatenation(maps: Sequence[nn.Linear], parts: Sequence[Part]) -> Tensor:
    """All maps of the same concatenation side by side, shape (rows, total width)."""
    widths = [features.shape[1] for features, _ in parts]
    blocks = torch.cat([linear.weight for linear in maps]).split(widths, dim=1)
    bias = torch.cat([linear.bias for linear in maps])
    result: Tensor | None = None
    for (features, rows), block in zip(parts, blocks, strict=True):
        # The bias goes into the first product, where the rows are still few.
        product = torch.addmm(bias, features, block.T) if result is None else features @ block.T
        if rows is not None:
            product = product.index_select(0, rows)
        result = product if result is None else result.add_(product)
    assert result is not None
    return result
