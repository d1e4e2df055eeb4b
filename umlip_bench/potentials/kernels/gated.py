"""Gated perceptrons of gathered rows: in torch, or by a kernel whose backward pass is written out.

The kernel keeps a block of rows in the cache through all layers, and computes intermediates again in the
backward pass instead of keeping them: autograd saves the features alone. Derivatives of derivatives are
taken of the same function in torch.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import FunctionCtx
from torch.nn import functional

from umlip_bench.potentials.kernels.library import library

MAX_PARTS, MAX_LAYERS, MAX_WEIGHTS = 4, 2, 2
_FORMATS = {torch.float32: "f32", torch.float64: "f64"}


@dataclass(frozen=True, eq=False)
class Layer:
    """Matrices (H, H) and shifts (H,) of both branches, applied to the silu of what is before."""

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
    bias
        Shape (2 H,), of the first linear map, or ``None``.
    layers
        That follow.
    norms
        Of core and gate before their last activations, or ``None``.
    own_matrix
        Shape (2 H, K): the part of the first map that multiplies a row's own features.
    """

    bias: Tensor | None
    layers: tuple[Layer, ...] = ()
    norms: tuple[Norm, Norm] | None = None
    own_matrix: Tensor | None = None

    def parameters(self) -> list[Tensor]:
        """All of its tensors."""
        found = [self.bias, self.own_matrix]
        for layer in self.layers:
            found += [layer.core, layer.core_bias, layer.gate, layer.gate_bias]
        for norm in self.norms or ():
            found += [norm.factor, norm.shift]
        return [tensor for tensor in found if tensor is not None]


@dataclass(frozen=True, eq=False)
class Gathering:
    """Which features a row takes, and where its result goes.

    Parameters
    ----------
    parts
        For each part the rows (R,) of its products that are added, int32.
    weights
        For each weight the rows (R,) that are multiplied by, or ``None`` for the row itself.
    segments
        Shape (R,): the row of the result that a row is added to; ``None`` for a result of its own.
    n
        Rows of the result.
    residual
        Whether a row's own features are added to its result.
    """

    parts: tuple[Tensor, ...]
    weights: tuple[Tensor | None, ...] = ()
    segments: Tensor | None = None
    n: int = 0
    residual: bool = False


@dataclass(frozen=True, eq=False)
class Features:
    """What is differentiated with respect to.

    Parameters
    ----------
    parts
        Products with the first linear map, each (any, 2 H).
    own
        Shape (R, K), or ``None``.
    weights
        Each (any, H).
    """

    parts: tuple[Tensor, ...]
    own: Tensor | None = None
    weights: tuple[Tensor, ...] = field(default=())

    def flat(self) -> tuple[Tensor, ...]:
        """One after the other."""
        own = () if self.own is None else (self.own,)
        return (*self.parts, *own, *self.weights)

    def like(self, flat: Sequence[Any]) -> tuple[list[Any], Any, list[Any]]:
        """Parts, own and weights of something that is in the order of `flat`."""
        n, rest = len(self.parts), len(self.parts) + (self.own is not None)
        return list(flat[:n]), flat[n] if self.own is not None else None, list(flat[rest:])


def gated(perceptron: Perceptron, features: Features, at: Gathering) -> Tensor:
    """silu(core) sigmoid(gate) of each row, times its weights, summed or as they are.

    Parameters
    ----------
    perceptron, features, at
        What is computed, of what, and for which rows.

    Returns
    -------
    Tensor
        Shape (n, H) if rows are summed, else (R, H).
    """
    if _kernel_takes(perceptron, features, at):
        result: Tensor = _Gated.apply(perceptron, at, features, *features.flat())
        return result
    return in_torch(perceptron, features, at)


