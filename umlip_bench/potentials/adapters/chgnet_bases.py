"""CHGNet's functions of distances and angles, their derivatives beside them.

The values are those of the library's modules; written out, a value and its derivative take a device half the
operations that automatic differentiation takes for both. Where frequencies are trained, and for derivatives
of derivatives, the modules themselves are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from chgnet.model.basis import Fourier, RadialBessel
from torch import Tensor
from torch.autograd.function import FunctionCtx

_CONSTANT = float(1 / torch.sqrt(torch.tensor([2])))
"""1 / sqrt(2) as the library has it in every number format, in single precision."""


def bessel(module: RadialBessel, distances: Tensor) -> Tensor:
    """sqrt(2 / c) sin(f_k r / c) / r times a polynomial that is 0 from the cutoff c on, shape (E, K)."""
    if module.smooth_cutoff is None or not module.smooth_cutoff.p or _trained(module):
        result: Tensor = module(distances)
    else:
        result = _WithDerivative.apply(distances, module, _bessel)
    return result


def fourier(module: Fourier, angles: Tensor) -> Tensor:
    """1 / sqrt(2), sines and cosines of f_k θ, divided by sqrt(π), shape (A, 2 K + 1)."""
    if _trained(module):
        result: Tensor = module(angles)
    else:
        result = _WithDerivative.apply(angles, module, _fourier)
    return result


def _trained(module: torch.nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in module.parameters())


def _bessel(module: RadialBessel, r: Tensor) -> tuple[Tensor, Tensor]:
    envelope = module.smooth_cutoff
    r = r[:, None]
    x = r * module.inv_cutoff
    power = x**envelope.p
    inside = x < 1
    p, a, b, c = envelope.p, envelope.a, envelope.b, envelope.c
    value = torch.where(inside, 1 + power * (a + x * (b + c * x)), 0)
    slope = torch.where(inside, power * (a * p + x * (b * (p + 1) + c * (p + 2) * x)), 0)
    phases = module.frequencies * x
    sines = torch.sin(phases)
    over_r = module.norm_const / r
    basis = sines * (over_r * value)
    # x du/dx - u belongs to the sine, x f u to the cosine; all over r.
    derivative = torch.addcmul(
        sines * (over_r * (slope - value)), torch.cos(phases) * phases, over_r * value
    )
    return basis, derivative / r


def _fourier(module: Fourier, angles: Tensor) -> tuple[Tensor, Tensor]:
    phases = torch.outer(angles, module.frequencies)
    sines, cosines = torch.sin(phases), torch.cos(phases)
    constant = sines.new_full((len(angles), 1), _CONSTANT)
    scale = 1 / math.sqrt(math.pi)
    basis = torch.cat([constant, sines, cosines], dim=1) * scale
    frequencies = module.frequencies * scale
    derivative = torch.cat(
        [torch.zeros_like(constant), cosines * frequencies, sines * -frequencies], dim=1
    )
    return basis, derivative


class _WithDerivative(torch.autograd.Function):
    """Functions (E, K) of one variable each (E,)."""

    @staticmethod
    def forward(
        ctx: FunctionCtx,
        variable: Tensor,
        module: torch.nn.Module,
        function: Callable[[Any, Tensor], tuple[Tensor, Tensor]],
    ) -> Tensor:
        value, derivative = function(module, variable)
        ctx.save_for_backward(variable, derivative)
        ctx.module = module  # type: ignore[attr-defined]
        return value

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        variable, derivative = ctx.saved_tensors
        if not torch.is_grad_enabled():
            return (grad * derivative).sum(1), None, None
        variable = variable.view_as(variable)
        value = ctx.module(variable)
        (found,) = torch.autograd.grad(value, variable, grad, create_graph=True)
        return found, None, None
