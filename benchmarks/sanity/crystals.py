"""What is checked: crystals of a data set, and the elements in it."""

from __future__ import annotations

from collections.abc import Iterator

from ase import Atoms

from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import (
    ElasticCase,
    EosCase,
    FramesCase,
    HeatCapacityCase,
    PhononCase,
    ReferenceCase,
    SurfaceCase,
)
from umlip_bench.datasets.overview import structures


def crystals(dataset: Dataset) -> dict[str, Atoms]:
    """A cell of each material that the set has as a crystal, by name; else of all that it has.

    Where one has several, the smallest stands for it. Frames of dynamics are taken only if there is nothing
    else: of each material that of the least energy.
    """
    usable = [case for case in dataset.cases if case.unusable is None]
    found: dict[str, Atoms] = {}
    for case in usable:
        for atoms in _crystal(case):
            known = found.get(case.system)
            if known is None or len(atoms) < len(known):
                found[case.system] = atoms
    if found:
        return found
    frames = (case for case in usable if isinstance(case, FramesCase))
    return {
        case.system: min(case.frames, key=lambda frame: frame.energy / len(frame.atoms)).atoms
        for case in frames
    }


def _crystal(case: ReferenceCase) -> Iterator[Atoms]:
    if isinstance(case, EosCase | ElasticCase | HeatCapacityCase):
        yield case.atoms
    elif isinstance(case, PhononCase):
        yield case.unitcell
    elif isinstance(case, SurfaceCase):
        yield case.bulk


def elements(dataset: Dataset) -> list[str]:
    """Elements of the set, in the order in which they appear."""
    usable = (case for case in dataset.cases if case.unusable is None)
    return list(
        dict.fromkeys(s for case in usable for atoms in structures(case) for s in atoms.symbols)
    )
