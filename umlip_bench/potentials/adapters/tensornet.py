"""TensorNet on flat batches, in irreducible components.

TensorNet (Simeon and De Fabritiis, NeurIPS 2023) keeps a 3x3 matrix per atom and channel, split into its
scalar, antisymmetric and traceless symmetric parts, and scales the parts separately in every
message. Written as three 3x3 matrices each message has 27 numbers; in an orthonormal basis of the
parts (1 + 3 + 5 components) it has nine. Matrices are formed only per atom, where two are multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.layers._embedding import TensorEmbedding
from matgl.layers._graph_convolution import TensorNetInteraction
from matgl.utils.cutoff import cosine_cutoff
from torch import Tensor, nn

from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.adapters.matgl_base import MatglPotential
from umlip_bench.potentials.adapters.matgl_mending import SecondAtomEmbedding
from umlip_bench.potentials.graph import Batch, Energies
from umlip_bench.potentials.kernels.rows import add_rows, gather_rows
from umlip_bench.potentials.weights import Weights

PART_OF_COMPONENT = (0, 1, 1, 1, 2, 2, 2, 2, 2)
"""0: scalar, 1: antisymmetric, 2: traceless symmetric."""


def irreducible_basis() -> Tensor:
    """Orthonormal basis of 3x3 matrices, shape (9, 3, 3), ordered as `PART_OF_COMPONENT`."""
    basis = torch.zeros(9, 3, 3, dtype=torch.float64)
    basis[0] = torch.eye(3, dtype=torch.float64) / math.sqrt(3)
    for k, (i, j) in enumerate([(1, 2), (2, 0), (0, 1)]):
        basis[1 + k, j, i], basis[1 + k, i, j] = math.sqrt(0.5), -math.sqrt(0.5)
        basis[4 + k, j, i] = basis[4 + k, i, j] = math.sqrt(0.5)
    diagonals = torch.tensor([[1, -1, 0], [-1, -1, 2]], dtype=torch.float64)
    basis[7:] = torch.diag_embed(diagonals / diagonals.norm(dim=1, keepdim=True))
    return basis


class TensornetPotential(MatglPotential):
    """matgl's TensorNet.

    Raises
    ------
    WeightsError
        If the model has an intensive readout, which no published potential has.
    """

    peak_over_saved = 1.3
    edges_per_cpu_batch = 500

    def __init__(self, weights: Weights, module: MatglPotentialModule) -> None:
        super().__init__(weights, module)
        if self.model.is_intensive:
            raise WeightsError(f"{weights.card.name}: only extensive TensorNets are supported")
        self._basis = irreducible_basis().to(self.device, self.dtype)
        self._part = torch.tensor(PART_OF_COMPONENT, device=self.device)

    @property
    def compiles(self) -> bool:
        """Everywhere: there are no kernels of ours."""
        return True

    def energies(self, batch: Batch) -> Energies:
        """Energies in eV."""
        model = self.model
        positions, offsets = batch.strained()
        first, second = batch.edges
        vectors = gather_rows(positions, second) + offsets - gather_rows(positions, first)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        radial = model.bond_expansion(lengths)
        envelope = cosine_cutoff(lengths, model.cutoff)[:, None]
        tensors = self._embed(
            model.tensor_embedding, batch, vectors / lengths[:, None], radial, envelope
        )
        for layer in model.layers:
            tensors = self._interact(layer, tensors, batch, radial, envelope)
        norms = torch.zeros_like(tensors[:, :3]).index_add(1, self._part, tensors**2)
        features = model.linear(model.out_norm(norms.flatten(1)))
        return Energies(self.total(model.final_layer(features), batch), descriptors=features)

    def _embed(
        self,
        layer: TensorEmbedding,
        batch: Batch,
        directions: Tensor,
        radial: Tensor,
        envelope: Tensor,
    ) -> Tensor:
        """Components (N, 9, channels) from the species of each atom and its neighbours."""
        first, second = batch.edges
        species = layer.emb(batch.numbers)
        of_first, of_second = layer.emb2.weight.split(layer.units, dim=1)
        pair = torch.addmm(layer.emb2.bias, species, of_first.T).index_select(0, first)
        pair = (pair + (species @ of_second.T).index_select(0, second)) * envelope
        projections = [layer.distance_proj1, layer.distance_proj2, layer.distance_proj3]
        scales = torch.stack([pair * projection(radial) for projection in projections], dim=1)
        messages = scales.index_select(1, self._part) * self._of_directions(directions)[:, :, None]
        receiver = second if isinstance(layer, SecondAtomEmbedding) else first
        tensors = add_rows(messages, receiver, len(species))

        gates = layer.init_norm((tensors**2).sum(1))
        for linear in layer.linears_scalar:
            gates = layer.act(linear(gates))
        gates = gates.view(len(species), layer.units, 3).transpose(1, 2)
        return self._mix(layer.linears_tensor, tensors) * gates.index_select(1, self._part)

    def _interact(
        self,
        layer: TensorNetInteraction,
        tensors: Tensor,
        batch: Batch,
        radial: Tensor,
        envelope: Tensor,
    ) -> Tensor:
        """Components after one interaction."""
        first, second = batch.edges
        scales = radial
        for linear in layer.linears_scalar:
            scales = layer.act(linear(scales))
        scales = (scales * envelope).view(len(radial), layer.units, 3).transpose(1, 2)

        tensors = _normalised(tensors)
        mixed = self._mix(layer.linears_tensor[:3], tensors)
        messages = scales.index_select(1, self._part) * gather_rows(mixed, second)
        received = add_rows(messages, first, len(mixed))

        ours, theirs = self._matrices(mixed), self._matrices(received)
        if layer.equivariance_invariance_group == "O(3)":
            product = theirs @ ours + ours @ theirs
        else:
            product = 2 * ours @ theirs
        update = self._mix(layer.linears_tensor[3:], _normalised(self._components(product)))
        matrices = self._matrices(update)
        return tensors + update + self._components(matrices @ matrices)

    def _mix(self, linears: Sequence[nn.Linear], tensors: Tensor) -> Tensor:
        """Mix the channels of each part with its own linear map."""
        parts = tensors.split([1, 3, 5], dim=1)
        mixed = [linear(part) for linear, part in zip(linears, parts, strict=True)]
        return torch.cat(mixed, dim=1)

    def _of_directions(self, directions: Tensor) -> Tensor:
        """Components (E, 9) of 1, of the cross product with a unit vector, and of its dyad."""
        scalar = directions.new_full((len(directions), 1), math.sqrt(3))
        dyads = directions[:, :, None] * directions[:, None, :]
        symmetric = dyads.flatten(1) @ self._basis[4:].flatten(1).T
        return torch.cat([scalar, math.sqrt(2) * directions, symmetric], dim=1)

    def _matrices(self, tensors: Tensor) -> Tensor:
        """Matrices (N, channels, 3, 3) of components (N, 9, channels)."""
        flat = tensors.transpose(1, 2) @ self._basis.flatten(1)
        return flat.view(*flat.shape[:2], 3, 3)

    def _components(self, matrices: Tensor) -> Tensor:
        """Components (N, 9, channels) of matrices (N, channels, 3, 3)."""
        return (matrices.flatten(2) @ self._basis.flatten(1).T).transpose(1, 2)


def _normalised(tensors: Tensor) -> Tensor:
    """Divide by the squared Frobenius norm plus one; the basis is orthonormal."""
    return tensors / ((tensors**2).sum(1, keepdim=True) + 1)
