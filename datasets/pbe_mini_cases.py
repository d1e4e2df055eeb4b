"""Typed cases from the single points of pbe-mini.

Energy differences are of energies extrapolated to zero smearing; forces are gradients of the free energy at
the smearing that was used (`datasets/pbe_mini/README.md`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from ase import Atoms
from ase.geometry import get_distances

from umlip_bench.datasets import extxyz
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
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.labels import frames_cases
from umlip_bench.ground.birch_murnaghan import fit_minimum
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

AMPLITUDES = "amplitudes.xyz"
"""The file of one displacement at several distances."""


class LabelledPoint(NamedTuple):
    """A single point.

    Parameters
    ----------
    frame
        Geometry and labels.
    info
        What it is part of, as ``pbe_mini/structures.py`` wrote it.
    """

    frame: Frame
    info: dict[str, Any]

    @property
    def atoms(self) -> Atoms:
        """The geometry."""
        return self.frame.atoms

    @property
    def energy(self) -> float:
        """Total in eV."""
        return self.frame.energy

    @property
    def energy_per_atom(self) -> float:
        """In eV/atom."""
        return self.frame.energy / len(self.frame.atoms)


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
    for system, members in _by("system", points):
        volumes = np.array([each.atoms.get_volume() for each in members])
        energies = np.array([each.energy for each in members])
        curve = fit_minimum(volumes, energies)
        first = members[0].atoms
        scale = (curve.volume / first.get_volume()) ** (1 / 3)
        atoms = _named(first, f"{system} at the equilibrium")
        atoms.set_cell(first.cell * scale, scale_atoms=True)
        yield EosCase(
            name=system,
            system=system,
            level_of_theory=level,
            preparation=Preparation.RELAXED,
            atoms=atoms,
            volume=curve.volume,
            bulk_modulus=curve.bulk_modulus,
            bulk_modulus_derivative=curve.bulk_modulus_derivative,
            volumes=volumes,
            energies=energies,
        )


def surfaces(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[SurfaceCase]:
    """Slabs as cut from the bulk."""
    for system, members in _by("system", points):
        slab, bulk = _role(members, "slab"), _role(members, "bulk")
        first, second, _ = slab.atoms.cell
        area = float(np.linalg.norm(np.cross(first, second)))
        excess = slab.energy - len(slab.atoms) * bulk.energy_per_atom
        miller_index = _miller_index(slab.info["miller"])
        name = f"{system} ({' '.join(map(str, miller_index))})"
        yield SurfaceCase(
            name=name,
            system=system,
            level_of_theory=level,
            preparation=Preparation.AS_BUILT,
            slab=_named(slab.atoms, name),
            bulk=_named(bulk.atoms, f"{system} bulk"),
            miller_index=miller_index,
            area=area,
            surface_energy=excess / (2 * area),
            slab_energy=slab.energy,
            bulk_energy=bulk.energy,
        )


def _miller_index(written: Any) -> tuple[int, ...]:
    """Miller index from three digits in a row, or from integers."""
    if isinstance(written, np.ndarray):
        return tuple(int(each) for each in written)
    return tuple(int(digit) for digit in str(written))


def defects(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[DefectCase]:
    """Vacancies at ideal sites, and Schottky pairs in one cell.

    Chemical potentials are those of the elements' bulk: there is none for oxygen. Of a Schottky pair only
    their sum is known, the energy of a formula unit of the host; each gets the host's energy per atom.
    """
    for system, members in _by("system", points):
        host = _role(members, "host")
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
            yield DefectCase(
                name=name,
                system=system,
                level_of_theory=level,
                preparation=Preparation.AS_BUILT,
                host=_named(host.atoms, f"{system} host"),
                defective=_named(defective.atoms, name),
                kind="vacancy",
                site=_vacant(host.atoms, defective.atoms, removed[0]),
                energy=defective.energy - host.energy,
                host_energy=host.energy,
                exchanged=dict.fromkeys(removed, -1),
                chemical_potentials=potentials,
            )


def _vacant(host: Atoms, defective: Atoms, symbol: str) -> np.ndarray:
    """Fractional coordinates, shape (3,), of a host's site of an element that a defective cell lacks."""
    own = host[host.symbols == symbol]
    apart = get_distances(own.positions, defective.positions, cell=host.cell.array, pbc=True)[
        1
    ].min(axis=1)
    return np.asarray(own.get_scaled_positions()[int(apart.argmax())])


def migration(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[MigrationCase]:
    """Hops into a vacancy on a straight line, five images of which the file holds the first three."""
    for system, members in _by("system", points):
        first, second, middle = sorted(members, key=lambda each: each.info["image"])
        moving, path = int(first.info["moving"]), np.array(first.info["path"])
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
            images=tuple(_named(atoms, f"{name}, image {i}") for i, atoms in enumerate(images)),
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
    """Orderings, and the end members with their mixing energy of zero."""
    for system, members in _by("system", points):
        named = {str(each.info["decoration"]): each for each in members}
        one, other = system.split("-")
        first, second = (named[end].energy_per_atom for end in (one, other))
        for name, each in named.items():
            fraction = float(each.info["fraction"])
            yield SolidSolutionCase(
                name=name,
                system=system,
                level_of_theory=level,
                preparation=Preparation.AS_BUILT,
                atoms=_named(each.atoms, name),
                energy=each.energy,
                fraction=fraction,
                end_members=(one, other),
                end_member_energies=(first, second),
                mixing_energy=each.energy_per_atom - fraction * first - (1 - fraction) * second,
                decoration=name,
                forces=each.frame.forces,
                stress=each.frame.stress,
            )


def phonons(points: Sequence[LabelledPoint], level: LevelOfTheory) -> Iterator[PhononCase]:
    """Displaced supercells of primitive cells."""
    for system, members in _by("system", points):
        unitcell = _role(members, "unitcell").atoms
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
            unitcell=_named(unitcell, f"{system} unit cell"),
            supercell_matrix=supercell_matrix,
            primitive_matrix=np.eye(3),
            displaced_atoms=np.array([int(each.info["displaced"]) for each in displaced]),
            displacements=np.array([each.info["displacement"] for each in displaced], dtype=float),
            forces=np.array([each.frame.forces for each in displaced]),
        )


def amplitude_series(folder: Path) -> Iterator[AmplitudeSeries]:
    """DFT's own anharmonicity: curvatures at several amplitudes."""
    points = [LabelledPoint(*each) for each in extxyz.read_described(folder / AMPLITUDES)]
    for system, members in _by("system", points):
        members = sorted(members, key=lambda each: float(np.linalg.norm(each.info["displacement"])))
        yield AmplitudeSeries(
            system=system,
            cells=tuple(_named(each.atoms, f"{system}, displaced") for each in members),
            displaced_atom=int(members[0].info["displaced"]),
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


def _by(key: str, points: Sequence[LabelledPoint]) -> Iterator[tuple[str, list[LabelledPoint]]]:
    """Points by what ``info`` says, in order of first appearance."""
    groups: dict[str, list[LabelledPoint]] = {}
    for each in points:
        groups.setdefault(str(each.info[key]), []).append(each)
    yield from groups.items()


def _role(members: Sequence[LabelledPoint], role: str) -> LabelledPoint:
    return next(each for each in members if each.info["role"] == role)


def _named(atoms: Atoms, name: str) -> Atoms:
    """Copy that says in messages what it is."""
    out = atoms.copy()
    out.info["system"] = name
    return out
