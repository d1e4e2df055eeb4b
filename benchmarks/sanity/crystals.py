"""What is checked: crystals of a data set, and the elements in it."""

from __future__ import annotations

from collections.abc import Iterator

from ase import Atoms

from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import (
    ElasticCase,
    EosCase,
    HeatCapacityCase,
    PhononCase,
    ReferenceCase,
    SurfaceCase,
)
from umlip_bench.datasets.overview import structures
from umlip_bench.datasets.phonon_cases import ForceConstantsCase, FrequencyCase


def crystals(dataset: Dataset) -> dict[str, Atoms]:
    """A cell of each material that the set has as a crystal, by name: the smallest, where it has several.

    Frames of dynamics, slabs and cells with defects are none: what is true of their energies under pressure
    is not known.
    """
    usable = [case for case in dataset.cases if case.unusable is None]
    found: dict[str, Atoms] = {}
    for case in usable:
        for atoms in _crystal(case):
            known = found.get(case.system)
            if known is None or len(atoms) < len(known):
                found[case.system] = atoms
    return found


def _crystal(case: ReferenceCase) -> Iterator[Atoms]:
    if isinstance(case, EosCase | ElasticCase | HeatCapacityCase | FrequencyCase):
        yield case.atoms
    elif isinstance(case, PhononCase | ForceConstantsCase):
        yield case.unitcell
    elif isinstance(case, SurfaceCase):
        yield case.bulk


def elements(dataset: Dataset) -> list[str]:
    """Elements of the set, in the order in which they appear."""
    usable = (case for case in dataset.cases if case.unusable is None)
    return list(
        dict.fromkeys(s for case in usable for atoms in structures(case) for s in atoms.symbols)
    )
