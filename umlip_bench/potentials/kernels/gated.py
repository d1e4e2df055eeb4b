"""Gated perceptrons of gathered rows: in torch, or by a kernel whose backward pass is written out.

The kernel keeps a block of rows in the cache through all layers, and computes intermediates again in the
backward pass instead of keeping them: autograd saves the features alone. Derivatives of derivatives are
taken of the same function in torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from umlip_bench.potentials.kernels.gated_call import GatedCall, fits
from umlip_bench.potentials.kernels.gated_terms import Features, Gathering, Perceptron
from umlip_bench.potentials.kernels.rows import add_rows, gather_rows


def gated(perceptron: Perceptron, features: Features, at: Gathering) -> Tensor:
    """silu(core) sigmoid(gate) of each row, times its weights, summed or as they are.

    Parameters
    ----------
    perceptron, features, at
        What is computed, of what, and for which rows.

    Returns
    -------
    Tensor
        Shape (n, last) if rows are summed, else (R, last).
    """
    if fits(perceptron, features, at):
        result: Tensor = _Gated.apply(perceptron, at, features, *features.flat())
        return result
    return gated_in_torch(perceptron, features, at)


def gated_in_torch(perceptron: Perceptron, features: Features, at: Gathering) -> Tensor:
    """The same, in torch."""
    half = perceptron.width
    hidden: Tensor | None = None
    if features.own is not None:
        assert perceptron.own_matrix is not None
        hidden = functional.linear(features.own, perceptron.own_matrix, perceptron.bias)
    products = [
        [product] if product.shape[1] == 2 * half else product.split(2 * half, dim=1)
        for product in features.products
    ]
    for part in at.parts:
        gathered = gather_rows(products[part.product][part.block], part.rows)
        hidden = gathered if hidden is None else hidden.add_(gathered)
    assert hidden is not None
    if perceptron.layers:  # one pass over contiguous memory for both branches
        hidden = functional.silu(hidden)
    core, gate = hidden.split(half, dim=1)
    for k, layer in enumerate(perceptron.layers):
        if k:
            core, gate = functional.silu(core), functional.silu(gate)
        core = functional.linear(core, layer.core, layer.core_bias)
        gate = functional.linear(gate, layer.gate, layer.gate_bias)
    if perceptron.norms is not None:
        core, gate = (
            functional.layer_norm(branch, (perceptron.last,), norm.factor, norm.shift, norm.eps)
            for branch, norm in zip((core, gate), perceptron.norms, strict=True)
        )
    result = functional.silu(core) * torch.sigmoid(gate)
    for k, (weight, chosen) in enumerate(zip(features.weights, at.weights, strict=True)):
        matrix = perceptron.weight_matrices[k] if perceptron.weight_matrices else None
        if matrix is not None:
            weight = functional.linear(weight, matrix)
        result = result * (weight if chosen is None else gather_rows(weight, chosen))
    if at.segments is not None:
        result = add_rows(result, at.segments, at.n)
    if at.residual:
        assert features.own is not None
        result = result + features.own
    return result


class _Gated(torch.autograd.Function):
    """The kernel, and its derivative."""

    @staticmethod
    def forward(
        ctx: FunctionCtx, perceptron: Perceptron, at: Gathering, features: Features, *flat: Tensor
    ) -> Tensor:
        ctx.save_for_backward(*flat)
        call = GatedCall(perceptron, features.like(flat), at)
        ctx.call = call  # type: ignore[attr-defined]
        return call.forward()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        call: GatedCall = ctx.call
        wanted: Sequence[bool] = ctx.needs_input_grad[3:]
        flat: Sequence[Tensor] = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return (None, None, None, *call.backward(grad, wanted))
        # The derivative is differentiated in turn. Views, since features may depend on each other.
        flat = [tensor.view_as(tensor) for tensor in flat]
        result = gated_in_torch(call.perceptron, call.features.like(flat), call.at)
        inputs = [tensor for tensor, want in zip(flat, wanted, strict=True) if want]
        found = iter(torch.autograd.grad(result, inputs, grad, create_graph=True))
        return (None, None, None, *(next(found) if want else None for want in wanted))
