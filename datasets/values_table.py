"""Tables of values, as papers and handbooks have them: a line for each number of a crystal or a slab.

``structure, quantity, value, unit`` and, where they are known, ``functional`` (or ``experiment``),
``source``, ``system``, and of a surface energy ``miller`` and ``bulk``. Structures are files beside the
table, scaled to the volume or lattice constant where the table has one.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.units import GPa, J, m

from umlip_bench.datasets.cases import (
    ElasticCase,
    EosCase,
    Preparation,
    ReferenceCase,
    SurfaceCase,
)
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.part_cases import named
from umlip_bench.datasets.readers.result import RefusedResult
from umlip_bench.datasets.roles import miller_index
from umlip_bench.ground.errors import DataError, UmlipBenchError
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.structures import read_structure

NEEDED = ("structure", "quantity", "value", "unit")
FORMAT = f"a table of values (*.csv) with the columns {', '.join(NEEDED)}"
PRESSURES = {"GPa": GPa, "kbar": 0.1 * GPa, "eV/A3": 1.0, "eV/Å³": 1.0}
TENSIONS = {"J/m2": J / m**2, "J/m²": J / m**2, "eV/A2": 1.0, "eV/Å²": 1.0, "meV/A2": 1e-3}
UNITS: Mapping[str, Mapping[str, float]] = {
    "bulk_modulus": PRESSURES,
    "shear_modulus": PRESSURES,
    "bulk_modulus_derivative": {"": 1.0, "1": 1.0},
    "volume": {"A3": 1.0, "Å³": 1.0},
    "lattice_constant": {"A": 1.0, "Å": 1.0},
    "surface_energy": TENSIONS,
}
"""Quantities, and the units that each may be in, with what makes eV and Å of them."""


@dataclass(frozen=True)
class _Row:
    """A line of a table, its value in eV and Å."""

    where: str
    structure: Path
    quantity: str
    value: float
    functional: str
    source: str
    system: str
    miller: str
    bulk: Path | None


@dataclass(frozen=True)
class Table:
    """What a table holds.

    Parameters
    ----------
    rows
        Lines that are as they should be.
    refused
        The others, and why.
    sources
        The table and the structures that it names.
    """

    rows: tuple[_Row, ...]
    refused: tuple[RefusedResult, ...]
    sources: tuple[Path, ...]

    @property
    def functionals(self) -> dict[str, str]:
        """Functionals that are named, each with a line that does."""
        return {row.functional: row.where for row in reversed(self.rows) if row.functional}

    @property
    def told(self) -> str:
        """How many values there are, of what, and where from."""
        structures = len({row.structure for row in self.rows})
        cited = sorted({row.source for row in self.rows if row.source})
        text = f"{len(self.rows)} values of {structures} structures"
        return f"{text}, from {'; '.join(cited)}" if cited else f"{text}, of no stated source"


def is_table(path: Path) -> bool:
    """Whether a file is a table of values, by its first line."""
    if path.suffix.lower() != ".csv":
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        header = next(csv.reader(stream), [])
    return set(NEEDED) <= {name.strip() for name in header}


def read_table(path: Path) -> Table:
    """Read a table."""
    rows: list[_Row] = []
    refused: list[RefusedResult] = []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for number, line in enumerate(csv.DictReader(stream), start=2):
            where = f"{path}, line {number}"
            texts = {str(k).strip(): str(v or "").strip() for k, v in line.items() if k}
            try:
                rows.append(_row(where, path.parent, texts))
            except DataError as error:
                refused.append(RefusedResult(where, str(error)))
    files = dict.fromkeys(f for row in rows for f in (row.structure, row.bulk) if f is not None)
    return Table(tuple(rows), tuple(refused), (path, *files))


def _row(where: str, folder: Path, texts: Mapping[str, str]) -> _Row:
    quantity, unit, written = texts["quantity"], texts["unit"], texts["value"]
    if quantity not in UNITS:
        raise DataError(f"quantity is {quantity!r}; allowed: {', '.join(UNITS)}")
    units = UNITS[quantity]
    if unit not in units:
        allowed = ", ".join(each or "none" for each in units)
        raise DataError(f"unit of {quantity} is {unit!r}; allowed: {allowed}")
    try:
        value = float(written) * units[unit]
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value <= 0:
        raise DataError(f"value is {written!r}; it must be a number above 0")
    structure = folder / texts["structure"]
    bulk = folder / texts["bulk"] if texts.get("bulk") else None
    for file in (structure, bulk):
        if file is not None and not file.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"{file} is outside the table's folder; put it there")
        if file is not None and not file.is_file():
            raise DataError(
                f"there is no structure {file}; paths are taken from the table's folder"
            )
    more = {name: texts.get(name, "") for name in ("functional", "source", "system", "miller")}
    return _Row(where, structure, quantity, value, **more, bulk=bulk)


def cases(table: Table, level: LevelOfTheory) -> tuple[list[ReferenceCase], list[RefusedResult]]:
    """Cases of what belongs to one structure, and lines that make none, with the reason."""
    made: list[ReferenceCase] = []
    refused: list[RefusedResult] = []
    groups: dict[tuple[Path, str], list[_Row]] = {}
    for row in table.rows:
        # A slab may have several faces' names, a crystal has each number once.
        groups.setdefault((row.structure, row.miller), []).append(row)
    for (structure, _), rows in groups.items():
        try:
            twice = [r for k, r in enumerate(rows) if r.quantity in {q.quantity for q in rows[:k]}]
            if twice:
                raise DataError(f"{twice[0].quantity} of {structure.name} is there twice")
            found = list(_of_structure(structure, rows, level))
            if not found:
                have = ", ".join(row.quantity for row in rows)
                raise DataError(
                    f"{have} alone is no case: eos takes bulk_modulus and volume or lattice_constant, "
                    "elastic bulk_modulus and shear_modulus"
                )
        except UmlipBenchError as error:
            refused.append(RefusedResult(rows[0].where, str(error)))
        else:
            made += found
    return _distinct(made), refused


def _of_structure(
    structure: Path, rows: Sequence[_Row], level: LevelOfTheory
) -> Iterator[ReferenceCase]:
    atoms = read_structure(structure)
    values = {row.quantity: row.value for row in rows}
    if "lattice_constant" in values:
        values.setdefault("volume", _volume(atoms, values["lattice_constant"]))
    if "volume" in values:
        scale = (values["volume"] / atoms.get_volume()) ** (1 / 3)
        atoms.set_cell(atoms.cell.array * scale, scale_atoms=True)
    system = rows[0].system or composition(atoms)
    for needed, made in MAKERS:
        if needed <= values.keys():
            yield made(system, atoms, values, rows, level)


def _elastic(
    system: str,
    atoms: Atoms,
    values: Mapping[str, float],
    _: Sequence[_Row],
    level: LevelOfTheory,
) -> ReferenceCase:
    return ElasticCase(
        name=system,
        system=system,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        atoms=named(atoms, system),
        bulk_modulus=values["bulk_modulus"],
        shear_modulus=values["shear_modulus"],
    )


def _eos(
    system: str,
    atoms: Atoms,
    values: Mapping[str, float],
    _: Sequence[_Row],
    level: LevelOfTheory,
) -> ReferenceCase:
    return EosCase(
        name=system,
        system=system,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        atoms=named(atoms, system),
        volume=values["volume"],
        bulk_modulus=values["bulk_modulus"],
        bulk_modulus_derivative=values.get("bulk_modulus_derivative", math.nan),
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

    found = SpacegroupAnalyzer(AseAtomsAdaptor.get_structure(atoms), 1e-3)
    if found.get_crystal_system() != "cubic":
        raise DataError("lattice_constant is of cubic crystals; give the volume of the file's cell")
    own = found.get_conventional_standard_structure().lattice.a
    return float(atoms.get_volume() * (constant / own) ** 3)


def _surface(
    system: str,
    atoms: Atoms,
    values: Mapping[str, float],
    rows: Sequence[_Row],
    level: LevelOfTheory,
) -> ReferenceCase:
    (row,) = [each for each in rows if each.quantity == "surface_energy"]
    if row.bulk is None or not row.miller:
        raise DataError("a surface_energy takes the columns miller and bulk, a file, of its slab")
    miller = miller_index(row.miller)
    name = f"{system} ({' '.join(map(str, miller))})"
    first, second, _ = atoms.cell
    return SurfaceCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        slab=named(atoms, name),
        bulk=named(read_structure(row.bulk), f"{system} bulk"),
        miller_index=miller,
        area=float(np.linalg.norm(np.cross(first, second))),
        surface_energy=values["surface_energy"],
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


Maker = Callable[[str, Atoms, Mapping[str, float], Sequence[_Row], LevelOfTheory], ReferenceCase]
MAKERS: Sequence[tuple[frozenset[str], Maker]] = (
    (frozenset({"bulk_modulus", "shear_modulus"}), _elastic),
    (frozenset({"bulk_modulus", "volume"}), _eos),
    (frozenset({"surface_energy"}), _surface),
)
"""What makes a case, by the quantities that it takes."""
