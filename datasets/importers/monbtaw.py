"""Mo, Nb, Ta, W and their alloys (Li et al. 2020): surfaces, strained cells, solid solutions and dynamics.

`cases` reads the static sets, `aimd_cases` the snapshots of molecular dynamics, which are kept apart for
their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from umlip_bench.datasets.cases import (
    FramesCase,
    Preparation,
    ReferenceCase,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.importers import vasp_json
from umlip_bench.datasets.importers.vasp_json import Calculation
from umlip_bench.ground.content import as_list, as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

ELEMENTS = ("Mo", "Nb", "Ta", "W")
ALLOYS = (("Mo", "Ta"), ("Mo", "W"), ("Nb", "Mo"), ("Nb", "Ta"), ("Nb", "W"), ("Ta", "W"))
QUATERNARY = "MoNbTaW"

UNSTRAINED = "1--0.0000"
"""Note of the one undistorted cell, the reference of slabs and alloys."""

MO_FACES = ("210", "321", "311", "320", "211", "221", "110", "100", "322", "332", "111")
"""Miller indices of the Mo slabs in the order of the file, which does not state them; found by matching
the cells with those of the mlearn set."""

OUTLIERS = {
    "Mo (2 1 1)": "3.41 J/m², far above all other faces of Mo: poorly relaxed or metastable",
}
"""Slabs that must not enter statistics, by name."""

CONDITIONS = {
    "Md": "equilibrium volume",
    "Md_90": "0.90 of the equilibrium volume",
    "Md_110": "1.10 of the equilibrium volume",
}
"""What the tags of the snapshots mean."""

PREPARATIONS = {"unrelax": Preparation.AS_BUILT, "relax": Preparation.RELAXED}
"""What the notes of the solid solutions mean."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """Strained cells and surfaces of each element, then the orderings of each alloy, file by file.

    The orderings before relaxation are on the lattice of the end member that makes up more of them, and
    far from their own volume: their mixing energies jump at the middle of the composition. Mixing energies
    of Nb-Ta and Mo-W lie within 11 meV/atom of zero: errors of a model are as meaningful there as
    elsewhere, a slope is not.

    Parameters
    ----------
    folder
        With the files as published.
    level
        Of the labels.

    Raises
    ------
    DataError
        If a file is missing or not as published.
    """
    bulks: dict[str, Calculation] = {}
    for element in ELEMENTS:
        strained, bulks[element] = _strained(folder / f"{element}_Elastic.json", element, level)
        yield strained
        yield from _surfaces(folder / f"{element}_Surface.json", element, bulks[element], level)
    for first, second in ALLOYS:
        path = folder / f"{first}{second}_SS.json"
        for index, item in enumerate(vasp_json.elements(path)):
            with vasp_json.reading(path, index):
                case = _ordering(item, (first, second), (bulks[first], bulks[second]), level)
            yield case


def aimd_cases(folder: Path, level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """Snapshots of each element at each of three volumes, and of the quaternary alloy.

    Volumes are kept apart because compression hides the softness that expansion shows. Temperatures are
    not: they sample the same surface, further out.

    Parameters
    ----------
    folder
        With the files as published.
    level
        Of the labels.

    Raises
    ------
    DataError
        If a file is missing or not as published.
    """
    for element in ELEMENTS:
        path = folder / f"{element}_AIMD.json"
        volumes: dict[str, list[Frame]] = {}
        for index, item in enumerate(vasp_json.elements(path)):
            with vasp_json.reading(path, index):
                (tag,) = as_list(as_mapping(item)["tags"])
                system = f"{element}, {CONDITIONS[str(tag)]}"
                frame = vasp_json.calculation(item, "stress").frame(system, index)
            volumes.setdefault(system, []).append(frame)
        for system, frames in volumes.items():
            yield _frames(system, element, frames, level)
    path = folder / "Multinary_Test.json"
    frames = []
    for index, item in enumerate(vasp_json.elements(path)):
        with vasp_json.reading(path, index):
            frames.append(vasp_json.calculation(item, "stress").frame(QUATERNARY, index))
    yield _frames(QUATERNARY, QUATERNARY, frames, level)


def _frames(name: str, system: str, frames: list[Frame], level: LevelOfTheory) -> FramesCase:
    return FramesCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=Preparation.SAMPLED,
        frames=tuple(frames),
    )


def _note(item: object) -> tuple[str, str]:
    # One pair such as {"relax": "157"}; the key is "Strain_new" for Mo and "Strain" for the others.
    ((key, value),) = _notes(item).items()
    return key, str(value)


def _notes(item: object) -> dict[str, object]:
    return as_mapping(as_mapping(item)["notes"])


def _strained(path: Path, element: str, level: LevelOfTheory) -> tuple[FramesCase, Calculation]:
    system = f"{element} strained cells"
    frames = []
    bulk: Calculation | None = None
    for index, item in enumerate(vasp_json.elements(path)):
        with vasp_json.reading(path, index):
            result = vasp_json.calculation(item, "stress")
            frames.append(result.frame(system, index))
            if _note(item)[1] == UNSTRAINED:
                bulk = result
    if bulk is None:
        raise DataError(f"{path} holds no unstrained cell (note {UNSTRAINED}); fetch it again")
    return _frames(system, element, frames, level), bulk


def _surfaces(
    path: Path, element: str, bulk: Calculation, level: LevelOfTheory
) -> Iterator[SurfaceCase]:
    for index, item in enumerate(vasp_json.elements(path)):
        with vasp_json.reading(path, index):
            slab = vasp_json.calculation(item, "stress")
            face = MO_FACES[index] if element == "Mo" else str(_notes(item)["Sur"])
            miller_index = tuple(int(digit) for digit in face)
            name = f"{element} ({' '.join(face)})"
        yield SurfaceCase(
            name=name,
            system=element,
            level_of_theory=level,
            preparation=Preparation.RELAXED,
            unusable=OUTLIERS.get(name),
            slab=vasp_json.named(slab.atoms, name),
            bulk=vasp_json.named(bulk.atoms, f"{element} bulk"),
            miller_index=miller_index,
            area=vasp_json.surface_area(slab.atoms),
            surface_energy=vasp_json.surface_energy(slab, bulk),
            slab_energy=slab.energy,
            bulk_energy=bulk.energy,
        )


def _ordering(
    item: object,
    end_members: tuple[str, str],
    bulks: tuple[Calculation, Calculation],
    level: LevelOfTheory,
) -> SolidSolutionCase:
    system = "".join(end_members)
    result = vasp_json.calculation(item, "stress")
    state, number = _note(item)
    preparation = PREPARATIONS[state]
    symbols = result.atoms.get_chemical_symbols()
    n_first, n_second = (symbols.count(element) for element in end_members)
    if n_first + n_second != len(symbols):
        raise ValueError(f"{result.atoms.get_chemical_formula()} in the file of {system}")
    fraction = n_first / len(symbols)
    first, second = (bulk.energy_per_atom for bulk in bulks)
    name = f"{system} {number} {state}ed"
    return SolidSolutionCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        atoms=vasp_json.named(result.atoms, name),
        energy=result.energy,
        fraction=fraction,
        end_members=end_members,
        end_member_energies=(first, second),
        mixing_energy=result.energy_per_atom - fraction * first - (1 - fraction) * second,
        decoration=f"{system}-{number}",
        forces=result.forces,
        stress=result.stress,
    )
