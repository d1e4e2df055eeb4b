"""Filling model calls: which graphs go together, and what to do when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TypeVar

import torch

from umlip_bench.engine.calibration import calibration_of
from umlip_bench.engine.free_memory import free_memory
from umlip_bench.ground.errors import DeviceError
from umlip_bench.potentials.graph import Cost, Footprint, Graph, Prediction
from umlip_bench.potentials.memory import cost_of_call, memory_ran_out
from umlip_bench.potentials.protocol import Potential

T = TypeVar("T")

logger = logging.getLogger(__name__)

_SHARE_OF_FREE_MEMORY = 0.8
"""The allocator cannot use every gap, and predictions err."""

_NOT_WORTH_ASKING = 2e8
"""Bytes up to which a CPU is taken to have them: asking the system takes time as well."""


class Packer:
    """Groups graphs into calls that fit the device of one potential, and makes those calls.

    On a GPU the budget is bytes: predicted peaks of memory against what is free. On a CPU it is a
    number of edges, since batches that leave the cache are slower; there the predicted need is
    compared with free memory before a call, since the system ends a process that takes too much.
    Both come from the calibration of the model on this device, if there is one, else from the
    potential's own `footprint` and `edges_per_cpu_batch`.

    When memory runs out all the same, the call is halved until it fits, and the budget stays
    halved for this potential in this process. Nothing is written down: the reason may as well have
    been another program.
    """

    def __init__(self, potential: Potential) -> None:
        self.potential = potential
        self.calibration = calibration_of(potential)
        self._on_gpu = potential.device.type == "cuda"
        if self._on_gpu:
            fixed = self.peak.per_call + self.peak.per_call_with_angles
            self.budget = _SHARE_OF_FREE_MEMORY * free_memory(potential.device) - fixed
        elif self.calibration is not None and self.calibration.edges_per_batch is not None:
            self.budget = float(self.calibration.edges_per_batch)
        else:
            self.budget = float(potential.edges_per_cpu_batch)
        self.budget = min(self.budget, potential.memory_limit)

    @cached_property
    def peak(self) -> Footprint:
        """Bytes in use at the peak of a call."""
        if self.calibration is None:
            return self.potential.footprint.scaled(self.potential.peak_over_saved)
        if self._on_gpu:
            return self.calibration.memory
        return self.calibration.memory.scaled(self.potential.peak_over_saved)

    def weight(self, graph: Graph) -> float:
        """What a graph takes of the budget, at least 1."""
        if self._on_gpu:
            return max(self.peak.added_by(graph.cost), 1.0)
        return float(max(graph.cost.edges, 1))

    def partition(self, graphs: Sequence[Graph]) -> Iterator[list[int]]:
        """Indices of the graphs of each call: in order, as many as fit the budget."""
        call: list[int] = []
        filled = 0.0
        for k, graph in enumerate(graphs):
            weight = self.weight(graph)
            if call and filled + weight > self.budget:
                yield call
                call, filled = [], 0.0
            call.append(k)
            filled += weight
        if call:
            yield call

    def seconds(self, graphs: Sequence[Graph]) -> float | None:
        """Predicted time of evaluating graphs in calls as `partition` has them.

        ``None`` if the model is not calibrated on this device. The time to prepare the graphs is
        not in it.
        """
        if self.calibration is None:
            return None
        calls = [cost_of_call([graphs[k] for k in call]) for call in self.partition(graphs)]
        return self.calibration.duration.of_calls(calls)

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Evaluate graphs in one call; where memory does not suffice, in halves.

        Raises
        ------
        DeviceError
            If a single graph does not fit; the message gives the predicted need and what is free.
        """

        def predict(members: Sequence[int]) -> list[Prediction]:
            return self.potential.evaluate([graphs[k] for k in members], stress=stress)

        return [p for found in self.in_halves(graphs, predict) for p in found]

    def in_halves(self, graphs: Sequence[Graph], call: Callable[[Sequence[int]], T]) -> Iterator[T]:
        """Make one call for graphs; where memory does not suffice, one for each half of them.

        Parameters
        ----------
        graphs
            What the call is for, at least one.
        call
            From indices into `graphs` to its result; leaves nothing behind if it fails.

        Yields
        ------
        T
            Results in the order of the graphs.

        Raises
        ------
        DeviceError
            If a single graph does not fit; the message gives the predicted need and what is free.
        """
        yield from self._in_halves(graphs, range(len(graphs)), call)

    def _in_halves(
        self, graphs: Sequence[Graph], members: Sequence[int], call: Callable[[Sequence[int]], T]
    ) -> Iterator[T]:
        failure: BaseException | None = None
        mine = [graphs[k] for k in members]
        if self._worth_trying(mine):
            try:
                found = call(members)
            except (RuntimeError, MemoryError) as error:
                if not memory_ran_out(error):
                    raise
                # The traceback holds the tensors of the failed call.
                failure = error.with_traceback(None)
            else:
                yield found
                return
        if self._on_gpu:
            torch.cuda.empty_cache()
        if len(mine) == 1:
            raise self._too_large(mine[0].cost) from failure
        self.budget = min(self.budget, sum(map(self.weight, mine))) / 2
        self.potential.memory_limit = min(self.potential.memory_limit, self.budget)
        logger.warning(
            "%s: not enough memory for a call of %d structures on %s; going on with half of it",
            self.potential.card.name,
            len(mine),
            self.potential.device,
        )
        half = len(mine) // 2
        yield from self._in_halves(graphs, members[:half], call)
        yield from self._in_halves(graphs, members[half:], call)

    def _worth_trying(self, graphs: Sequence[Graph]) -> bool:
        """Whether a call may be made; a GPU says itself when it is too large, harmlessly."""
        if self._on_gpu:
            return True
        need = self.peak.of_call(cost_of_call(graphs))
        return need < _NOT_WORTH_ASKING or need <= free_memory(self.potential.device)

    def _too_large(self, cost: Cost) -> DeviceError:
        device, dtype = self.potential.device, self.potential.dtype
        need, free = self.peak.of_call(cost) / 1e9, free_memory(device) / 1e9
        remedies = ["--device cpu"] if self._on_gpu else []
        if dtype == torch.float64:
            remedies.append("--dtype float32")
        remedies.append("a smaller cell, or a machine with more memory")
        return DeviceError(
            f"a structure of {cost.atoms} atoms and {cost.edges} edges does not fit on {device}: "
            f"{self.potential.card.name} in {str(dtype).removeprefix('torch.')} needs about "
            f"{need:.1f} GB for it, and {free:.1f} GB are free; use {', '.join(remedies)}"
        )
