"""Typed cases from the single points of pbe-mini.

Energy differences are of energies extrapolated to zero smearing; forces are gradients of the free energy at
the smearing that was used (`datasets/pbe_mini/README.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets import extxyz, part_cases
from umlip_bench.datasets.cases import (
    AmplitudeSeries,
    DefectCase,
    EosCase,
    FramesCase,
    MigrationCase,
    PhononCase,
    Preparation,
    ReferenceCase,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.labels import frames_cases
from umlip_bench.datasets.part_cases import LabelledPoint, by, named
from umlip_bench.datasets.roles import Role, miller_index, one
from umlip_bench.ground.content import as_float
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

AMPLITUDES = "amplitudes.xyz"
"""The file of one displacement at several distances."""


def cases(folder: Path, files: Collection[str], level: LevelOfTheory) -> Iterator[ReferenceCase]:
    """Cases of all tasks.

    Parameters
    ----------
    folder
        With the files of labels.
    files
        Names of those to read, out of `READERS`, and `AMPLITUDES`.
    level
        Of the labels.
    """
    series: dict[str, AmplitudeSeries] = {}
    if AMPLITUDES in files:
        found = amplitude_series(folder)
        series = {each.system: each for each in found if len(each.cells) > 1}
    for file in (each for each in files if each != AMPLITUDES):
        points = [LabelledPoint(*each) for each in extxyz.read_described(folder / file)]
        for case in READERS[file](points, level):
            if isinstance(case, PhononCase) and case.system in series:
                yield replace(case, series=series[case.system])
            else:
                yield case


def frames(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[FramesCase]:
    """High-energy states: those of a potential's dynamics as well as those of the Debye model."""
    yield from frames_cases((each.frame for each in points), level)


