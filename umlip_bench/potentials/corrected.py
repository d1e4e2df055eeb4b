"""The family of corrected models: the parent is loaded as ever, and what was fitted is put on top."""

from __future__ import annotations

import torch

from umlip_bench.errors import WeightsError
from umlip_bench.potentials.correction import CARD, CorrectedWeights
from umlip_bench.potentials.families import family
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.scaled import scaled
from umlip_bench.potentials.store import Weights


def load(weights: Weights, *, device: torch.device, dtype: torch.dtype) -> Potential:
    """Load a corrected model.

    Raises
    ------
    WeightsError
        If the parent cannot be loaded, or `weights` were not located as a corrected model.
    """
    if not isinstance(weights, CorrectedWeights):
        raise WeightsError(
            f"{weights.card.name} is not the folder of a corrected model (a folder with {CARD})"
        )
    loader = family(weights.parent.card.family)
    parent = loader(weights.parent, device=device, dtype=dtype)
    return scaled(weights, parent, weights.correction.scalar)