def in_torch(perceptron: Perceptron, features: Features, at: Gathering) -> Tensor:
    """The same, in torch."""
    hidden: Tensor | None = None
    if features.own is not None:
        assert perceptron.own_matrix is not None
        hidden = functional.linear(features.own, perceptron.own_matrix, perceptron.bias)
    for part, rows in zip(features.parts, at.parts, strict=True):
        gathered = part.index_select(0, rows)
        hidden = gathered if hidden is None else hidden.add_(gathered)
    assert hidden is not None
    if features.own is None and perceptron.bias is not None:
        hidden = hidden + perceptron.bias
    half = hidden.shape[1] // 2
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
            functional.layer_norm(branch, (half,), norm.factor, norm.shift, norm.eps)
            for branch, norm in zip((core, gate), perceptron.norms, strict=True)
        )
    result = functional.silu(core) * torch.sigmoid(gate)
    for weight, chosen in zip(features.weights, at.weights, strict=True):
        result = result * (weight if chosen is None else weight.index_select(0, chosen))
    if at.segments is not None:
        result = result.new_zeros(at.n, half).index_add(0, at.segments, result)
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
        ctx.perceptron, ctx.at, ctx.features = perceptron, at, features  # type: ignore[attr-defined]
        parts, own, weights = features.like(flat)
        return _forward(perceptron, Features(tuple(parts), own, tuple(weights)), at)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        perceptron, at, like = ctx.perceptron, ctx.at, ctx.features
        wanted = ctx.needs_input_grad[3:]
        flat = ctx.saved_tensors
        if torch.is_grad_enabled():
            # The derivative is differentiated in turn. Views, since features may depend on each other.
            flat = [tensor.view_as(tensor) for tensor in flat]
        parts, own, weights = like.like(flat)
        features = Features(tuple(parts), own, tuple(weights))
        if not torch.is_grad_enabled():
            return (None, None, None, *_backward(perceptron, features, at, grad, wanted))
        inputs = [tensor for tensor, want in zip(flat, wanted, strict=True) if want]
        found = iter(
            torch.autograd.grad(
                in_torch(perceptron, features, at), inputs, grad, create_graph=True
            )
        )
        return (None, None, None, *(next(found) if want else None for want in wanted))


def _kernel_takes(perceptron: Perceptron, features: Features, at: Gathering) -> bool:
    """Whether the kernel does this: on a CPU, with parameters that are not differentiated."""
    flat = features.flat()
    first = flat[0]
    if first.device.type != "cpu" or first.dtype not in _FORMATS:
        return False
    kernels = library()
    if kernels is None or torch.is_inference_mode_enabled():
        return False
    half = features.parts[0].shape[1] // 2 if features.parts else _half(perceptron)
    return (
        half % int(kernels.multiple_of(first.element_size())) == 0
        and len(features.parts) <= MAX_PARTS
        and len(perceptron.layers) <= MAX_LAYERS
        and len(features.weights) <= MAX_WEIGHTS
        and not any(tensor.requires_grad for tensor in perceptron.parameters())
        and all(tensor.dtype is first.dtype for tensor in (*flat, *perceptron.parameters()))
    )


def _half(perceptron: Perceptron) -> int:
    assert perceptron.own_matrix is not None
    return perceptron.own_matrix.shape[0] // 2


