"""What a call to a model takes of memory: measured, and as a linear function of its graphs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from ase import Atoms
from scipy.optimize import nnls
from torch import Tensor, nn

from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.graph import Cost, Footprint, Graph, Prediction
from umlip_bench.potentials.kernels.library import without_kernels

_CPU_MESSAGES = ("DefaultCPUAllocator: can't allocate memory", "not enough memory")
_GPU_MESSAGES = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")

_PROBE_ELEMENT = "H"
"""For models that do not say which elements they know."""

_PROBE_SPACINGS = (2.0, 2.7, 3.4, 4.4, 30.0)
"""Distances in Å of simple cubic cells: with and without neighbours at any usual cutoff, and with
and without angles."""


@runtime_checkable
class Evaluable(Protocol):
    """What of a potential is needed to measure its calls."""

    card: ModelCard
    device: torch.device

    def prepare(self, atoms: Atoms) -> Graph:
        """Turn a structure into flat arrays."""
        ...

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Evaluate all graphs in one call."""
        ...


def cost_of_call(graphs: Sequence[Graph]) -> Cost:
    """Cost of all graphs together."""
    return sum((graph.cost for graph in graphs), Cost(0, 0, 0))


def measure(potential: Evaluable, graphs: Sequence[Graph]) -> int:
    """Bytes that one call takes: at its peak on a GPU, saved for the backward pass on a CPU."""
    if potential.device.type == "cuda":
        return peak_bytes(potential, graphs)
    return saved_bytes(potential, graphs)


def saved_bytes(potential: Evaluable, graphs: Sequence[Graph]) -> int:
    """Bytes that autograd saves for the backward pass of one call with stress.

    Memory that several operations save counts once; the model's parameters and buffers, which are
    there anyway, do not count. Counted as everything is done in torch: kernels for CPUs save less.
    """
    own = {
        tensor.untyped_storage().data_ptr()
        for module in _modules(potential)
        for tensor in (*module.parameters(), *module.buffers())
    }
    # Tensors are held: an address that became free during the call would be given out again.
    saved: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            saved.setdefault(address, tensor.detach())
        return tensor

    hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
    with without_kernels(), hooks:
        potential.evaluate(graphs, stress=True)
    return sum(tensor.untyped_storage().nbytes() for tensor in saved.values())


def _modules(potential: Evaluable) -> Iterator[nn.Module]:
    """Torch modules of a potential and, where it wraps another, of that one."""
    for value in vars(potential).values():
        if isinstance(value, nn.Module):
            yield value
        elif isinstance(value, Evaluable):
            yield from _modules(value)


def peak_bytes(potential: Evaluable, graphs: Sequence[Graph]) -> int:
    """Bytes that torch's allocator hands out on the GPU during one call with stress, at the peak.

    The first call of a kind also allocates work space that stays; make one before.
    """
    device = potential.device
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    potential.evaluate(graphs, stress=True)
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def memory_ran_out(error: BaseException) -> bool:
    """Whether an error says that there was not enough memory, on whichever device."""
    if isinstance(error, torch.cuda.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and any(m in text for m in _CPU_MESSAGES + _GPU_MESSAGES)


def fit_linear(costs: Sequence[Cost], values: Sequence[float]) -> dict[str, float]:
    """Non-negative terms of a `Linear` that fit values of calls, in relative least squares.

    Parameters
    ----------
    costs
        Of each call, at least one.
    values
        What each took, positive.

    Returns
    -------
    dict
        The arguments of `Linear` and its kinds.
    """
    columns = np.array([(*astuple(cost), 1.0, cost.angles > 0) for cost in costs], dtype=float)
    scaled = columns / np.asarray(values, dtype=float)[:, None]
    # Columns differ by orders of magnitude, which the solver takes for a lack of rank.
    norms = np.linalg.norm(scaled, axis=0)
    norms[norms == 0] = 1.0
    terms, _ = nnls(scaled / norms, np.ones(len(costs)))
    names = ("per_atom", "per_edge", "per_angle", "per_call", "per_call_with_angles")
    return dict(zip(names, (terms / norms).tolist(), strict=True))


def probe_footprint(potential: Evaluable) -> Footprint:
    """Bytes that autograd saves, from calls of a few atoms.

    Raises
    ------
    StructureError
        If the potential refuses cells of its own elements.
    """
    symbol = (potential.card.elements or (_PROBE_ELEMENT,))[0]
    calls = []
    for spacing in _PROBE_SPACINGS:
        cell = Atoms(symbol, cell=[spacing] * 3, pbc=True)
        graph = potential.prepare(cell)
        calls += [[graph], [graph] * 3]
    saved = [saved_bytes(potential, call) for call in calls]
    return Footprint(**fit_linear([cost_of_call(call) for call in calls], saved))
