"""A call of the kernel for gated perceptrons."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from umlip_bench.potentials.kernels.gated_terms import Features, Gathering, Perceptron
from umlip_bench.potentials.kernels.library import FORMATS, kernels_for, loaded

MAX_PARTS, MAX_LAYERS, MAX_WEIGHTS = 4, 2, 2
_Addresses = ctypes.c_void_p


class _Arguments(ctypes.Structure):
    """As in kernels.c."""

    _fields_ = [
        *((name, ctypes.c_int64) for name in ("rows", "own_width", "n_parts", "n_layers")),
        *((name, ctypes.c_int64) for name in ("n_weights", "residual")),
        ("widths", ctypes.c_int64 * (MAX_LAYERS + 1)),
        *((name, ctypes.c_double) for name in ("core_eps", "gate_eps")),
        ("bias", _Addresses),
        ("parts", _Addresses * MAX_PARTS),
        ("part_pitch", ctypes.c_int64 * MAX_PARTS),
        ("part_rows", _Addresses * MAX_PARTS),
        *((name, _Addresses) for name in ("own", "own_matrix")),
        *((name, _Addresses * MAX_LAYERS) for name in ("core", "core_bias", "gate", "gate_bias")),
        *((name, _Addresses * 2) for name in ("core_norm", "gate_norm")),
        *((name, _Addresses * MAX_WEIGHTS) for name in ("weights", "weight_rows", "weight_matrix")),
        ("weight_width", ctypes.c_int64 * MAX_WEIGHTS),
        *((name, _Addresses) for name in ("segments", "out", "grad")),
        ("grad_parts", _Addresses * MAX_PARTS),
        ("grad_own", _Addresses),
        ("grad_weights", _Addresses * MAX_WEIGHTS),
    ]


def fits(perceptron: Perceptron, features: Features, at: Gathering) -> bool:
    """Whether the kernel does this: on a CPU, with parameters that are not differentiated."""
    flat = features.flat()
    first = flat[0]
    kernels = kernels_for(first)
    parameters = perceptron.parameters()
    widths = [perceptron.width, *(len(layer.core) for layer in perceptron.layers)]
    return (
        kernels is not None
        and not any(width % int(kernels.lanes(first.element_size())) for width in widths)
        and len(at.parts) <= MAX_PARTS
        and len(perceptron.layers) <= MAX_LAYERS
        and len(features.weights) <= MAX_WEIGHTS
        and not any(tensor.requires_grad for tensor in parameters)
        and all(tensor.dtype is first.dtype for tensor in (*flat, *parameters))
    )


class GatedCall:
    """The arguments of a call, which serve forward and back, and the tensors they point to.

    Parameters
    ----------
    perceptron, features, at
        As of `umlip_bench.potentials.kernels.gated.gated`.
    """

    def __init__(self, perceptron: Perceptron, features: Features, at: Gathering) -> None:
        self.perceptron, self.features, self.at = perceptron, features, at
        self._kept: list[Tensor] = []
        own = features.own
        self.rows = len(at.parts[0].rows if own is None else own)
        a = self._arguments = _Arguments()
        a.rows, a.widths[0] = self.rows, perceptron.width
        a.n_parts, a.n_layers = len(at.parts), len(perceptron.layers)
        a.n_weights, a.residual = len(features.weights), at.residual
        products = [self._address(product) for product in features.products]
        for k, part in enumerate(at.parts):
            a.parts[k] = (products[part.product] or 0) + self._offset(part.block)
            a.part_pitch[k] = features.products[part.product].shape[1]
            a.part_rows[k] = self._rows(part.rows)
        if own is not None:
            a.own_width = own.shape[1]
            a.own, a.own_matrix = self._address(own), self._address(perceptron.own_matrix)
            a.bias = self._address(perceptron.bias)
        for k, weight in enumerate(features.weights):
            matrix = perceptron.weight_matrices[k] if perceptron.weight_matrices else None
            a.weights[k], a.weight_rows[k] = self._address(weight), self._rows(at.weights[k])
            a.weight_matrix[k], a.weight_width[k] = self._address(matrix), weight.shape[1]
        a.segments = self._rows(at.segments)
        self._set_layers()

    def _set_layers(self) -> None:
        a = self._arguments
        for k, layer in enumerate(self.perceptron.layers):
            a.widths[k + 1] = len(layer.core)
            a.core[k], a.core_bias[k] = self._address(layer.core), self._address(layer.core_bias)
            a.gate[k], a.gate_bias[k] = self._address(layer.gate), self._address(layer.gate_bias)
        if self.perceptron.norms is not None:
            core, gate = self.perceptron.norms
            a.core_eps, a.gate_eps = core.eps, gate.eps
            a.core_norm[0], a.core_norm[1] = map(self._address, (core.factor, core.shift))
            a.gate_norm[0], a.gate_norm[1] = map(self._address, (gate.factor, gate.shift))

    def forward(self) -> Tensor:
        """The result."""
        first = self.features.flat()[0]
        last = self.perceptron.last
        if self.at.segments is None:
            out = first.new_empty(self.rows, last)
        else:
            out = first.new_zeros(self.at.n, last)
        self._arguments.out = out.data_ptr()
        self._run("gated_forward")
        return out

    def backward(self, grad: Tensor, wanted: Sequence[bool]) -> list[Tensor | None]:
        """The gradients of features, in their order, where they are wanted."""
        a, at = self._arguments, self.at
        a.grad = self._address(grad)
        n, found = 0, list[Tensor | None]()
        for product in self.features.products:
            found.append(product.new_zeros(product.shape) if wanted[n] else None)
            n += 1
        for k, part in enumerate(at.parts):
            gradient = found[part.product]
            offset = self._offset(part.block)
            a.grad_parts[k] = None if gradient is None else gradient.data_ptr() + offset
        if self.features.own is not None:
            own = self.features.own
            found.append(own.new_empty(own.shape) if wanted[n] else None)
            a.grad_own = None if found[-1] is None else found[-1].data_ptr()
            n += 1
        for k, weight in enumerate(self.features.weights):
            make = weight.new_empty if at.weights[k] is None else weight.new_zeros
            found.append(make(weight.shape) if wanted[n] else None)
            a.grad_weights[k] = None if found[-1] is None else found[-1].data_ptr()
            n += 1
        self._run("gated_backward")
        return found

    def _offset(self, block: int) -> int:
        """Bytes to a block of columns."""
        return 2 * self.perceptron.width * block * self.features.flat()[0].element_size()

    def _address(self, tensor: Tensor | None) -> int | None:
        """Of its numbers, one after the other."""
        if tensor is None:
            return None
        if not tensor.is_contiguous():
            tensor = tensor.detach().contiguous()
            self._kept.append(tensor)
        return tensor.data_ptr()

    def _rows(self, rows: Tensor | None) -> int | None:
        """Of rows as the kernel takes them."""
        if rows is not None and rows.dtype is not torch.int32:
            rows = rows.to(torch.int32)
            self._kept.append(rows)
        return self._address(rows)

    def _run(self, name: str) -> None:
        number = FORMATS[self.features.flat()[0].dtype]
        if getattr(loaded(), f"{name}_{number}")(ctypes.byref(self._arguments)):
            raise MemoryError("there is no memory for a block of rows")
