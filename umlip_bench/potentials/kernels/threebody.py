"""M3GNet's sum over the other bonds of an atom: in torch, or by a kernel with its backward pass.

By moments of each atom, in which every bond is counted (`umlip_bench.potentials.adapters.m3gnet`).
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx

from umlip_bench.potentials.kernels.library import FORMATS, kernels_for, loaded
from umlip_bench.potentials.kernels.rows import add_rows, gather_rows


@dataclass(frozen=True, eq=False)
class Bonds:
    """Between which atoms bonds are, and what the sum is made of.

    Parameters
    ----------
    first, second
        Shape (E,).
    own
        Shape (L,), float64: for each order, what a bond contributes to its own sum, which is taken off.
    order_of_component
        Shape (L²,): 0, 1, 1, 1, 2 and so on.
    """

    first: Tensor
    second: Tensor
    own: Tensor
    order_of_component: Tensor


@dataclass(frozen=True, eq=False)
class Terms:
    """What is differentiated with respect to.

    Parameters
    ----------
    radial
        Shape (E, L n), with the cutoff of the bond that is summed over.
    gate
        Shape (N, L n), of its second atom.
    angular
        Shape (E, L²): the harmonics of its direction.
    cutoff
        Shape (E,), of the bond that is summed for.
    """

    radial: Tensor
    gate: Tensor
    angular: Tensor
    cutoff: Tensor

    def flat(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One after the other."""
        return self.radial, self.gate, self.angular, self.cutoff


def threebody(terms: Terms, bonds: Bonds) -> Tensor:
    """The sum for each bond, shape (E, L n)."""
    if kernels_for(terms.radial) is not None:
        result: Tensor = _Threebody.apply(bonds, *terms.flat())
        return result
    return threebody_in_torch(terms, bonds)


def threebody_in_torch(terms: Terms, bonds: Bonds) -> Tensor:
    """The same, in torch."""
    orders = len(bonds.own)
    of_component = bonds.order_of_component
    n = terms.radial.shape[1] // orders
    angular = terms.angular[:, :, None]
    sent = (terms.radial * gather_rows(terms.gate, bonds.second)).view(-1, orders, n)
    spread = sent.index_select(1, of_component) * angular
    moments = add_rows(spread, bonds.first, len(terms.gate))
    seen = gather_rows(moments, bonds.first) * angular
    per_order = torch.zeros_like(sent).index_add_(1, of_component, seen)
    own = bonds.own.to(sent.dtype)[:, None]
    return (per_order - own * sent).reshape(terms.radial.shape) * terms.cutoff[:, None]


class _Threebody(torch.autograd.Function):
    """The kernel, and its derivative."""

    @staticmethod
    def forward(ctx: FunctionCtx, bonds: Bonds, *flat: Tensor) -> Tensor:
        ctx.save_for_backward(*flat)
        ctx.bonds = bonds  # type: ignore[attr-defined]
        out = flat[0].new_empty(flat[0].shape)
        _run("threebody_forward", flat, bonds, {"out": out})
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        flat: Sequence[Tensor] = ctx.saved_tensors
        if not torch.is_grad_enabled():
            gradients = [tensor.new_empty(tensor.shape) for tensor in flat]
            gradients[1].zero_()  # of atoms, to which bonds are added
            names = ("grad_radial", "grad_gate", "grad_angular", "grad_cutoff")
            arguments = {"grad": grad.contiguous(), **dict(zip(names, gradients, strict=True))}
            _run("threebody_backward", flat, ctx.bonds, arguments)
            return (None, *gradients)
        # The derivative is differentiated in turn. Views, since terms may depend on each other.
        flat = [tensor.view_as(tensor) for tensor in flat]
        wanted = ctx.needs_input_grad[1:]
        inputs = [tensor for tensor, want in zip(flat, wanted, strict=True) if want]
        result = threebody_in_torch(Terms(*flat), ctx.bonds)
        found = iter(torch.autograd.grad(result, inputs, grad, create_graph=True))
        return (None, *(next(found) if want else None for want in wanted))


class _Arguments(ctypes.Structure):
    """As in kernels.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("atoms", "bonds", "orders", "n_radial")),
        *((name, ctypes.c_void_p) for name in ("first", "second", "own")),
        *((name, ctypes.c_void_p) for name in ("radial", "gate", "angular", "cutoff")),
        *((name, ctypes.c_void_p) for name in ("out", "grad")),
        *((f"grad_{name}", ctypes.c_void_p) for name in ("radial", "gate", "angular", "cutoff")),
    ]


def _run(name: str, flat: Sequence[Tensor], bonds: Bonds, given: dict[str, Tensor]) -> None:
    tensors = {
        "first": bonds.first.to(torch.int32),
        "second": bonds.second.to(torch.int32),
        "own": bonds.own,
        **dict(zip(("radial", "gate", "angular", "cutoff"), flat, strict=True)),
    }
    kept = {key: tensor.detach().contiguous() for key, tensor in tensors.items()} | given
    orders = len(bonds.own)
    arguments = _Arguments(
        atoms=len(flat[1]),
        bonds=len(flat[0]),
        orders=orders,
        n_radial=flat[0].shape[1] // orders,
        **{key: tensor.data_ptr() for key, tensor in kept.items()},
    )
    if getattr(loaded(), f"{name}_{FORMATS[flat[0].dtype]}")(ctypes.byref(arguments)):
        raise MemoryError("there is no memory for the moments of atoms")
