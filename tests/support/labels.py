"""Labels made by a model, so that what a fit has to find is known."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.potentials.corrections.folder import ScalarCorrection
from umlip_bench.potentials.corrections.scaled import scaled
from umlip_bench.potentials.protocol import Potential


def labelled(potential: Potential, structures: Sequence[Atoms]) -> list[Frame]:
    """Frames with a model's own values."""
    return [
        Frame(
            atoms, found.energy, found.forces, found.stress, atoms.symbols.get_chemical_formula(), k
        )
        for k, (atoms, found) in enumerate(
            zip(structures, predict(potential, structures), strict=True)
        )
    ]


def stiffer(potential: Potential, factor: float) -> Potential:
    """The model with its energy surface scaled."""
    return scaled(potential.weights, potential, ScalarCorrection(factor))