def eos(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[EosCase]:
    """One curve for each crystal."""
    for system, members in by("system", points):
        yield part_cases.eos_case(system, members, level)


def surfaces(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[SurfaceCase]:
    """Slabs as cut from the bulk."""
    for system, members in by("system", points):
        slab, bulk = one(members, Role.SLAB), one(members, Role.BULK)
        yield part_cases.surface_case(system, slab, bulk, miller_index(slab.info["miller"]), level)


def defects(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[DefectCase]:
    """Vacancies at ideal sites, and Schottky pairs in one cell.

    Chemical potentials are those of the elements' bulk: there is none for oxygen. Of a Schottky pair only
    their sum is known, the energy of a formula unit of the host; each gets the host's energy per atom.
    """
    for system, members in by("system", points):
        host = one(members, Role.HOST)
        for defective in members:
            if defective is host:
                continue
            removed = str(defective.info["removed"]).split()
            name = f"{system} vacancy of {removed[0]}"
            potentials = {}
            if len(removed) > 1:
                name = f"{system} Schottky pair"
            if len(removed) > 1 or removed == [system]:
                potentials = dict.fromkeys(removed, host.energy_per_atom)
            yield part_cases.defect_case(
                name,
                system,
                host,
                defective,
                "vacancy",
                level,
                chemical_potentials=potentials,
                site=part_cases.differing_site(host.atoms, defective.atoms, removed[0], host.atoms),
            )


def migration(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[MigrationCase]:
    """Hops into a vacancy on a straight line, five images of which the file holds the first three."""
    for system, members in by("system", points):
        first, second, middle = sorted(members, key=lambda each: as_float(each.info["image"]))
        moving, path = int(as_float(first.info["moving"])), np.array(first.info["path"])
        images = [each.atoms for each in (first, second, middle)]
        forces = [each.frame.forces for each in (first, second, middle)]
        for number, half in ((3, second), (4, first)):
            image = first.atoms.copy()
            image.positions[moving] += path * number / 4
            images.append(image)
            centre = first.atoms.positions[moving] + path / 2
            forces.append(_mirrored_forces(half, image, centre, path))
        energies = [each.energy for each in (first, second, middle, second, first)]
        name = f"{system} vacancy hop"
        yield MigrationCase(
            name=name,
            system=system,
            level_of_theory=level,
            preparation=Preparation.AS_BUILT,
            images=tuple(named(atoms, f"{name}, image {i}") for i, atoms in enumerate(images)),
            energies=np.array(energies),
            forces=np.array(forces),
            moving_ion=moving,
        )


def _mirrored_forces(
    source: LabelledPoint, target: Atoms, centre: np.ndarray, normal: np.ndarray
) -> np.ndarray:
    """Forces on a structure that is the mirror image of another, in its own order of atoms.

    Parameters
    ----------
    source
        The other, with forces.
    target
        The mirror image.
    centre, normal
        A point of the mirror plane and a vector across it, shapes (3,), Å.
    """
    unit = normal / np.linalg.norm(normal)
    mirror = np.eye(3) - 2 * np.outer(unit, unit)
    mirrored = centre + (source.atoms.positions - centre) @ mirror
    apart = (target.positions[:, None] - mirrored) @ np.linalg.inv(target.cell)
    distance = np.abs(apart - np.round(apart)).max(axis=2)
    if distance.min(axis=1).max() > 1e-5:
        raise DataError(f"{source.info['point']}: the hop has no mirror plane half-way")
    forces: np.ndarray = (source.frame.forces @ mirror)[distance.argmin(axis=1)]
    return forces


def solid_solutions(
    points: Sequence[LabelledPoint], level: LevelOfTheory
) -> Iterator[SolidSolutionCase]:
    """Orderings, and the end members with their mixing energy of zero.

    A crystal that ends a second system has that in its name there.
    """
    seen: set[str] = set()
    for system, members in by("system", points):
        named = {str(each.info["decoration"]): each for each in members}
        one_end, other = system.split("-")
        first, second = (named[end].energy_per_atom for end in (one_end, other))
        for name, each in named.items():
            unique = f"{name} of {system}" if name in seen else name
            seen.add(unique)
            yield part_cases.ordering_case(
                unique,
                system,
                each,
                as_float(each.info["fraction"]),
                (one_end, other),
                (first, second),
                level,
            )


def phonons(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[PhononCase]:
    """Displaced supercells of primitive cells."""
    for system, members in by("system", points):
        unitcell = next(each for each in members if each.info["role"] == "unitcell").atoms
        # The supercells were made of wrapped coordinates, and the order of their atoms goes by them.
        outside = np.floor(unitcell.get_scaled_positions(wrap=False) + 1e-9)
        unitcell.positions -= outside @ unitcell.cell.array
        displaced = [each for each in members if each.info["role"] == "displaced"]
        # phonopy's matrix has the vectors of the supercell as columns.
        supercell = displaced[0].atoms.cell
        supercell_matrix = np.round(supercell @ np.linalg.inv(unitcell.cell)).astype(int).T
        yield PhononCase(
            name=system,
            system=system,
            level_of_theory=level,
            preparation=Preparation.AS_BUILT,
            unitcell=named(unitcell, f"{system} unit cell"),
            supercell_matrix=supercell_matrix,
            primitive_matrix=np.eye(3),
            displaced_atoms=np.array([int(as_float(each.info["displaced"])) for each in displaced]),
            displacements=np.array([each.info["displacement"] for each in displaced], dtype=float),
            forces=np.array([each.frame.forces for each in displaced]),
        )


def _length(displaced: LabelledPoint) -> float:
    """Å, of a displacement."""
    return float(np.linalg.norm(np.asarray(displaced.info["displacement"], dtype=float)))


def amplitude_series(folder: Path) -> Iterator[AmplitudeSeries]:
    """DFT's own anharmonicity: curvatures at several amplitudes."""
    points = [LabelledPoint(*each) for each in extxyz.read_described(folder / AMPLITUDES)]
    for system, members in by("system", points):
        members = sorted(members, key=_length)
        yield AmplitudeSeries(
            system=system,
            cells=tuple(named(each.atoms, f"{system}, displaced") for each in members),
            displaced_atom=int(as_float(members[0].info["displaced"])),
            displacements=np.array([each.info["displacement"] for each in members], dtype=float),
            forces=np.array([each.frame.forces for each in members]),
        )


READERS: dict[str, Callable[[Sequence[LabelledPoint], LevelOfTheory], Iterator[ReferenceCase]]] = {
    "pbe_mini.xyz": frames,
    "debye.xyz": frames,
    "r2scan.xyz": frames,
    "eos.xyz": eos,
    "surfaces.xyz": surfaces,
    "defects.xyz": defects,
    "migration.xyz": migration,
    "solid_solutions.xyz": solid_solutions,
    "phonons.xyz": phonons,
}
"""By name of the file."""
