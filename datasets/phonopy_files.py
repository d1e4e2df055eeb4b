"""Force sets as phonopy keeps them: a yaml file, with the forces in it or in a ``FORCE_SETS`` beside it.

Dielectric tensors and Born charges are not read: without the non-analytical term models and DFT are compared
on equal terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from phonopy.interface.calculator import get_calculator_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import guess_primitive_matrix

from umlip_bench.datasets.cases import PhononCase, Preparation
from umlip_bench.ground import codec
from umlip_bench.ground.errors import ContentError, DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

FORCE_SETS = "FORCE_SETS"
NAMES = ("phonopy_params.yaml", "phonopy_disp.yaml", "phonopy.yaml")
"""What phonopy calls its files. Of several in one folder, which are of one calculation, the first is read."""
FORMAT = (
    f"phonopy's files ({', '.join(NAMES)}) with the forces in them or in {FORCE_SETS} beside them"
)
REMEDY = (
    f"write {FORCE_SETS} beside it (`phonopy -f disp-*/vasprun.xml`) or the forces into it "
    "(`phonopy --sp` after that)"
)

MAX_BYTES = 1_000_000_000
"""Of a file, which may hold the force constants of a large supercell."""


def chosen(files: Sequence[Path]) -> list[Path]:
    """Of the files of `NAMES` among others, one for each folder."""
    by_folder: dict[Path, Path] = {}
    for path in sorted((f for f in files if f.name in NAMES), key=lambda f: NAMES.index(f.name)):
        by_folder.setdefault(path.parent, path)
    return sorted(by_folder.values())


def sources(path: Path) -> Iterator[Path]:
    """The file itself and the ``FORCE_SETS`` beside it, if there is one."""
    yield path
    beside = path.parent / FORCE_SETS
    if beside.is_file():
        yield beside


def read(path: Path, level: LevelOfTheory, name: str) -> PhononCase:
    """Read a user's force sets.

    Parameters
    ----------
    path
        The yaml file. Units are those of the code that it says the forces are from.
    level
        Of the forces. The cell is taken to be relaxed at this level.
    name
        Of the case.

    Raises
    ------
    DataError
        If something is missing or does not fit together; names the file and the remedy.
    """
    source = read_yaml(path)
    lacking = [
        key for key in ("unit_cell", "supercell_matrix", "displacements") if key not in source
    ]
    if lacking:
        raise DataError(
            f"{path} has no {', no '.join(lacking)}; needed is the file that phonopy wrote with the "
            "displacements (`phonopy -d`)"
        )
    entries = source["displacements"]
    if not all(isinstance(entry, Mapping) and "atom" in entry for entry in entries):
        raise DataError(
            f"{path} displaces all atoms at once (`--rd`); needed is one displaced atom in each supercell "
            "(`phonopy -d`)"
        )
    atoms, displacements = displacements_of(source)
    if all("forces" in entry for entry in entries):
        forces = np.array([entry["forces"] for entry in entries], dtype=float)
    elif (path.parent / FORCE_SETS).is_file():
        forces = read_force_sets(path.parent / FORCE_SETS, atoms, displacements)
    else:
        raise DataError(f"{path} comes without forces; {REMEDY}")
    length, force = _units(source, path)
    return phonon_case(
        source,
        forces * force,
        name=name,
        system=name,
        level=level,
        preparation=Preparation.RELAXED,
        length=length,
    )


def read_yaml(path: Path) -> dict[str, Any]:
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


def displacements_of(source: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Displaced atoms, counted from 0, shape (D,), and displacements as in the file, shape (D, 3)."""
    entries = source["displacements"]
    atoms = np.array([entry["atom"] for entry in entries]) - 1
    return atoms, np.array([entry["displacement"] for entry in entries], dtype=float)


def phonon_case(
    source: Mapping[str, Any],
    forces: np.ndarray,
    *,
    name: str,
    system: str,
    level: LevelOfTheory,
    preparation: Preparation,
    length: float = 1.0,
) -> PhononCase:
    """Case from the content of a phonopy yaml file and the forces on its displaced supercells.

    Parameters
    ----------
    source
        Content of the file.
    forces
        Shape (D, N, 3), eV/Å, in the order of phonopy's supercell.
    name, system, level, preparation
        As in `PhononCase`.
    length
        The file's unit of length in Å.

    Raises
    ------
    DataError
        If the forces are not one per atom of each displaced supercell.
    """
    unitcell = _unitcell(source, length)
    supercell_matrix = np.array(source["supercell_matrix"], dtype=int)
    atoms, displacements = displacements_of(source)
    count = round(abs(np.linalg.det(supercell_matrix))) * len(unitcell)
    if forces.shape != (len(displacements), count, 3):
        raise DataError(
            f"{name}: forces of shape {forces.shape} for {len(displacements)} displaced supercells "
            f"of {count} atoms"
        )
    # Stored even where it was phonopy's choice, which may depend on its version.
    if "primitive_matrix" in source:
        primitive_matrix = np.array(source["primitive_matrix"], dtype=float)
    else:
        primitive_matrix = np.array(guess_primitive_matrix(_for_phonopy(unitcell)))
    return PhononCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        unitcell=unitcell,
        supercell_matrix=supercell_matrix,
        primitive_matrix=primitive_matrix,
        displaced_atoms=atoms,
        displacements=length * displacements,
        forces=forces,
    )


def read_force_sets(path: Path, atoms: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    """Forces from a ``FORCE_SETS`` with one displaced atom in each supercell.

    Parameters
    ----------
    path
        The file.
    atoms, displacements
        That the yaml file beside it has, as from `displacements_of`.

    Returns
    -------
    ndarray
        Shape (D, N, 3), in the file's unit.

    Raises
    ------
    DataError
        If it is something else, or of other displacements.
    """
    try:
        numbers = np.array(path.read_text(encoding="utf-8").split(), dtype=float)
        count, sets = numbers[:2].astype(int)
        # Each set: the atom counted from 1, its displacement, a force per atom.
        blocks = numbers[2:].reshape(sets, 1 + 3 + 3 * count)
    except ValueError as error:
        raise DataError(
            f"{path} is not of the form with one displaced atom in each supercell ({error})"
        ) from error
    if not (
        np.array_equal(blocks[:, 0] - 1, atoms)
        and np.allclose(blocks[:, 1:4], displacements, atol=1e-8)
    ):
        raise DataError(f"{path} is of other displacements than the yaml file beside it")
    return np.asarray(blocks[:, 4:].reshape(sets, count, 3))


def _unitcell(source: Mapping[str, Any], length: float) -> Atoms:
    cell = source["unit_cell"]
    return Atoms(
        symbols=[point["symbol"] for point in cell["points"]],
        scaled_positions=[point["coordinates"] for point in cell["points"]],
        cell=length * np.array(cell["lattice"], dtype=float),
        pbc=True,
    )


def _for_phonopy(atoms: Atoms) -> PhonopyAtoms:
    return PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )


def _units(source: Mapping[str, Any], path: Path) -> tuple[float, float]:
    """The file's unit of length in Å, and of force in eV/Å."""
    code = (source.get("phonopy") or {}).get("calculator")
    try:
        units = get_calculator_physical_units(code)
    except ValueError as error:
        raise DataError(
            f"{path} has forces of {code}, whose units phonopy does not know"
        ) from error
    stated = (source.get("physical_unit") or {}).get("length", units.length_unit)
    if stated != units.length_unit:
        raise DataError(
            f"{path} has lengths in {stated}, but those of {code or 'VASP'} are in {units.length_unit}"
        )
    return float(units.distance_to_A), float(units.force_to_eVperA)
