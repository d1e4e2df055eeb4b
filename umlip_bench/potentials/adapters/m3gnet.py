"""M3GNet on flat batches, its three-body terms without a list of angles.

M3GNet adds to each bond ij a sum over the other bonds ik of the same atom,

    m_ij[l, n] = f(r_ij) sum_k f(r_ik) j_ln(r_ik) s_ln(k) Y_l0(cos theta_jik)

(Chen and Ong, Nat. Comput. Sci. 2, 718 (2022), eq. 2), where s is a gate from the features of atom k.
By the addition theorem Y_l0(u . v) is a dot product of harmonics of u and of v, so that the sum over
k can be done once per atom and l, m, n instead of once per angle; the term k = j is then taken off.
The work grows with the number of bonds, not of pairs of bonds, ten times fewer in a crystal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.layers._basis import SphericalBesselFunction
from matgl.layers._core import GatedMLP
from matgl.layers._graph_convolution import M3GNetGraphConv
from matgl.layers._three_body import ThreeBodyInteractions
from matgl.utils.cutoff import polynomial_cutoff
from torch import Tensor, nn

from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.adapters.gated import Branches
from umlip_bench.potentials.adapters.matgl_base import MatglPotential
from umlip_bench.potentials.adapters.matgl_mending import SecondAtomConv
from umlip_bench.potentials.graph import Batch, Energies
from umlip_bench.potentials.kernels.library import used as kernels_are_used
from umlip_bench.potentials.kernels.rows import gather_rows
from umlip_bench.potentials.kernels.threebody import Bonds, Terms, threebody
from umlip_bench.potentials.weights import Weights

MAX_L = 3
"""Angular orders l = 0, 1, 2, as in every published M3GNet."""


class M3gnetPotential(MatglPotential):
    """matgl's M3GNet.

    Raises
    ------
    WeightsError
        If the model has state features, an intensive readout, azimuthal angles, or more angular
        orders than `MAX_L`; no published M3GNet potential does.
    """

    peak_over_saved = 1.2

    def __init__(self, weights: Weights, module: MatglPotentialModule) -> None:
        super().__init__(weights, module)
        model = self.model
        if (
            model.include_state
            or model.is_intensive
            or model.basis_expansion.use_phi
            or model.max_l > MAX_L
        ):
            raise WeightsError(
                f"{weights.card.name}: only extensive M3GNet potentials without state features and "
                f"azimuthal angles and with max_l up to {MAX_L} are supported"
            )
        self._one_basis = _same(model.bond_expansion.rbf, model.basis_expansion.sbf)
        self._own = own_contributions(model.max_l).to(self.device)
        self._order_of_component = order_of_component(model.max_l).to(self.device)

    @property
    def compiles(self) -> bool:
        """Where the kernels for a CPU do not run, which are as fast."""
        return not kernels_are_used(self.device, self.dtype)

    def energies(self, batch: Batch) -> Energies:
        """Energies in eV."""
        model = self.model
        positions, offsets = batch.strained()
        first, second = batch.edges
        vectors = gather_rows(positions, second) + offsets - gather_rows(positions, first)
        lengths = torch.linalg.vector_norm(vectors, dim=1)
        radial = model.bond_expansion(lengths)
        cutoff = polynomial_cutoff(lengths, model.threebody_cutoff)
        angular = _Angular(
            radial=(radial if self._one_basis else model.basis_expansion.sbf(lengths))
            * cutoff[:, None],
            angular=harmonics(vectors / lengths[:, None], model.max_l),
            cutoff=cutoff,
            bonds=Bonds(first, second, self._own, self._order_of_component),
        )
        atoms, bonds, _ = model.embedding(batch.numbers, radial, None)
        for interaction, block in zip(
            model.three_body_interactions, model.graph_layers, strict=True
        ):
            bonds = angular.update(interaction, atoms, bonds)
            atoms, bonds = _convolution(block.conv, atoms, bonds, radial, batch)
        return Energies(self.total(model.final_layer(atoms), batch), descriptors=atoms)


def _same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two radial expansions are the same functions, as in the M3GNet of 2021."""
    if not (
        isinstance(one, SphericalBesselFunction) and isinstance(other, SphericalBesselFunction)
    ):
        return False
    of_both = [(f.max_l, f.max_n, float(f.cutoff), f.smooth) for f in (one, other)]
    return of_both[0] == of_both[1]


