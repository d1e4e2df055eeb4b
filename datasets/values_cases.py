"""Cases of a table of values: what a model is compared with of one structure.

Structures are scaled to the volume or lattice constant where the table has one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets.barrier_case import BarrierCase
from umlip_bench.datasets.cases import (
    DefectCase,
    ElasticCase,
    EosCase,
    Preparation,
    ReferenceCase,
    SurfaceCase,
)
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.part_cases import area_of, exchanged, named
from umlip_bench.datasets.phonon_cases import FrequencyCase, WaveVectors
from umlip_bench.datasets.readers.result import RefusedResult
from umlip_bench.datasets.roles import miller_index
from umlip_bench.datasets.values_table import SEVERAL, Table, ValueRow
from umlip_bench.ground.errors import DataError, UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.structures import read_structure

SYMPREC = 1e-3
"""Å, by how much a structure may miss its symmetry."""
SUPERCELL = 9.0
"""Å; least distance between a vacancy and its images."""


@dataclass(frozen=True, eq=False)
class _Material:
    """What a table has of one structure.

    Parameters
    ----------
    system
        Its name.
    atoms
        The structure, scaled.
    rows
        Lines, all of this structure and face.
    level
        Of the values.
    """

    system: str
    atoms: Atoms
    rows: Sequence[ValueRow]
    level: LevelOfTheory

    @property
    def values(self) -> Mapping[str, float]:
        """By quantity, of those of which there is one."""
        return {row.quantity: row.value for row in self.rows}

    def of(self, quantity: str) -> list[ValueRow]:
        """Lines of a quantity."""
        return [row for row in self.rows if row.quantity == quantity]


def cases(table: Table, level: LevelOfTheory) -> tuple[list[ReferenceCase], list[RefusedResult]]:
    """Cases of what belongs to one structure, and lines that make none, with the reason."""
    made: list[ReferenceCase] = []
    refused: list[RefusedResult] = []
    groups: dict[tuple[Path, str], list[ValueRow]] = {}
    for row in table.rows:
        # A slab may have several faces' names, a crystal has each number once.
        groups.setdefault((row.structure, row.miller), []).append(row)
    for (structure, _), rows in groups.items():
        try:
            found = list(_of_structure(structure, rows, level))
        except UmlipBenchError as error:
            refused.append(RefusedResult(rows[0].where, str(error)))
        else:
            made += found
    return _distinct(made), refused


def _of_structure(
    structure: Path, rows: Sequence[ValueRow], level: LevelOfTheory
) -> Iterator[ReferenceCase]:
    quantities = [row.quantity for row in rows]
    # A compound has a vacancy of each element.
    named_twice = Counter((row.quantity, row.ion) for row in rows)
    for row in rows:
        several = row.quantity in SEVERAL or (
            row.quantity == "migration_barrier" and row.distance > 0
        )
        by_ion = row.quantity == "vacancy_energy" and row.ion
        count = named_twice[row.quantity, row.ion] if by_ion else quantities.count(row.quantity)
        if not several and count > 1:
            of = f" of {row.ion}" if by_ion else ""
            raise DataError(f"{row.quantity}{of} of {structure.name} is there twice")
    atoms = read_structure(structure)
    values = {row.quantity: row.value for row in rows}
    if "lattice_constant" in values:
        values.setdefault("volume", _volume(atoms, values["lattice_constant"]))
    if "volume" in values:
        scale = (values["volume"] / atoms.get_volume()) ** (1 / 3)
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
    material = _Material(rows[0].system or composition(atoms), atoms, rows, level)
    makers = [made for needed, made in MAKERS if needed <= values.keys()]
    if not makers:
        raise DataError(
            f"{', '.join(quantities)} alone is no case: eos takes bulk_modulus and volume or "
            "lattice_constant, elastic bulk_modulus and shear_modulus"
        )
    for made in makers:
        yield from made(material)


def _elastic(material: _Material) -> Iterator[ReferenceCase]:
    yield ElasticCase(
        name=material.system,
        system=material.system,
        level_of_theory=material.level,
        preparation=Preparation.RELAXED,
        atoms=named(material.atoms, material.system),
        bulk_modulus=material.values["bulk_modulus"],
        shear_modulus=material.values["shear_modulus"],
    )


def _eos(material: _Material) -> Iterator[ReferenceCase]:
    yield EosCase(
        name=material.system,
        system=material.system,
        level_of_theory=material.level,
        preparation=Preparation.RELAXED,
        atoms=named(material.atoms, material.system),
        volume=material.atoms.get_volume(),
        bulk_modulus=material.values["bulk_modulus"],
        bulk_modulus_derivative=material.values.get("bulk_modulus_derivative", math.nan),
    )


def _volume(atoms: Atoms, constant: float) -> float:
    """Volume of a cell of a cubic crystal with this lattice constant, Å³.

    Raises
    ------
    DataError
        If the crystal is not cubic.
    """
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    found = SpacegroupAnalyzer(AseAtomsAdaptor.get_structure(atoms), SYMPREC)
    if found.get_crystal_system() != "cubic":
        raise DataError("lattice_constant is of cubic crystals; give the volume of the file's cell")
    own = found.get_conventional_standard_structure().lattice.a
    return float(atoms.get_volume() * (constant / own) ** 3)


def _surface(material: _Material) -> Iterator[ReferenceCase]:
    (row,) = material.of("surface_energy")
    if row.bulk is None or not row.miller:
        raise DataError("a surface_energy takes the columns miller and bulk, a file, of its slab")
    miller = miller_index(row.miller)
    name = f"{material.system} ({' '.join(map(str, miller))})"
    yield SurfaceCase(
        name=name,
        system=material.system,
        level_of_theory=material.level,
        preparation=Preparation.RELAXED,
        slab=named(material.atoms, name),
        bulk=named(read_structure(row.bulk), f"{material.system} bulk"),
        miller_index=miller,
        area=area_of(material.atoms),
        surface_energy=row.value,
    )


def _vacancies(material: _Material) -> Iterator[ReferenceCase]:
    """Of atoms that go to the crystal of their element, which an element's own crystal is."""
    atoms = material.atoms
    heights = 1 / np.linalg.norm(atoms.cell.reciprocal().array, axis=1)
    host = atoms.repeat(tuple(int(n) for n in np.ceil(SUPERCELL / heights)))
    for row in material.of("vacancy_energy"):
        element = _vacated(atoms, row.ion)
        index = int(np.flatnonzero(host.symbols == element)[0])
        defective = host.copy()
        del defective[index]
        name = f"{material.system} V_{element}"
        yield DefectCase(
            name=name,
            system=material.system,
            level_of_theory=material.level,
            preparation=Preparation.NOT_STORED,
            host=named(host, f"{material.system} host"),
            defective=named(defective, name),
            kind="vacancy",
            site=host.get_scaled_positions()[index],
            energy=math.nan,
            exchanged=exchanged(host, defective),
            chemical_potentials={},
            formation_energy=row.value,
        )


