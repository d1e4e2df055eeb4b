"""What a compiled call asks of a device, counted from what torch's compiler made for a CPU.

It fuses operations into functions, of one loop nest or several; on a GPU each nest would be a kernel.
Products of matrices stay as they are. What is read here is not torch's public interface: a test holds it
against a model whose counts are known.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._inductor.codecache import PyCodeCache

from umlip_bench.engine.speed.counting import (
    Counts,
    Operation,
    bytes_of,
    count_model,
    counted_calls,
)
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.graph import Graph
from umlip_bench.potentials.kernels.library import kernels_off
from umlip_bench.potentials.protocol import DifferentiablePotential, Potential

FUSED, PRODUCTS = "cpp_fused", "extern_kernels"
_FUNCTION = re.compile(rf"^({FUSED}\w*) = async_compile\.\w+\((.*?)'''\)", re.DOTALL | re.MULTILINE)
_NEST = re.compile(r"^ {8}for\(", re.MULTILINE)


def count_compiled(potential: Potential) -> dict[str, Counts]:
    """Count the calls of `count_model` as torch compiles them; the model stays compiled.

    Parameters
    ----------
    potential
        A model that ``compiles`` where no kernels of ours are used.

    Returns
    -------
    dict
        Counts by call. Kernels: loop nests, and products. Bytes: arguments of fused functions and products,
        each once for a call of one; so less than what its nests read, if they read the same. All else is
        counted before compiling.

    Raises
    ------
    UmlipBenchError
        If the model is not compiled.
    """
    plain = count_model(potential)
    model, calls = counted_calls(potential)
    # What was compiled before in this process would be taken for less constant than it is.
    torch._dynamo.reset()
    with kernels_off():
        model.use_compiled("always")
        return {name: _as_compiled(model, graphs, plain[name]) for name, graphs in calls.items()}


def _as_compiled(model: DifferentiablePotential, graphs: Sequence[Graph], plain: Counts) -> Counts:
    model.evaluate(graphs)  # compiles
    counted = _Counted()
    with _counting(list(PyCodeCache.modules), counted):
        model.evaluate(graphs)
    if not counted.kernels:
        raise UmlipBenchError(
            f"{model.card.name} is not compiled; models of CHGNet and matgl can be, with a C++ compiler"
        )
    operations = [Operation(name, n, counted.bytes[name]) for name, n in counted.kernels.items()]
    return replace(
        plain,
        kernels=counted.kernels.total(),
        bytes=counted.bytes.total(),
        operations=tuple(sorted(operations, key=lambda o: (-o.bytes, o.name))),
    )


class _Counted:
    def __init__(self) -> None:
        self.kernels: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def function(self, name: str, kernels: int, do: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, counted."""

        def counting(*args: Any, **options: Any) -> Any:
            self.kernels[name] += kernels
            given = (*args, *options.values())
            self.bytes[name] += sum(bytes_of(each) for each in given if isinstance(each, Tensor))
            return do(*args, **options)

        return counting


class _Products:
    """What generated code calls for products, counted."""

    def __init__(self, own: Any, counted: _Counted) -> None:
        self._own = own
        self._counted = counted

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return self._counted.function(name, 1, getattr(self._own, name))


@contextmanager
def _counting(modules: Sequence[ModuleType], counted: _Counted) -> Iterator[None]:
    """Have generated modules count what they call."""
    own = [dict(vars(module)) for module in modules]
    for module in modules:
        source = Path(str(module.__file__)).read_text(encoding="utf-8")
        nests = {name: len(_NEST.findall(code)) for name, code in _FUNCTION.findall(source)}
        for name, n in nests.items():
            setattr(module, name, counted.function(FUSED, max(n, 1), getattr(module, name)))
        if hasattr(module, PRODUCTS):
            setattr(module, PRODUCTS, _Products(getattr(module, PRODUCTS), counted))
    try:
        yield
    finally:
        for module, values in zip(modules, own, strict=True):
            vars(module).update(values)
