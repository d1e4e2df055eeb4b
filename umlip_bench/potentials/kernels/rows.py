"""Gathering rows and adding them up."""

from __future__ import annotations

from torch import Tensor


def gather_rows(values: Tensor, rows: Tensor) -> Tensor:
    """Rows (R, ...) of values (M, ...), each as often as it is named.

    Unlike indexing, whose gradient sorts the rows first.
    """
    return values.index_select(0, rows)


def add_rows(values: Tensor, rows: Tensor, n: int) -> Tensor:
    """Sums (n, ...) of the values (R, ...) that go to the same row."""
    return values.new_zeros(n, *values.shape[1:]).index_add_(0, rows, values)
