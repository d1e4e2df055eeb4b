"""A change put on a parent."""

from __future__ import annotations

from dataclasses import replace

from umlip_bench.potentials.corrections.modification import (
    Change,
    ForeignChange,
    ReferenceShift,
    ScalarCorrection,
)
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.corrections.shifted import shifted
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.weights import Weights


def applied(change: Change, parent: Potential, weights: Weights | None = None) -> Potential:
    """The corrected model.

    Parameters
    ----------
    change
        What is done.
    parent
        As its family loads it; where weights were trained, loaded of those.
    weights
        The corrected model's card, and where it was read from; the parent's by default.
    """
    weights = weights or parent.weights
    match change:
        case ScalarCorrection():
            return scaled(weights, parent, change)
        case ReferenceShift():
            return shifted(weights, parent, change)
        case ForeignChange():
            return change.put_on(parent, weights)
    # Trained weights: the family's own potential, under the name of the folder.
    found = parent.card
    parent.weights = weights
    parent.card = replace(weights.card, elements=found.elements, n_parameters=found.n_parameters)
    return parent
