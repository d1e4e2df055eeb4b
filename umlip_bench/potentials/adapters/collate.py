"""Concatenating flat graphs into the tensors that all families share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from umlip_bench.potentials.graph import Batch, Graph


class Concatenation:
    """Offsets of each graph's atoms and edges in the concatenated arrays, and the common tensors.

    Parameters
    ----------
    graphs
        At least one.
    device, dtype
        Where the tensors go and the floating-point type of positions and cells.
    index_dtype
        Type of index tensors. int32 where the model's operations take it: on a CPU torch then sums
        rows directly instead of through a scatter of every element, three times slower.
    """

    def __init__(
        self,
        graphs: Sequence[Graph],
        device: torch.device,
        dtype: torch.dtype,
        index_dtype: torch.dtype = torch.int64,
    ) -> None:
        self.graphs = graphs
        self.device = device
        self.dtype = dtype
        self.index_dtype = index_dtype
        self.n_atoms = np.array([len(g.numbers) for g in graphs])
        self.n_edges = np.array([g.edges.shape[1] for g in graphs])
        self.atom_offsets = np.cumsum(self.n_atoms) - self.n_atoms
        self.edge_offsets = np.cumsum(self.n_edges) - self.n_edges

    def index(self, array: np.ndarray) -> Tensor:
        """An index array as a tensor on the device."""
        return torch.as_tensor(np.ascontiguousarray(array)).to(
            self.device, self.index_dtype, non_blocking=True
        )

    def real(self, array: np.ndarray) -> Tensor:
        """A float array in the batch's number format on the device."""
        return torch.as_tensor(np.ascontiguousarray(array)).to(
            self.device, self.dtype, non_blocking=True
        )

    def batch(self) -> Batch:
        """The tensors common to all families."""
        graphs = self.graphs
        shift = np.repeat(self.atom_offsets, self.n_edges)
        cells = self.real(np.stack([g.cell for g in graphs]))
        ids = np.arange(len(graphs))
        return Batch(
            numbers=self.index(np.concatenate([g.numbers for g in graphs])),
            positions=self.real(np.concatenate([g.positions for g in graphs])),
            cells=cells,
            strain=torch.zeros_like(cells),
            edges=self.index(np.concatenate([g.edges for g in graphs], axis=1) + shift),
            images=self.real(np.concatenate([g.images for g in graphs])),
            structure_of_atom=self.index(np.repeat(ids, self.n_atoms)),
            structure_of_edge=self.index(np.repeat(ids, self.n_edges)),
            n_structures=len(graphs),
        )


def sum_per_structure(values: Tensor, batch: Batch) -> Tensor:
    """Sum per-atom values (N,) into per-structure values (B,) in float64."""
    total = torch.zeros(batch.n_structures, dtype=torch.float64, device=values.device)
    return total.index_add_(0, batch.structure_of_atom, values.double())


def atoms_per_structure(batch: Batch) -> Tensor:
    """Numbers of atoms (B,), int64, without the host waiting for them as `torch.bincount` does."""
    rows = batch.structure_of_atom
    total = torch.zeros(batch.n_structures, dtype=torch.int64, device=rows.device)
    return total.index_add_(0, rows, torch.ones_like(rows, dtype=torch.int64))
