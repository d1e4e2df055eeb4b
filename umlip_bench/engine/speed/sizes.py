"""How much of each kind of work is timed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch

from umlip_bench.engine.speed.cells import displaced_supercells, small_cells, vacancy_hops
from umlip_bench.engine.speed.workloads import (
    Bands,
    CellRelaxations,
    Dynamics,
    PhononDisplacements,
    Relaxations,
    SinglePoints,
    Work,
)

SMALL_ENOUGH = 20
"""Atoms; cells for relaxations and dynamics have at most so many."""

_USUAL: Mapping[str, int] = {
    "static": 32,
    "relax": 12,
    "relax-cell": 12,
    "phonons": 8,
    "neb": 10,
    "md": 12,
}
QUICK: Mapping[str, int] = {"static": 4, "relax": 1, "relax-cell": 1, "phonons": 1, "md": 2}
"""Structures for a first impression, in less than a minute on a CPU; bands take longer."""

ON_A_GPU = 16
"""How many times as many structures a GPU is given, unless their number is."""


def make(
    name: str, device: torch.device, n: int | None = None, against: Collection[str] = ()
) -> Work:
    """The work of that name.

    Parameters
    ----------
    name
        A key of `_USUAL`.
    device
        It is sized for.
    n
        Structures or paths; as many as suit the device unless given.
    against
        Who is timed besides the library's calculator under ASE, where it does such work: `MATCALC`, whose
        import looks for a network, and `TORCH_SIM`.
    """
    n = n or _USUAL[name] * (ON_A_GPU if device.type == "cuda" else 1)
    match name:
        case "static":
            return SinglePoints(small_cells(n), against)
        case "relax":
            return Relaxations(small_cells(n, SMALL_ENOUGH), against)
        case "relax-cell":
            return CellRelaxations(small_cells(n, SMALL_ENOUGH), against)
        case "phonons":
            return PhononDisplacements(displaced_supercells(n), against)
        case "neb":
            return Bands(vacancy_hops(n, n_images=5))
        case "md":
            return Dynamics(small_cells(n, SMALL_ENOUGH))
    raise ValueError(f"there is no work {name!r}; there are {', '.join(_USUAL)}")