def _vacated(atoms: Atoms, ion: str) -> str:
    """Element of a vacancy, whose sites are all alike.

    Raises
    ------
    DataError
        If it is not said and there are several, is not in the crystal, or has several kinds of sites.
    """
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    elements = sorted(set(atoms.symbols))
    if not ion and len(elements) > 1:
        raise DataError(
            "a vacancy_energy takes the column ion where a crystal has several elements "
            f"({', '.join(elements)}): of which the atom is, that goes to the crystal of its element; with "
            "other chemical potentials give total energies of host and defect, by role=host and role=defect"
        )
    element = ion or elements[0]
    if element not in elements:
        raise DataError(f"ion is {ion!r}; the crystal has {', '.join(elements)}")
    symmetry = SpacegroupAnalyzer(AseAtomsAdaptor.get_structure(atoms), SYMPREC)
    orbits = np.asarray(symmetry.get_symmetry_dataset().equivalent_atoms)
    if len(set(orbits[atoms.symbols == element])) > 1:
        raise DataError(
            "vacancy_energy is of crystals where all sites of an element are alike, which those of "
            f"{element} are not: give total energies of host and defect, by role=host and role=defect"
        )
    return element


def _barriers(material: _Material) -> Iterator[ReferenceCase]:
    """Of hops of an ion into a vacancy next to it, or between two structures."""
    atoms = material.atoms
    for row in material.of("migration_barrier"):
        ion = row.ion or (str(atoms.symbols[0]) if len(set(atoms.symbols)) == 1 else "")
        if ion not in set(atoms.symbols):
            raise DataError(
                f"ion is {row.ion!r}; a migration_barrier takes the element that hops, one of "
                f"{', '.join(sorted(set(atoms.symbols)))}"
            )
        last = None if row.end is None else read_structure(row.end)
        if last is not None and not np.array_equal(last.numbers, atoms.numbers):
            raise DataError(
                f"{row.end} has other atoms than {row.structure.name}, or another order"
            )
        hop = f", {row.distance:g} Å" if math.isfinite(row.distance) else ""
        yield BarrierCase(
            name=f"{material.system} {ion} hop{hop}",
            system=material.system,
            level_of_theory=material.level,
            preparation=Preparation.NOT_STORED,
            atoms=atoms,
            last=last,
            ion=ion,
            distance=row.distance,
            barrier=row.value,
        )


