"""What a gated perceptron of gathered rows is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)
class Layer:
    """Matrices (H', H) and shifts (H',) of both branches, applied to the silu of what is before."""

    core: Tensor
    core_bias: Tensor
    gate: Tensor
    gate_bias: Tensor


@dataclass(frozen=True, eq=False)
class Norm:
    """Factor and shift, each (H,), of the layer norm of a branch."""

    factor: Tensor
    shift: Tensor
    eps: float


@dataclass(frozen=True, eq=False)
class Perceptron:
    """Both branches of a gated perceptron, from the first linear map's products on.

    Parameters
    ----------
    width
        H, of each branch after the first linear map.
    layers
        That follow the first linear map.
    norms
        Of core and gate before their last activations, or ``None``.
    own_matrix, bias
        Shapes (2 H, K) and (2 H,): the part of the first map that multiplies a row's own features, where
        it has some, and what is added to it.
    weight_matrices
        Shape (last, W) for each weight, which it is multiplied by, or ``None``; empty if none is. A weight
        with a matrix is that of the row itself.
    """

    width: int
    layers: tuple[Layer, ...] = ()
    norms: tuple[Norm, Norm] | None = None
    own_matrix: Tensor | None = None
    bias: Tensor | None = None
    weight_matrices: tuple[Tensor | None, ...] = ()

    @property
    def last(self) -> int:
        """Width of the result, H unless a layer changes it."""
        return len(self.layers[-1].core) if self.layers else self.width

    def parameters(self) -> list[Tensor]:
        """All of its tensors."""
        found = [self.bias, self.own_matrix, *self.weight_matrices]
        for layer in self.layers:
            found += [layer.core, layer.core_bias, layer.gate, layer.gate_bias]
        for norm in self.norms or ():
            found += [norm.factor, norm.shift]
        return [tensor for tensor in found if tensor is not None]


@dataclass(frozen=True, eq=False)
class Chosen:
    """Rows (R,), int32, of one of the products, and which of its blocks of 2 H columns."""

    product: int
    block: int
    rows: Tensor


@dataclass(frozen=True, eq=False)
class Gathering:
    """Which features a row takes, and where its result goes.

    Parameters
    ----------
    parts
        What is added for each row.
    weights
        For each weight the rows (R,) that are multiplied by, or ``None`` for the row itself.
    segments
        Shape (R,): the row of the result that a row is added to; ``None`` for a result of its own.
    n
        Rows of the result, if they are summed.
    residual
        Whether a row's own features are added to its result, which then has their width.
    """

    parts: tuple[Chosen, ...]
    weights: tuple[Tensor | None, ...] = ()
    segments: Tensor | None = None
    n: int = 0
    residual: bool = False


@dataclass(frozen=True, eq=False)
class Features:
    """What is differentiated with respect to.

    Parameters
    ----------
    products
        With the first linear map, each (any, blocks times 2 H).
    own
        Shape (R, K), or ``None``.
    weights
        Each as wide as the result, or (R, W) with a matrix.
    """

    products: tuple[Tensor, ...]
    own: Tensor | None = None
    weights: tuple[Tensor, ...] = ()

    def flat(self) -> tuple[Tensor, ...]:
        """One after the other."""
        own = () if self.own is None else (self.own,)
        return (*self.products, *own, *self.weights)

    def like(self, flat: Sequence[Tensor]) -> Features:
        """Others of the same kind, from the order of `flat`."""
        n, rest = len(self.products), len(self.products) + (self.own is not None)
        own = flat[n] if self.own is not None else None
        return Features(tuple(flat[:n]), own, tuple(flat[rest:]))
