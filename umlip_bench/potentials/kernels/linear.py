"""Linear maps of many rows: in torch, or by a kernel that suits narrow matrices on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from umlip_bench.potentials.kernels.library import FORMATS, kernels_for, loaded


def linear(features: Tensor, matrix: Tensor, bias: Tensor | None = None) -> Tensor:
    """Rows times a matrix.

    Parameters
    ----------
    features
        Shape (R, K).
    matrix
        Shape (N, K), as of `torch.nn.Linear`.
    bias
        Shape (N,).

    Returns
    -------
    Tensor
        Shape (R, N).
    """
    if _fits(features, matrix, bias):
        result: Tensor = _Linear.apply(features, matrix, bias)
        return result
    return functional.linear(features, matrix, bias)


class _Linear(torch.autograd.Function):
    """The kernel, and its derivative with respect to the features."""

    @staticmethod
    def forward(ctx: FunctionCtx, features: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
        ctx.matrix = matrix  # type: ignore[attr-defined]
        return _product(features, matrix.t().contiguous(), bias)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        matrix: Tensor = ctx.matrix
        if torch.is_grad_enabled():
            return grad @ matrix, None, None
        return _product(grad, matrix.contiguous(), None), None, None


def _fits(features: Tensor, matrix: Tensor, bias: Tensor | None) -> bool:
    kernels = kernels_for(features)
    return (
        kernels is not None
        and all(n % int(kernels.lanes(features.element_size())) == 0 for n in matrix.shape)
        and matrix.dtype is features.dtype
        and not matrix.requires_grad
        and not (bias is not None and bias.requires_grad)
    )


def _product(features: Tensor, matrix: Tensor, bias: Tensor | None) -> Tensor:
    """Rows (R, K) times a matrix (K, N)."""
    features = features.contiguous()
    k, n = matrix.shape
    out = features.new_empty(len(features), n)
    getattr(loaded(), f"linear_{FORMATS[features.dtype]}")(
        features.data_ptr(),
        len(features),
        k,
        matrix.data_ptr(),
        n,
        None if bias is None else bias.contiguous().data_ptr(),
        out.data_ptr(),
    )
    return out
