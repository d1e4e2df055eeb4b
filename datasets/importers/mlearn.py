"""The mlearn set (Zuo et al. 2020): surfaces, vacancies, dynamics and strained cells of six elements.

Every element has ``training.json`` and ``test.json``; Cu and Ni may have the latter only. Who trained on
which part is of no concern here: both are read as one source, training first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from umlip_bench.datasets.cases import FramesCase, Preparation, ReferenceCase, SurfaceCase
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.datasets.importers.vasp_json import Calculation
from umlip_bench.ground.content import as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

ELEMENTS = ("Li", "Mo", "Si", "Ge", "Cu", "Ni")

SURFACE = "Surface"
GROUND_STATE = "Ground state crystal"
"""The reference of the slabs. Mo also has a two-atom "cell relaxed" with another k-mesh, 1.6 meV/atom
higher; it is an elastic frame and no reference."""

FOREIGN_BULK = (
    "the only Ge bulk belongs to another PAW potential than the slabs: with it surface energies come out "
    "far too low"
)
NO_BULK = (
    "relaxed slabs without a bulk reference: neither a surface energy nor forces worth comparing"
)

_MILLER = re.compile(r"_\(([-\d_]+)\)(_reconstructed)?")


@dataclass(frozen=True, eq=False)
class _Slab:
    calculation: Calculation
    miller_index: tuple[int, ...]
    reconstructed: bool
    index: int


def cases(folder: Path, level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """Cases of all elements, read element by element.

    Parameters
    ----------
    folder
        With one folder for each of `ELEMENTS`.
    level
        Of the labels.

    Raises
    ------
    DataError
        If a file is missing or not as published.
    """
    for element in ELEMENTS:
        yield from element_cases(folder / element, level)


def element_cases(folder: Path, level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """One `FramesCase` for each group and one `SurfaceCase` for each slab of the element.

    Parameters
    ----------
    folder
        Named after the element, with ``test.json`` and, unless there is none, ``training.json``.
    level
        Of the labels.
    """
    element = folder.name
    groups: dict[str, list[Frame]] = {}
    slabs: list[_Slab] = []
    bulk: Calculation | None = None
    index = 0
    for path in _paths(folder):
        for item in vasp_json.elements(path):
            with vasp_json.reading(path, item=index):
                result = vasp_json.calculation(item, "virial_stress")
                said = as_mapping(item)
                group, description = str(said["group"]), str(said["description"])
                if group == SURFACE:
                    slabs.append(_slab(result, description, index))
                else:
                    system = f"{element} {group}"
                    groups.setdefault(system, []).append(result.frame(system, index))
                if description == GROUND_STATE:
                    bulk = result
            index += 1
    for system, frames in groups.items():
        yield FramesCase(
            name=system,
            system=element,
            level_of_theory=level,
            preparation=Preparation.SAMPLED,
            frames=tuple(frames),
        )
    if bulk is not None:
        for slab in slabs:
            yield _surface(element, slab, bulk, level)
    elif slabs:
        system = f"{element} {SURFACE}"
        yield FramesCase(
            name=system,
            system=element,
            level_of_theory=level,
            preparation=Preparation.RELAXED,
            unusable=NO_BULK,
            frames=tuple(slab.calculation.frame(system, slab.index) for slab in slabs),
        )


def _paths(folder: Path) -> tuple[Path, ...]:
    training, test = folder / "training.json", folder / "test.json"
    if training.exists():
        return training, test
    if folder.name in ("Cu", "Ni"):
        return (test,)
    raise DataError(f"{training}: no such file; `umlip-bench data fetch mlearn` gets it")


def _slab(result: Calculation, description: str, index: int) -> _Slab:
    match = _MILLER.search(description)
    if match is None:
        raise ValueError(f"no Miller index in {description!r}")
    miller_index = tuple(int(number) for number in match[1].split("_"))
    return _Slab(result, miller_index, reconstructed=match[2] is not None, index=index)


def _surface(element: str, slab: _Slab, bulk: Calculation, level: LevelOfTheory) -> SurfaceCase:
    name = f"{element} ({' '.join(map(str, slab.miller_index))})"
    if slab.reconstructed:
        name += " reconstructed"
    result = slab.calculation
    return SurfaceCase(
        name=name,
        system=element,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        unusable=FOREIGN_BULK if element == "Ge" else None,
        slab=vasp_json.named(result.atoms, name),
        bulk=vasp_json.named(bulk.atoms, f"{element} bulk"),
        miller_index=slab.miller_index,
        area=vasp_json.surface_area(result.atoms),
        surface_energy=vasp_json.surface_energy(result, bulk),
        slab_energy=result.energy,
        bulk_energy=bulk.energy,
        reconstructed=slab.reconstructed,
    )
