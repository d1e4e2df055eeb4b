"""Tables of values, as papers and handbooks have them: a line for each number of a crystal or a slab.

``structure, quantity, value, unit`` and, where they are known, ``functional`` (or ``experiment``),
``source``, ``system``; of a surface energy ``miller`` and ``bulk``, of a vacancy of a compound ``ion``, of a
barrier ``ion`` and ``end`` or ``distance``, of a frequency ``degeneracy``. Structures are files beside the
table.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ase.units import GPa, J, invcm, m
from scipy import constants

from umlip_bench.datasets.readers.result import RefusedResult
from umlip_bench.ground.errors import DataError

NEEDED = ("structure", "quantity", "value", "unit")
FORMAT = f"a table of values (*.csv) with the columns {', '.join(NEEDED)}"
PRESSURES = {"GPa": GPa, "kbar": 0.1 * GPa, "eV/A3": 1.0, "eV/Å³": 1.0}
TENSIONS = {"J/m2": J / m**2, "J/m²": J / m**2, "eV/A2": 1.0, "eV/Å²": 1.0, "meV/A2": 1e-3}
TERAHERTZ = constants.h * constants.tera / constants.electron_volt
"""Energy of a quantum of 1 THz, eV."""
FREQUENCIES = {
    "THz": 1.0,
    "cm-1": invcm / TERAHERTZ,
    "1/cm": invcm / TERAHERTZ,
    "meV": 1e-3 / TERAHERTZ,
}
ENERGIES = {"eV": 1.0, "meV": 1e-3}
UNITS: Mapping[str, Mapping[str, float]] = {
    "bulk_modulus": PRESSURES,
    "shear_modulus": PRESSURES,
    "bulk_modulus_derivative": {"": 1.0, "1": 1.0},
    "volume": {"A3": 1.0, "Å³": 1.0},
    "lattice_constant": {"A": 1.0, "Å": 1.0},
    "surface_energy": TENSIONS,
    "vacancy_energy": ENERGIES,
    "migration_barrier": ENERGIES,
    "gamma_frequency": FREQUENCIES,
}
"""Quantities, and the units that each may be in, with what makes eV, Å and THz of them."""
SEVERAL = frozenset({"gamma_frequency"})
"""Of which a structure may have more than one value; they may be negative, for imaginary ones."""
TEXTS = ("functional", "source", "system", "miller", "ion")
FILES = ("bulk", "end")
"""Columns that name a further structure."""


@dataclass(frozen=True)
class ValueRow:
    """A line of a table.

    Parameters
    ----------
    where
        Table and line, for messages.
    structure
        The file.
    quantity, value
        Of `UNITS`, in eV, Å and THz.
    functional, source, system, miller, ion
        As they stand there; empty where they do not.
    bulk, end
        Further structures.
    degeneracy
        How many modes a frequency is of.
    distance
        Å, that an ion hops; nan where it is not said.
    """

    where: str
    structure: Path
    quantity: str
    value: float
    functional: str
    source: str
    system: str
    miller: str
    ion: str
    bulk: Path | None
    end: Path | None
    degeneracy: int
    distance: float


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

    rows: tuple[ValueRow, ...]
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
    rows: list[ValueRow] = []
    refused: list[RefusedResult] = []
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for number, line in enumerate(csv.DictReader(stream), start=2):
            where = f"{path}, line {number}"
            texts = {str(k).strip(): str(v or "").strip() for k, v in line.items() if k}
            try:
                rows.append(_row(where, path.parent, texts))
            except DataError as error:
                refused.append(RefusedResult(where, str(error)))
    files = dict.fromkeys(f for row in rows for f in (row.structure, row.bulk, row.end) if f)
    return Table(tuple(rows), tuple(refused), (path, *files))


def _row(where: str, folder: Path, texts: Mapping[str, str]) -> ValueRow:
    quantity, unit, written = texts["quantity"], texts["unit"], texts["value"]
    if quantity not in UNITS:
        raise DataError(f"quantity is {quantity!r}; allowed: {', '.join(UNITS)}")
    units = UNITS[quantity]
    if unit not in units:
        allowed = ", ".join(each or "none" for each in units)
        raise DataError(f"unit of {quantity} is {unit!r}; allowed: {allowed}")
    value = _number(written) * units[unit]
    if not math.isfinite(value) or value == 0 or (value < 0 and quantity not in SEVERAL):
        raise DataError(f"value is {written!r}; it must be a number above 0")
    degeneracy = _number(texts.get("degeneracy") or "1")
    if degeneracy < 1 or degeneracy != round(degeneracy):
        raise DataError(f"degeneracy is {texts['degeneracy']!r}; it must be 1, 2 or 3")
    distance = texts.get("distance", "")
    if distance and not _number(distance) > 0:
        raise DataError(f"distance is {distance!r}; it must be a number above 0, in Å")
    structure = _file(folder, texts["structure"])
    bulk, end = (_file(folder, texts[name]) if texts.get(name) else None for name in FILES)
    return ValueRow(
        where,
        structure,
        quantity,
        value,
        **{name: texts.get(name, "") for name in TEXTS},
        bulk=bulk,
        end=end,
        degeneracy=int(degeneracy),
        distance=_number(distance) if distance else math.nan,
    )


def _number(written: str) -> float:
    """Nan of what is none."""
    try:
        return float(written)
    except ValueError:
        return math.nan


def _file(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{file} is outside the table's folder; put it there")
    if not file.is_file():
        raise DataError(f"there is no structure {file}; paths are taken from the table's folder")
    return file
