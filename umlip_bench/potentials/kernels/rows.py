"""Gathering rows and adding them up, with as few operations as a device can be asked for."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx


def gather_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Rows (R, ...) of values (M, ...), each as often as it is named.

    As `torch.index_select`, whose gradient is added to a copy of zeros; and unlike indexing, whose gradient
    sorts the rows first.
    """
    result: Tensor = _Gather.apply(values, rows)
    return result


def add_rows(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """Sums (n, ...) of the values (R, ...) that go to the same row."""
    return values.new_zeros(n, *values.shape[1:]).index_add_(0, rows, values)


class _Gather(torch.autograd.Function):
    """The gradient is the sum, and the other way round."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor, rows: Tensor) -> Tensor:
        ctx.n, ctx.rows = len(values), rows  # type: ignore[attr-defined]
        return values.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return add_rows(grad, ctx.rows, ctx.n), None
