"""The family of corrected models: the parent is loaded as ever, and what was fitted is put on top."""

from __future__ import annotations

import torch

from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.corrections.applied import applied
from umlip_bench.potentials.corrections.folder import CARD, CorrectedWeights
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights


def load(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> Potential:
    """Load a corrected model.

    Raises
    ------
    WeightsError
        If the weights cannot be loaded, or `weights` were not located as a corrected model.
    """
    if not isinstance(weights, CorrectedWeights):
        raise WeightsError(
            f"{weights.card.name} is not the folder of a corrected model (a folder with {CARD})"
        )
    parent = family(weights.base.card.family)(weights.base, device=device, dtype=dtype)
    return applied(weights.correction.change, parent, weights)
