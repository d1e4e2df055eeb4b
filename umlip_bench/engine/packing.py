"""Filling model calls: which graphs go together, and what to do when memory runs out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import torch

from umlip_bench.errors import DeviceError
from umlip_bench.potentials.protocol import Graph, Potential, Prediction

logger = logging.getLogger(__name__)

_PEAK_OVER_SAVED = 1.7
"""Measured ratio of peak memory to what autograd saves for the backward pass."""

_SHARE_OF_FREE_MEMORY = 0.8


class Packer:
    """Groups graphs into calls that fit the device of one potential, and makes those calls.

    On a GPU the budget is bytes, predicted from the potential's `Footprint`; when the device still
    runs out of memory the budget is halved and stays halved. On a CPU it is a number of edges, since
    batches that leave the cache are slower.
    """

    def __init__(self, potential: Potential) -> None:
        self.potential = potential
        self._on_gpu = potential.device.type == "cuda"
        if self._on_gpu:
            free, _ = torch.cuda.mem_get_info(potential.device)
            # What torch keeps for itself but does not use is free as well.
            free += torch.cuda.memory_reserved(potential.device)
            free -= torch.cuda.memory_allocated(potential.device)
            width = torch.finfo(potential.dtype).bits / 32
            self.budget = _SHARE_OF_FREE_MEMORY * free / (_PEAK_OVER_SAVED * width)
        else:
            self.budget = float(potential.edges_per_cpu_batch)

    def weight(self, graph: Graph) -> float:
        """What a graph takes of the budget."""
        if self._on_gpu:
            return self.potential.footprint.bytes(graph.cost)
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

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        """Evaluate graphs in one call; on running out of memory, in halves.

        Raises
        ------
        DeviceError
            If a single graph does not fit.
        """
        try:
            return self.potential.evaluate(graphs, stress=stress)
        except torch.cuda.OutOfMemoryError as error:
            if len(graphs) == 1:
                cost = graphs[0].cost
                need = self.potential.footprint.bytes(cost) * _PEAK_OVER_SAVED / 1e9
                raise DeviceError(
                    f"a structure of {cost.atoms} atoms and {cost.edges} edges does not fit on "
                    f"{self.potential.device}: it needs about {need:.1f} GB; use --device cpu"
                ) from error
        # Outside the except block, so that the traceback no longer holds the tensors of the failure.
        torch.cuda.empty_cache()
        self.budget = min(self.budget, sum(map(self.weight, graphs))) / 2
        logger.warning("out of GPU memory at %d structures; halving the batch", len(graphs))
        half = len(graphs) // 2
        return [
            *self.evaluate(graphs[:half], stress=stress),
            *self.evaluate(graphs[half:], stress=stress),
        ]
