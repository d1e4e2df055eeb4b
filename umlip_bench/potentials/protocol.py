"""What every potential is to the rest of the package: prepare a structure, evaluate many at once.

`Potential` is the seam to the engine and the benchmarks. `DifferentiablePotential` is what the
families built on torch implement: three methods, on top of which prediction (here) and training are
written once. A correction is a wrapper around any of them, not a variant per family.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from time import monotonic

import numpy as np
import torch
from ase import Atoms
from ase.calculators.calculator import Calculator
from torch import Tensor

from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.ground.model_card import ModelCard
from umlip_bench.potentials.compile_mode import Compile, wanted
from umlip_bench.potentials.compiled import Compilation
from umlip_bench.potentials.denormals import flushed
from umlip_bench.potentials.graph import N_ELEMENTS, Batch, Energies, Footprint, Graph, Prediction
from umlip_bench.potentials.memory import probe_footprint
from umlip_bench.potentials.weights import Weights


class Potential(ABC):
    """A potential that evaluates any number of periodic structures in one call.

    Attributes
    ----------
    weights
        The card and where the weights came from.
    card
        Completed with what only shows once the weights are read (elements, parameter count).
    footprint
        Bytes that autograd saves in a call with stress, in `dtype`.
    peak_over_saved
        At most this many times as much is in use at the peak of a call.
    edges_per_cpu_batch
        What a CPU is handed at once where nothing is calibrated: larger batches leave the cache
        and are slower, not faster.
    memory_limit
        Set by the engine when a call runs out of memory: the budget it has gone down to, which
        this object keeps for the rest of the process.
    """

    weights: Weights
    card: ModelCard
    device: torch.device
    dtype: torch.dtype
    footprint: Footprint
    peak_over_saved: float = 2.0
    edges_per_cpu_batch: int = 4000
    memory_limit: float = math.inf

    @abstractmethod
    def prepare(self, atoms: Atoms) -> Graph:
        """Check a structure and turn it into flat arrays.

        Raises
        ------
        StructureError
            If the structure cannot or should not be evaluated; the message says why.
        """

    @abstractmethod
    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Evaluate all graphs in one call to the model; the caller keeps it within memory."""

    def element_references(self) -> np.ndarray:
        """Energy that the model adds for every atom of an element, whatever surrounds it.

        Returns
        -------
        ndarray
            Shape (119,), eV, by atomic number; nan for elements that the model does not know. Zero
            throughout for a model that has no such references, as here.
        """
        return np.zeros(N_ELEMENTS)

    def use_compiled(self, mode: Compile) -> None:  # noqa: B027
        """Have torch compile the model, or not; without effect for those that are not torch's."""

    def reference_calculator(self) -> Calculator:
        """The library's own ASE calculator of the same weights, to check and time against.

        Raises
        ------
        UmlipBenchError
            If the family has none.
        """
        raise UmlipBenchError(f"{self.card.name}: the family {self.card.family} names no reference")


class DifferentiablePotential(Potential):
    """A potential whose energy torch can differentiate; families implement these three methods."""

    _compile: Compile | None = None
    _compilation: Compilation | None = None

    def __getstate__(self) -> dict[str, object]:
        """All but what is compiled: copies, and other processes, compile for themselves."""
        return {name: value for name, value in vars(self).items() if name != "_compilation"}

    @cached_property
    def footprint(self) -> Footprint:  # type: ignore[override]
        """Bytes that autograd saves, measured on this very model when first asked for.

        A constant per family would not do: models of one family differ by factors. What is saved
        is the same on every device, and linear, so that calls of a few atoms settle it exactly.
        """
        return probe_footprint(self)

    @property
    def compiles(self) -> bool:
        """Whether `energies` is one graph to ``torch.compile``, and compiled faster than as it stands."""
        return False

    def use_compiled(self, mode: Compile) -> None:
        """Have `evaluate` compile, or not, whatever `umlip_bench.potentials.compile_mode.VARIABLE` says.

        Parameters
        ----------
        mode
            As of `umlip_bench.potentials.compiled.Compilation`; without effect where nothing `compiles`.
        """
        self._compile, self._compilation = mode, None

    def _compilation_of_this(self) -> Compilation:
        if self._compilation is None or not self._compilation.is_of(self):
            mode = self._compile or wanted()
            self._compilation = Compilation(self, mode if self.compiles else "never")
        return self._compilation

    @abstractmethod
    def collate(self, graphs: Sequence[Graph]) -> Batch:
        """One set of tensors for all graphs, on the potential's device."""

    @abstractmethod
    def energies(self, batch: Batch) -> Energies:
        """Energies of a batch, differentiable with respect to its positions and strain."""

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Energies, forces and stress of all graphs from one forward and one backward pass."""
        if not graphs:
            return []
        compilation = self._compilation_of_this()
        start = monotonic()
        ready = compilation.ready(graphs)
        batch = ready.batch
        leaves = [batch.positions.requires_grad_(True)]
        if stress or ready.compiled:
            leaves.append(batch.strain.requires_grad_(True))
        with torch.enable_grad(), flushed(self.device, self.dtype):
            result = ready.energies(batch)
            gradients = torch.autograd.grad(
                result.energy.sum(), leaves, allow_unused=True, materialize_grads=True
            )
        magmoms = () if result.magmoms is None else (result.magmoms,)
        energy, gradient, *rest = _on_host([result.energy, *gradients, *magmoms])
        compilation.took(monotonic() - start)
        forces = -gradient
        stresses = rest.pop(0) if len(leaves) > 1 else None
        moments = rest.pop(0) if magmoms else None

        predictions = []
        end = 0
        for k, graph in enumerate(graphs):
            start, end = end, end + len(graph.numbers)
            volume = abs(np.linalg.det(graph.cell))
            predictions.append(
                Prediction(
                    energy=float(energy[k]),
                    forces=forces[start:end].copy(),
                    stress=stresses[k] / volume if stress and stresses is not None else None,
                    magmoms=None if moments is None else moments[start:end].copy(),
                )
            )
        return predictions


def _on_host(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Arrays in float64, by one copy from the device."""
    flat = torch.cat([tensor.detach().double().reshape(-1) for tensor in tensors]).cpu().numpy()
    ends = np.cumsum([tensor.numel() for tensor in tensors])
    parts = np.split(flat, ends[:-1])
    return [part.reshape(tensor.shape) for part, tensor in zip(parts, tensors, strict=True)]
