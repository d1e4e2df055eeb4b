"""What a yaml file of phonopy's says of cells, units and tolerance, whatever version wrote it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.data import atomic_masses
from phonopy.interface.calculator import get_calculator_physical_units
from phonopy.interface.phonopy_yaml import PhonopyYamlData, load_phonopy_yaml
from phonopy.structure.atomic_data import get_atomic_data
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import Supercell

from umlip_bench.datasets.phonopy_cells import SYMPREC, primitive_matrix
from umlip_bench.datasets.supercells import order_of, phonopys_supercell
from umlip_bench.ground import codec
from umlip_bench.ground.content import as_float, as_mapping
from umlip_bench.ground.errors import ContentError, DataError

MAX_BYTES = 1_000_000_000
"""Of a file, which may hold the force constants of a large supercell."""


@dataclass(frozen=True, eq=False)
class PhonopyFileCells:
    """Cells of a file.

    Parameters
    ----------
    unitcell
        With its masses.
    supercell_matrix, primitive_matrix
        Shape (3, 3), the latter even where it was phonopy's choice, which may depend on its version.
    supercell
        As this version of phonopy makes it.
    order
        Index in the file's supercell of each of its atoms, shape (N,).
    symprec
        Å, with which the displacements were chosen.
    """

    unitcell: Atoms
    supercell_matrix: np.ndarray
    primitive_matrix: np.ndarray
    supercell: Supercell
    order: np.ndarray
    symprec: float


def phonopy_cells(source: Mapping[str, object], length: float, where: str) -> PhonopyFileCells:
    """Cells of the content of a file.

    Parameters
    ----------
    source
        The content.
    length
        The file's unit of length in Å.
    where
        Names the file in messages.

    Raises
    ------
    DataError
        If there is no supercell matrix, or the supercell is not phonopy's of the unit cell.
    """
    content = parsed(source, None)
    cell, matrix = one_species_a_site(content.unitcell, where), content.supercell_matrix
    if matrix is None:
        raise DataError(f"{where} has no supercell_matrix")
    unitcell, symprec = unitcell_of(cell, length), symprec_of(source)
    supercell = phonopys_supercell(unitcell, matrix, symprec, where)
    primitive = content.primitive_matrix
    return PhonopyFileCells(
        unitcell,
        np.array(matrix, dtype=int),
        primitive_matrix(unitcell, symprec) if primitive is None else np.asarray(primitive),
        supercell,
        order_of(supercell, unitcell, content.supercell, length, where, symprec),
        symprec,
    )


def check_keys(source: Mapping[str, object], path: Path, *, displacements: bool) -> None:
    """Refuse a file without cells, or without displacements where they are needed.

    Raises
    ------
    DataError
        If something is missing; names it.
    """
    lacking = [key for key in ("unit_cell", "supercell_matrix") if key not in source]
    if displacements and not has_displacements(source):
        lacking.append("displacements")
    if lacking:
        raise DataError(
            f"{path} has no {', no '.join(lacking)}; needed is the file that phonopy wrote with the "
            "displacements (`phonopy -d`)"
        )


def has_displacements(source: Mapping[str, object]) -> bool:
    """Whether a file has displacements, in either of phonopy's forms."""
    return bool(source.get("displacements") or _section(source, "dataset").get("displacements"))


def read_yaml(path: Path) -> dict[str, object]:
    """Content of a phonopy yaml file, whatever version of phonopy wrote it.

    Raises
    ------
    DataError
        If it is none.
    """
    try:
        content = codec.read_yaml(path, MAX_BYTES)
    except ContentError as error:
        raise DataError(str(error)) from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is no file of phonopy's")
    return content


def _section(source: Mapping[str, object], name: str) -> dict[str, object]:
    """Part of a file; empty where it is not there."""
    return as_mapping(source.get(name) or {})


def parsed(source: Mapping[str, object], path: Path | None) -> PhonopyYamlData:
    """What phonopy makes of the content of its file, force constants left out."""
    content = {key: value for key, value in source.items() if key != "force_constants"}
    # Checked by `units_of`; some versions state them of force constants in other words.
    content.pop("physical_unit", None)
    try:
        return load_phonopy_yaml(content)
    # What phonopy raises on content that is not of the form that it writes.
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        raise DataError(
            f"{path or 'the file'} is not as phonopy writes it ({type(error).__name__}: {error}); needed "
            "is the file that it wrote with the displacements (`phonopy -d`)"
        ) from error


def one_species_a_site(cell: PhonopyAtoms | None, where: str) -> PhonopyAtoms:
    """The cell, unless there is none, or one with mixed sites.

    Raises
    ------
    DataError
        If that is so.
    """
    if cell is None:
        raise DataError(f"{where} has no unit_cell")
    if cell.has_weighted_species:
        raise DataError(f"{where} has mixed sites; needed is one element on each site")
    return cell


def unitcell_of(cell: PhonopyAtoms, length: float) -> Atoms:
    """For ASE, in Å. Masses are set where they are not merely phonopy's defaults."""
    atoms = Atoms(
        numbers=cell.numbers,
        scaled_positions=cell.scaled_positions,
        cell=length * np.asarray(cell.cell),
        pbc=True,
    )
    defaults = [get_atomic_data().atom_data[number][3] or np.nan for number in atoms.numbers]
    if cell.masses is not None:
        # phonopy's are standard weights of an older table, and written with six digits.
        usual = np.isclose(cell.masses, defaults, rtol=0, atol=1e-6)
        usual |= np.isclose(cell.masses, atomic_masses[atoms.numbers], rtol=0, atol=1e-6)
        if not usual.all():
            atoms.set_masses(np.where(usual, atomic_masses[atoms.numbers], cell.masses))
    return atoms


def symprec_of(source: Mapping[str, object]) -> float:
    """Å; in the units of the file phonopy's own, whatever the code."""
    return as_float(_section(source, "phonopy").get("symmetry_tolerance", SYMPREC))


def units_of(source: Mapping[str, object], path: Path) -> tuple[float, float]:
    """The file's unit of length in Å, and of force in eV/Å."""
    code = _section(source, "phonopy").get("calculator")
    try:
        units = get_calculator_physical_units(code)
    except ValueError as error:
        raise DataError(
            f"{path} has forces of {code}, whose units phonopy does not know"
        ) from error
    for what, unit in (("length", units.length_unit), ("force", units.force_unit)):
        stated = _section(source, "physical_unit").get(what, unit)
        if stated != unit:
            raise DataError(
                f"{path} has {what}s in {stated}, but those of {code or 'VASP'} are in {unit}"
            )
    return float(units.distance_to_A), float(units.force_to_eVperA)
