"""Gated perceptrons of concatenated features, without the concatenation.

CHGNet and M3GNet concatenate the features of atoms, bonds and angles for each edge (or angle) and
multiply by one matrix. The product is the sum of the blocks' products, and most blocks belong to far
fewer atoms and bonds than there are edges and angles: multiplying before gathering gives the same
numbers with a fraction of the arithmetic and memory. All that follows, up to the sum over the edges of
an atom, is one operation (`umlip_bench.potentials.kernels.gated`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from umlip_bench.potentials.kernels.gated import gated
from umlip_bench.potentials.kernels.gated_terms import (
    Chosen,
    Features,
    Gathering,
    Layer,
    Norm,
    Perceptron,
)
from umlip_bench.potentials.kernels.linear import linear

Part = tuple[Tensor, Tensor | None]
"""Features and the rows to gather from them; ``None`` takes all rows as they are."""


@dataclass(frozen=True, eq=False)
class Branches:
    """The linear maps of both branches of a library's gated perceptron, and their layer norms.

    Between the maps of a branch is a silu; after the last one, and the norms, come silu and sigmoid.
    """

    core: tuple[nn.Linear, ...]
    gate: tuple[nn.Linear, ...]
    norms: tuple[nn.LayerNorm, nn.LayerNorm] | None = None

    @classmethod
    def of(
        cls,
        core: Iterable[nn.Module],
        gate: Iterable[nn.Module],
        norms: tuple[nn.LayerNorm, nn.LayerNorm] | None = None,
    ) -> Branches:
        """From the layers of both branches, whose last activations may be among them.

        Raises
        ------
        TypeError
            If there are others than linear maps, dropout (which does nothing at evaluation), silu, and a
            sigmoid at the end of the gate.
        """
        maps = []
        for layers, last in ((list(core), nn.SiLU), (list(gate), nn.Sigmoid)):
            essential = [layer for layer in layers if not isinstance(layer, nn.Dropout)]
            linear = [layer for layer in essential if isinstance(layer, nn.Linear)]
            kinds = [nn.SiLU if k % 2 else nn.Linear for k in range(2 * len(linear) - 1)]
            fits = len(essential) in (len(kinds), len(kinds) + 1) and all(
                # Instances: matrices with low-rank updates are linear maps of another class.
                isinstance(layer, kind)
                for layer, kind in zip(essential, [*kinds, last], strict=False)
            )
            if not fits:
                raise TypeError(f"no branch of a gated perceptron: {essential}")
            maps.append(tuple(linear))
        return cls(maps[0], maps[1], norms)

    def __call__(
        self,
        parts: Sequence[Part],
        weights: Sequence[Part] = (),
        into: tuple[Tensor, int] | None = None,
        *,
        scales: Sequence[tuple[Tensor, nn.Linear]] = (),
        residual: bool = False,
    ) -> Tensor:
        """Apply both branches to the concatenation of gathered parts, and multiply.

        Parameters
        ----------
        parts
            In the order of the concatenation; at most one of them takes all rows as they are.
        weights
            That each row's result is multiplied by.
        scales
            The same for features of all rows as they are, and the linear maps that make weights of them.
        into
            Rows to which results are added, and how many there are.
        residual
            Whether the part that takes all rows is added to the result.

        Returns
        -------
        Tensor
            Shape (rows, width).
        """
        maps = [self.core[0], self.gate[0]]
        blocks = torch.cat([each.weight for each in maps]).split(
            [features.shape[1] for features, _ in parts], dim=1
        )
        bias = None if maps[0].bias is None else torch.cat([each.bias for each in maps])
        own: Tensor | None = None
        matrix: Tensor | None = None
        # Blocks that multiply the same features make one product.
        sources: list[Tensor] = []
        matrices: list[list[Tensor]] = []
        chosen: list[Chosen] = []
        for (features, rows), block in zip(parts, blocks, strict=True):
            if rows is None:
                own, matrix = features, block
                continue
            k = next((k for k, s in enumerate(sources) if s is features), len(sources))
            if k == len(sources):
                sources.append(features)
                matrices.append([])
            chosen.append(Chosen(k, len(matrices[k]), rows))
            matrices[k].append(block)
        shift: Tensor | None = None
        if own is None and bias is not None:
            # It goes where the rows are few, with the first block of the first product.
            shift = nn.functional.pad(bias, (0, len(bias) * (len(matrices[0]) - 1)))
        products = [
            linear(
                features,
                several[0] if len(several) == 1 else torch.cat(several),
                None if k else shift,
            )
            for k, (features, several) in enumerate(zip(sources, matrices, strict=True))
        ]
        segments, n = (None, 0) if into is None else into
        return gated(
            Perceptron(
                self.core[0].out_features,
                self._layers(),
                self._norms(),
                matrix,
                bias,
                (*(None for _ in weights), *(scale.weight for _, scale in scales)),
            ),
            Features(tuple(products), own, tuple(weight for weight, _ in (*weights, *scales))),
            Gathering(
                tuple(chosen),
                (*(rows for _, rows in weights), *(None for _ in scales)),
                segments,
                n,
                residual,
            ),
        )

    def _layers(self) -> tuple[Layer, ...]:
        pairs = zip(self.core[1:], self.gate[1:], strict=True)
        return tuple(Layer(c.weight, c.bias, g.weight, g.bias) for c, g in pairs)

    def _norms(self) -> tuple[Norm, Norm] | None:
        if self.norms is None:
            return None
        core, gate = (Norm(norm.weight, norm.bias, norm.eps) for norm in self.norms)
        return core, gate
