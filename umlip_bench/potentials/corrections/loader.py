"""The family of corrected models: the parent is loaded as ever, and what was fitted is put on top."""

from __future__ import annotations

from dataclasses import replace

import torch

from umlip_bench.ground.errors import WeightsError
from umlip_bench.potentials.corrections.folder import CARD, CorrectedWeights
from umlip_bench.potentials.corrections.modification import (
    ReferenceShift,
    ScalarCorrection,
    TrainedWeights,
)
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.corrections.shifted import shifted
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
    loader = family(weights.base.card.family)
    potential = loader(weights.base, device=device, dtype=dtype)
    match weights.correction.change:
        case ScalarCorrection() as scalar:
            return scaled(weights, potential, scalar)
        case ReferenceShift() as shift:
            return shifted(weights, potential, shift)
        case TrainedWeights():
            # The family's own potential, under the name of the folder.
            found = potential.card
            potential.weights = weights
            potential.card = replace(
                weights.card, elements=found.elements, n_parameters=found.n_parameters
            )
            return potential