def harmonics(directions: Tensor, max_l: int) -> Tensor:
    """Harmonics h with h_l(u) . h_l(v) = Y_l0(u . v) = sqrt((2l + 1) / 4 pi) P_l(u . v).

    Parameters
    ----------
    directions
        Shape (E, 3), unit vectors.
    max_l
        Number of orders, at most `MAX_L`.

    Returns
    -------
    Tensor
        Shape (E, max_l**2): 1, 3, 5 components of l = 0, 1, 2.
    """
    scales = [((2 * order + 1) / (4 * math.pi)) ** 0.25 for order in range(MAX_L)]
    found = [directions.new_full((len(directions), 1), scales[0])]
    if max_l > 1:
        found.append(directions * scales[1])
    if max_l > 2:
        dyads = (directions[:, :, None] * directions[:, None, :]).flatten(1)
        shift = directions.new_tensor([0, 0, 0, 0, -0.5 * scales[2]])
        found.append(torch.addmm(shift, dyads, directions.new_tensor(_OF_DYADS) * scales[2]))
    return torch.cat(found, dim=1)


_ROOT3 = math.sqrt(3.0)
_OF_DYADS = (
    # xy, yz, xz, (x² - y²) / 2 and 3 z² / 2 from the nine products of components
    (0, 0, 0, 0.5 * _ROOT3, 0),
    (_ROOT3, 0, 0, 0, 0),
    (0, 0, _ROOT3, 0, 0),
    (0, 0, 0, 0, 0),
    (0, 0, 0, -0.5 * _ROOT3, 0),
    (0, _ROOT3, 0, 0, 0),
    (0, 0, 0, 0, 0),
    (0, 0, 0, 0, 0),
    (0, 0, 0, 0, 1.5),
)


def own_contributions(max_l: int) -> Tensor:
    """Y_l0(1), shape (max_l,): what the term k = j contributes to the sum of each order."""
    return torch.sqrt((2 * torch.arange(max_l, dtype=torch.float64) + 1) / (4 * math.pi))


def order_of_component(max_l: int) -> Tensor:
    """The order l of each of its 2 l + 1 components, shape (max_l²,)."""
    order = torch.arange(max_l)
    return order.repeat_interleave(2 * order + 1)


@dataclass(frozen=True, eq=False)
class _Angular:
    """What the three-body sums over a batch's bonds are made of, in every layer."""

    radial: Tensor
    angular: Tensor
    cutoff: Tensor
    bonds: Bonds

    def update(self, interaction: ThreeBodyInteractions, atoms: Tensor, bonds: Tensor) -> Tensor:
        """Bond features after the three-body interaction, equations 2 and 3."""
        gate = interaction.update_network_atom(atoms)
        total = threebody(Terms(self.radial, gate, self.angular, self.cutoff), self.bonds)
        return bonds + _gated(interaction.update_network_bond)([(total, None)])


def _gated(gated: GatedMLP) -> Branches:
    return Branches.of(gated.layers, gated.gates)


def _convolution(
    conv: M3GNetGraphConv, atoms: Tensor, bonds: Tensor, radial: Tensor, batch: Batch
) -> tuple[Tensor, Tensor]:
    """Bond and atom update, equations 4 and 5."""
    first, second = batch.edges
    bonds = _gated(conv.edge_update_func)(
        [(atoms, first), (atoms, second), (bonds, None)],
        scales=[(radial, conv.edge_weight_func)],
        residual=True,
    )
    receiver = second if isinstance(conv, SecondAtomConv) else first
    messages = _gated(conv.node_update_func)(
        [(atoms, first), (atoms, second), (bonds, None)],
        scales=[(radial, conv.node_weight_func)],
        into=(receiver, len(atoms)),
    )
    return atoms + messages, bonds