class _Call(ctypes.Structure):
    """As in kernels.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "half", "own_width", "n_parts", "n_layers")),
        *((name, ctypes.c_int64) for name in ("n_weights", "residual")),
        ("core_eps", ctypes.c_double),
        ("gate_eps", ctypes.c_double),
        ("bias", ctypes.c_void_p),
        ("parts", ctypes.c_void_p * MAX_PARTS),
        ("part_rows", ctypes.c_void_p * MAX_PARTS),
        ("own", ctypes.c_void_p),
        ("own_matrix", ctypes.c_void_p),
        ("core", ctypes.c_void_p * MAX_LAYERS),
        ("core_bias", ctypes.c_void_p * MAX_LAYERS),
        ("gate", ctypes.c_void_p * MAX_LAYERS),
        ("gate_bias", ctypes.c_void_p * MAX_LAYERS),
        ("core_norm", ctypes.c_void_p * 2),
        ("gate_norm", ctypes.c_void_p * 2),
        ("weights", ctypes.c_void_p * MAX_WEIGHTS),
        ("weight_rows", ctypes.c_void_p * MAX_WEIGHTS),
        ("segments", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("grad", ctypes.c_void_p),
        ("grad_parts", ctypes.c_void_p * MAX_PARTS),
        ("grad_own", ctypes.c_void_p),
        ("grad_weights", ctypes.c_void_p * MAX_WEIGHTS),
    ]


class _Prepared:
    """A call with the addresses of its tensors, which it keeps alive."""

    def __init__(self, perceptron: Perceptron, features: Features, at: Gathering) -> None:
        self.kept: list[Tensor] = []
        call = self.call = _Call()
        n_rows = next(len(r) for r in (*at.parts, features.own) if r is not None)
        self.half = features.parts[0].shape[1] // 2 if features.parts else _half(perceptron)
        self.rows = n_rows
        call.rows, call.half = n_rows, self.half
        call.n_parts, call.n_layers = len(features.parts), len(perceptron.layers)
        call.n_weights, call.residual = len(features.weights), at.residual
        if perceptron.bias is not None:
            call.bias = self.address(perceptron.bias)
        for k, (part, rows) in enumerate(zip(features.parts, at.parts, strict=True)):
            call.parts[k], call.part_rows[k] = self.address(part), self.index(rows)
        if features.own is not None and perceptron.own_matrix is not None:
            call.own_width = features.own.shape[1]
            call.own, call.own_matrix = map(self.address, (features.own, perceptron.own_matrix))
        for k, layer in enumerate(perceptron.layers):
            call.core[k], call.core_bias[k] = self.address(layer.core), self.address(layer.core_bias)
            call.gate[k], call.gate_bias[k] = self.address(layer.gate), self.address(layer.gate_bias)
        if perceptron.norms is not None:
            core, gate = perceptron.norms
            call.core_eps, call.gate_eps = core.eps, gate.eps
            for k, (of_core, of_gate) in enumerate(
                ((core.factor, gate.factor), (core.shift, gate.shift))
            ):
                call.core_norm[k], call.gate_norm[k] = self.address(of_core), self.address(of_gate)
        for k, (weight, chosen) in enumerate(zip(features.weights, at.weights, strict=True)):
            call.weights[k] = self.address(weight)
            if chosen is not None:
                call.weight_rows[k] = self.index(chosen)
        if at.segments is not None:
            call.segments = self.index(at.segments)

    def address(self, tensor: Tensor) -> int:
        """Of its numbers, one after the other."""
        tensor = tensor.detach().contiguous()
        self.kept.append(tensor)
        return tensor.data_ptr()

    def index(self, rows: Tensor) -> int:
        """Of rows as the kernel takes them."""
        return self.address(rows.to(torch.int32))

    def run(self, name: str, dtype: torch.dtype) -> None:
        """Call the kernel.

        Raises
        ------
        MemoryError
            If its working memory cannot be had.
        """
        kernels = library()
        assert kernels is not None
        if getattr(kernels, f"{name}_{_FORMATS[dtype]}")(ctypes.byref(self.call)):
            raise MemoryError("no memory for a block of rows")


def _forward(perceptron: Perceptron, features: Features, at: Gathering) -> Tensor:
    prepared = _Prepared(perceptron, features, at)
    first = features.flat()[0]
    out = (
        first.new_empty(prepared.rows, prepared.half)
        if at.segments is None
        else first.new_zeros(at.n, prepared.half)
    )
    prepared.call.out = out.data_ptr()
    prepared.run("gated_forward", out.dtype)
    return out


def _backward(
    perceptron: Perceptron,
    features: Features,
    at: Gathering,
    grad: Tensor,
    wanted: Sequence[bool],
) -> list[Tensor | None]:
    prepared = _Prepared(perceptron, features, at)
    prepared.call.grad = prepared.address(grad)
    want_parts, want_own, want_weights = features.like(wanted)
    parts = [torch.zeros_like(p) if w else None for p, w in zip(features.parts, want_parts, strict=True)]
    own = torch.empty_like(features.own) if want_own and features.own is not None else None
    weights = [
        (torch.empty_like(weight) if chosen is None else torch.zeros_like(weight)) if want else None
        for weight, chosen, want in zip(features.weights, at.weights, want_weights, strict=True)
    ]
    for k, tensor in enumerate(parts):
        prepared.call.grad_parts[k] = None if tensor is None else tensor.data_ptr()
    prepared.call.grad_own = None if own is None else own.data_ptr()
    for k, tensor in enumerate(weights):
        prepared.call.grad_weights[k] = None if tensor is None else tensor.data_ptr()
    prepared.run("gated_backward", grad.dtype)
    return [*parts, *([own] if features.own is not None else []), *weights]
