"""Labels of curvature from the phonons of a data set."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from umlip_bench.benchmarks.phonons.case import of_forces
from umlip_bench.benchmarks.phonons.displacements import RandomDisplacements
from umlip_bench.datasets.cases import PhononCase, ReferenceCase
from umlip_bench.finetune.force_sets import ForceSet


def force_sets(cases: Iterable[ReferenceCase]) -> tuple[ForceSet, ...]:
    """The force sets among cases, e.g. of ``datasets.load(folder).of_task("phonons")``.

    Raises
    ------
    StructureError
        If phonopy makes no crystal of a case's cells.
    """
    return tuple(_of(case) for case in cases if isinstance(case, PhononCase))


def _of(case: PhononCase) -> ForceSet:
    measured = of_forces(case)
    crystal = measured.crystal()
    assert measured.displacements is not None
    (rest,) = crystal.displaced(RandomDisplacements(np.zeros((1, case.forces.shape[1], 3))))
    return ForceSet(
        case.system, rest, tuple(crystal.displaced(measured.displacements)), case.forces
    )
