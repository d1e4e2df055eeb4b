"""Migration barriers of which a source has the number alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ase import Atoms

from umlip_bench.datasets.cases import ReferenceCase
from umlip_bench.datasets.tasks import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class BarrierCase(ReferenceCase):
    """The barrier of a hop, without its path.

    Parameters
    ----------
    atoms
        The crystal, into a vacancy of which the ion hops; or, with `last`, the first end point.
    last
        The last end point, atoms in the same order; ``None`` for a hop into a vacancy.
    ion
        Element that hops.
    distance
        Å, that it hops; nan for the shortest hop that there is.
    barrier
        eV, half the sum of those of both directions.
    """

    task: ClassVar[Task] = Task.MIGRATION

    atoms: Atoms
    last: Atoms | None
    ion: str
    distance: float
    barrier: float