def _frequencies(material: _Material) -> Iterator[ReferenceCase]:
    """All optical modes at the zone centre of the primitive cell."""
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    structure = AseAtomsAdaptor.get_structure(material.atoms)
    primitive = SpacegroupAnalyzer(structure, SYMPREC).find_primitive()
    atoms = AseAtomsAdaptor.get_atoms(structure if primitive is None else primitive, msonable=False)
    atoms = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
    rows = material.of("gamma_frequency")
    modes = [row.value for row in rows for _ in range(row.degeneracy)]
    wanted = 3 * len(atoms) - 3
    if len(modes) != wanted:
        raise DataError(
            f"its primitive cell of {len(atoms)} atoms has {wanted} optical modes, the gamma_frequency lines "
            f"have {len(modes)}: give each, with the column degeneracy for those that are 2 or 3 (of polar "
            "crystals transverse ones in place of longitudinal ones, since models have no splitting of them)"
        )
    yield FrequencyCase(
        name=f"{material.system} at Γ",
        system=material.system,
        level_of_theory=material.level,
        preparation=Preparation.RELAXED,
        atoms=named(atoms, material.system),
        kind=WaveVectors.SINGLE,
        qpoints=np.zeros((1, 3)),
        weights=np.ones(1),
        frequencies=np.sort([[0.0, 0.0, 0.0, *modes]], axis=1),
    )


def _distinct(found: Sequence[ReferenceCase]) -> list[ReferenceCase]:
    """With a number after names that a task has twice."""
    seen: dict[tuple[str, str], int] = {}
    out: list[ReferenceCase] = []
    for case in found:
        key = (str(case.task), case.name)
        seen[key] = seen.get(key, 0) + 1
        out.append(case if seen[key] == 1 else replace(case, name=f"{case.name}, {seen[key]}"))
    return out


Maker = Callable[[_Material], Iterator[ReferenceCase]]
MAKERS: Sequence[tuple[frozenset[str], Maker]] = (
    (frozenset({"bulk_modulus", "shear_modulus"}), _elastic),
    (frozenset({"bulk_modulus", "volume"}), _eos),
    (frozenset({"surface_energy"}), _surface),
    (frozenset({"vacancy_energy"}), _vacancies),
    (frozenset({"migration_barrier"}), _barriers),
    (frozenset({"gamma_frequency"}), _frequencies),
)
"""What makes cases, by the quantities that it takes."""
