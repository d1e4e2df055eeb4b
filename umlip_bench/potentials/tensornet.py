"""TensorNet on flat batches."""

from __future__ import annotations

from types import SimpleNamespace

from umlip_bench.potentials.matgl import MatglPotential
from umlip_bench.potentials.protocol import Batch, Energies, Footprint


class TensornetPotential(MatglPotential):
    """matgl's TensorNet."""

    footprint = Footprint(per_atom=0.0, per_edge=89e3, per_angle=0.0)
    edges_per_cpu_batch = 1  # its messages are 3x3 matrices: a single structure fills the cache

    def energies(self, batch: Batch) -> Energies:
        """Energies in eV."""
        positions, offsets = batch.strained()
        features = self.model.forward_features(
            SimpleNamespace(
                node_type=batch.numbers,
                pos=positions,
                edge_index=batch.edges,
                pbc_offshift=offsets,
            )
        )["readout"]
        return Energies(self.total(self.model.final_layer(features), batch), descriptors=features)
