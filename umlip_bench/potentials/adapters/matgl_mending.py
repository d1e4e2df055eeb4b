"""Mending matgl weights from before matgl 3.

They were trained with messages summed onto the second atom of each edge; matgl 3 and later sum onto the
first and load the old weights without complaint, wrong by 1 to 9 eV/atom on compounds.
`mend_message_direction` restores the direction on the loaded instance; the library's classes stay as
they are for models trained on newer versions.
"""

from __future__ import annotations

from matgl.apps.pes import Potential as MatglPotentialModule
from matgl.layers._embedding import TensorEmbedding
from matgl.layers._graph_convolution import M3GNetGraphConv
from matgl.models import M3GNet, TensorNet
from torch import Tensor, hstack

from umlip_bench.ground.errors import WeightsError


class SecondAtomConv(M3GNetGraphConv):
    """M3GNet's graph convolution with node messages summed onto the second atom of each edge."""

    def node_update_(
        self,
        edge_index: Tensor,
        edge_feat: Tensor,
        node_feat: Tensor,
        rbf: Tensor,
        u_per_edge: Tensor | None,
        num_nodes: int,
    ) -> Tensor:
        """Equation 5 of the M3GNet paper, summed as the weights were trained."""
        first, second = edge_index
        inputs = [node_feat[first], node_feat[second], edge_feat]
        if u_per_edge is not None:
            inputs.append(u_per_edge)
        messages = self.node_update_func(hstack(inputs)) * self.node_weight_func(rbf)
        return messages.new_zeros(num_nodes, messages.shape[1]).index_add(0, second, messages)


class SecondAtomEmbedding(TensorEmbedding):
    """TensorNet's embedding with messages summed onto the second atom of each edge.

    The embedding sums onto the first row of the edges it is given; handing it reversed edges and
    undoing the exchange inside the message leaves the sum as the only difference.
    """

    def forward(self, z: Tensor, edge_index: Tensor, *args: Tensor | None) -> tuple:
        """Embed with the edges reversed."""
        return super().forward(z, edge_index.flip(0), *args)

    def message(self, x_i: Tensor, x_j: Tensor, *args: Tensor, **kwargs: Tensor) -> tuple:
        """The library's message for the edge as it was before the reversal."""
        return super().message(x_j, x_i, *args, **kwargs)


def mend_message_direction(potential: MatglPotentialModule) -> None:
    """Make a loaded potential sum its messages as weights from before matgl 3 were trained.

    Changes this instance only. Needed again after every save and load through matgl.

    Raises
    ------
    WeightsError
        If the architecture is not one whose old convention is known.
    """
    model = potential.model
    if isinstance(model, M3GNet):
        for layer in model.graph_layers:
            layer.conv.__class__ = SecondAtomConv
    elif isinstance(model, TensorNet) and type(model.tensor_embedding) is TensorEmbedding:
        model.tensor_embedding.__class__ = SecondAtomEmbedding
    else:
        raise WeightsError(
            f"{type(model).__name__} weights from before matgl 3 cannot be used safely: how their "
            "messages were summed is known only for M3GNet and for TensorNet without warp kernels"
        )
