"""Evaluating any number of structures at once."""

from __future__ import annotations

from collections.abc import Sequence

from ase import Atoms

from umlip_bench.engine.packing import Packer
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential


def predict(
    potential: Potential, structures: Sequence[Atoms] | Atoms, *, stress: bool = True
) -> list[Prediction]:
    """Evaluate any number of structures, batched as fits the device.

    Parameters
    ----------
    potential
        The model.
    structures
        Periodic structures; a single one is taken as a list of one.
    stress
        Whether to compute the stress.

    Returns
    -------
    list of Prediction
        In the order of `structures`.

    Raises
    ------
    StructureError
        If one of them cannot be evaluated; nothing has been computed then.
    """
    if isinstance(structures, Atoms):
        structures = [structures]
    graphs = [potential.prepare(atoms) for atoms in structures]
    packer = Packer(potential)
    return [
        prediction
        for members in packer.partition(graphs)
        for prediction in packer.evaluate([graphs[k] for k in members], stress=stress)
    ]
