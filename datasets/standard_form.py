"""A user's data as structures in the standard form: what ``data import`` writes, and every command reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import (
    DefectCase,
    EosCase,
    FramesCase,
    MigrationCase,
    ReferenceCase,
    SolidSolutionCase,
    SurfaceCase,
)
from umlip_bench.datasets.dataset import Dataset
from umlip_bench.datasets.labels import ENERGY, FORCES, STRESS, SYSTEM, bare, structure_of
from umlip_bench.datasets.paths import IMAGE, METHOD, MOVING, PATH
from umlip_bench.datasets.readers.result import ROLE
from umlip_bench.datasets.roles import (
    DEFECT,
    ENDS,
    MILLER,
    MU,
    PREPARATIONS,
    PREPARED,
    SITE,
    TERMINATION,
    Role,
)


def structures_of(dataset: Dataset) -> Iterator[Atoms]:
    """Labelled frames and images of paths, with their labels under the names of the standard form."""
    yield from map(structure_of, dataset.frames)
    written: set[tuple[str, str]] = set()
    names = {(case.system, case.name) for case in dataset.cases}
    for case in (each for each in dataset.cases if each.unusable is None):
        for atoms in _of_case(case, names):
            # Slabs share their bulk, defects their host.
            key = (str(atoms.info[SYSTEM]), str(atoms.info.get(ROLE)))
            if key[1] in SHARED and key in written:
                continue
            written.add(key)
            yield atoms


SHARED = (Role.BULK, Role.HOST)
"""Roles of which a material has one."""


def is_held(case: ReferenceCase) -> bool:
    """Whether the standard form can hold a case: energies of structures, no values alone, no force sets."""
    if isinstance(case, SurfaceCase):
        return case.slab_energy is not None
    if isinstance(case, EosCase):
        return case.energies is not None
    if isinstance(case, DefectCase):
        return bool(np.isnan(case.formation_energy))
    return isinstance(case, FramesCase | MigrationCase | SolidSolutionCase)


def _of_case(case: ReferenceCase, names: Collection[tuple[str, str]]) -> Iterator[Atoms]:
    if isinstance(case, MigrationCase):
        yield from _images(case)
    elif isinstance(case, SurfaceCase) and case.slab_energy is not None:
        prepared = {PREPARED: _prepared(case)}
        yield _part(case, Role.BULK, case.bulk, case.bulk_energy)
        miller = {MILLER: " ".join(map(str, case.miller_index))}
        ending = case.name.partition("), ")[2]
        more = {TERMINATION: ending} if ending else {}
        yield _part(case, Role.SLAB, case.slab, case.slab_energy, **miller, **more, **prepared)
    elif isinstance(case, DefectCase):
        given = {DEFECT: _defect(case), SITE: " ".join(map(str, case.site.tolist()))}
        if case.chemical_potentials:
            given[MU] = " ".join(f"{s}={e!r}" for s, e in case.chemical_potentials.items())
        yield _part(case, Role.HOST, case.host, case.host_energy)
        energy = case.host_energy + case.energy
        yield _part(case, Role.DEFECT, case.defective, energy, **given, prepared=_prepared(case))
    elif isinstance(case, SolidSolutionCase):
        # Where another mixture has one of its end members, orderings bring both with them.
        whole = all((case.system, end) in names for end in case.end_members)
        is_end = whole and case.name in case.end_members
        role = Role.END_MEMBER if is_end else Role.ORDERING
        atoms = _part(case, role, case.atoms, case.energy, decoration=case.name)
        atoms.info[PREPARED] = _prepared(case)
        if not whole:
            pairs = zip(case.end_members, case.end_member_energies, strict=True)
            atoms.info[ENDS] = " ".join(f"{name}={energy!r}" for name, energy in pairs)
        if case.forces is not None:
            atoms.arrays[FORCES] = case.forces
        if case.stress is not None:
            atoms.info[STRESS] = case.stress
        yield atoms
    elif isinstance(case, EosCase) and case.volumes is not None and case.energies is not None:
        for volume, energy in zip(case.volumes, case.energies, strict=True):
            point = case.atoms.copy()
            scale = (volume / point.get_volume()) ** (1 / 3)
            point.set_cell(point.cell.array * scale, scale_atoms=True)
            yield _part(case, Role.EOS, point, energy)


def _part(
    case: ReferenceCase, role: Role, atoms: Atoms, energy: float | None, **info: str
) -> Atoms:
    out = bare(atoms)
    out.info = {SYSTEM: case.system, ROLE: str(role), **info}
    if energy is not None:
        out.info[ENERGY] = float(energy)
    return out


def _prepared(case: ReferenceCase) -> str:
    names = {preparation: name for name, preparation in PREPARATIONS.items()}
    return names.get(case.preparation, "as_built")


def _defect(case: DefectCase) -> str:
    """A defect's name: of what is missing, or more, or both."""
    missing = [s for s, n in case.exchanged.items() for _ in range(-n)]
    more = [s for s, n in case.exchanged.items() for _ in range(n)]
    if case.kind == "vacancy":
        return "+".join(f"V_{symbol}" for symbol in missing)
    if case.kind == "interstitial":
        return "+".join(f"{symbol}_i" for symbol in more)
    return "+".join(f"{a}_{b}" for a, b in zip(more, missing, strict=True))


def _images(case: MigrationCase) -> Iterator[Atoms]:
    for number, image in enumerate(case.images):
        atoms = bare(image)
        atoms.info = {
            SYSTEM: case.system,
            PATH: case.name,
            IMAGE: number,
            METHOD: str(case.method),
            MOVING: case.moving_ion,
        }
        if np.isfinite(case.energies[number]):
            atoms.info[ENERGY] = float(case.energies[number])
        if case.forces is not None:
            atoms.arrays[FORCES] = case.forces[number]
        yield atoms
