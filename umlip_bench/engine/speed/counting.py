"""What a call to a model asks of a device, counted on a CPU from torch's dispatcher.

A count is the same on every machine: kernels that are launched, bytes that they read and write, arithmetic,
and points at which the host waits for the device. On a GPU small batches are bound by launches and large ones
by bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from umlip_bench.engine.speed.cells import displaced_supercells, small_cells
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.graph import Graph
from umlip_bench.potentials.kernels.library import without_kernels
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential

_NO_KERNEL = frozenset(
    {
        "_reshape_alias",
        "_unsafe_view",
        "empty",
        "empty_like",
        "empty_strided",
        "lift_fresh",
        "new_empty",
        "new_empty_strided",
    }
)
"""Operations that only allocate or rename; views are known by their schema."""
_KERNELS: Mapping[str, int] = {
    "index_add": 2,
    "scatter_add": 2,
    "index_put": 2,
    "slice_backward": 2,
}
"""Those that copy or clear their result first; any other launches one."""
_GATHERS = frozenset({"index_select", "gather", "index", "embedding"})
"""They read of their first argument what they write."""
_ADDS_IN_PLACE = frozenset({"index_add_", "scatter_add_", "index_put_"})
"""They read and write of their first argument what they add."""
_WAITS = frozenset(
    {"_local_scalar_dense", "nonzero", "masked_select", "bincount", "_unique2", "unique_dim"}
)
"""The host waits for their result, or for its size, as does indexing by booleans."""
_RESULTS = frozenset({Tensor.cpu})
_UPLOADS = frozenset({torch.as_tensor, torch.tensor, torch.from_numpy})


@dataclass(frozen=True)
class Operation:
    """What one kind of operation had to do.

    Parameters
    ----------
    name
        As torch's dispatcher calls it, without its namespace.
    kernels, bytes
        As in `Counts`.
    """

    name: str
    kernels: int
    bytes: int


@dataclass(frozen=True)
class Counts:
    """What one call, forward and backward, asks of a device.

    Parameters
    ----------
    atoms, structures
        What was in the call.
    kernels
        Operations that start work on a device; views and allocations do not.
    bytes
        Read and written by them, each operand once for an operation: what caches save is not known.
    matrix_flops
        Of matrix products, two for a multiplication and addition.
    elementwise
        Elements that all other operations go over.
    waits
        Points at which the host waits for the device before all is launched.
    results, uploads
        Arrays copied back from the device, and to it.
    operations
        The same by kind, the one with the most bytes first.
    """

    atoms: int
    structures: int
    kernels: int
    bytes: int
    matrix_flops: int
    elementwise: int
    waits: int
    results: int
    uploads: int
    operations: tuple[Operation, ...]


class _Dispatched(TorchDispatchMode):
    """Adds up what passes the dispatcher, of autograd's operations as well."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        self.matrix_flops = 0
        self.elementwise = 0
        self.waits = 0

    def __torch_dispatch__(
        self,
        func: OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        result = func(*args, **options)
        name = func._schema.name.split("::")[1]
        if name in _WAITS or _masked(name, args):
            self.waits += 1
        if name in _NO_KERNEL or _is_view(func):
            return result
        read = [bytes_of(tensor) for tensor in _tensors((args, options))]
        written = [bytes_of(tensor) for tensor in _tensors(result)]
        if name in _GATHERS and read:
            read[0] = min(read[0], sum(written))
        elif name in _ADDS_IN_PLACE:
            read[0] = written[0] = min(read[0], read[-1])
        self.kernels[name] += _KERNELS.get(name, 1)
        self.bytes[name] += sum(read) + sum(written)
        packet = func._overloadpacket
        if packet in flop_registry:
            self.matrix_flops += flop_registry[packet](*args, **options, out_val=result)
        else:
            self.elementwise += max(
                (t.numel() for t in _tensors((args, options, result))), default=0
            )
        return result


class _Copies(TorchFunctionMode):
    """Counts arrays that come from the host or go back to it, which on a CPU no operation does."""

    def __init__(self) -> None:
        super().__init__()
        self.results = 0
        self.uploads = 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        self.results += func in _RESULTS
        self.uploads += func in _UPLOADS and not isinstance(args[0], Tensor)
        return func(*args, **(kwargs or {}))


def count_call(potential: Potential, graphs: Sequence[Graph]) -> Counts:
    """Count one call with energies, forces and stress.

    Parameters
    ----------
    potential
        A model that runs on torch in this process.
    graphs
        Of `Potential.prepare`.
    """
    dispatched, copies = _Dispatched(), _Copies()
    with without_kernels():
        potential.evaluate(graphs)  # what is made once is not counted
        with copies, dispatched:
            potential.evaluate(graphs)
    operations = (
        Operation(name, n, dispatched.bytes[name]) for name, n in dispatched.kernels.items()
    )
    return Counts(
        atoms=sum(len(graph.numbers) for graph in graphs),
        structures=len(graphs),
        kernels=dispatched.kernels.total(),
        bytes=dispatched.bytes.total(),
        matrix_flops=dispatched.matrix_flops,
        elementwise=dispatched.elementwise,
        waits=dispatched.waits,
        results=copies.results,
        uploads=copies.uploads,
        operations=tuple(sorted(operations, key=lambda o: (-o.bytes, o.name))),
    )


def count_model(potential: Potential) -> dict[str, Counts]:
    """Count a call with 8 small cells and one with a cell of 64 atoms.

    Raises
    ------
    UmlipBenchError
        As `counted_calls`.
    """
    model, calls = counted_calls(potential)
    return {name: count_call(model, graphs) for name, graphs in calls.items()}


def counted_calls(potential: Potential) -> tuple[DifferentiablePotential, dict[str, list[Graph]]]:
    """A model whose calls can be counted, and the calls of `count_model`.

    Raises
    ------
    UmlipBenchError
        If the model does not run on torch in this process.
    """
    if not isinstance(potential, DifferentiablePotential):
        raise UmlipBenchError(
            f"{potential.card.name} does not run on torch in this process, where its calls could be counted; "
            "of the models that `umlip-bench models` lists, those of CHGNet, matgl and MACE do"
        )
    cells = {"8 of 2 to 40 atoms": small_cells(8), "1 of 64 atoms": displaced_supercells(1)}
    return potential, {
        name: [potential.prepare(atoms) for atoms in several] for name, several in cells.items()
    }


def _is_view(func: OpOverload) -> bool:
    """Whether a result is an argument under another shape, without anything written."""
    return any(
        returned.alias_info is not None and not returned.alias_info.is_write
        for returned in func._schema.returns
    )


def _masked(name: str, args: tuple[Any, ...]) -> bool:
    """Whether rows are chosen by booleans, whose number only the device knows."""
    return name in ("index", "index_put_", "index_put") and any(
        tensor.dtype is torch.bool for tensor in _tensors(args[1])
    )


def _tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def bytes_of(tensor: Tensor) -> int:
    """Bytes that a tensor refers to; what is expanded lies there once."""
    n = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        n *= size if stride else min(size, 1)
    return n * tensor.element_size()
