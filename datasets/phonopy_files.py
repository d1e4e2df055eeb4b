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
from ase.data import atomic_masses
from phonopy.interface.calculator import get_calculator_physical_units
from phonopy.interface.phonopy_yaml import PhonopyYamlData, load_phonopy_yaml
from phonopy.structure.atomic_data import get_atomic_data
from phonopy.structure.atoms import PhonopyAtoms

from umlip_bench.datasets.cases import PhononCase, Preparation
from umlip_bench.datasets.force_order import at_rest, misfit
from umlip_bench.datasets.phonopy_cells import SYMPREC, primitive_matrix
from umlip_bench.datasets.supercells import order_of, phonopys_supercell
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


def read(path: Path, level: LevelOfTheory, name: str, *, trust_order: bool = False) -> PhononCase:
    """Read a user's force sets.

    Parameters
    ----------
    path
        The yaml file. Units are those of the code that it says the forces are from.
    level
        Of the forces. The cell is taken to be relaxed at this level.
    name
        Of the case.
    trust_order
        As in `phonon_case`.

    Raises
    ------
    DataError
        If something is missing or does not fit together; names the file and the remedy.
    """
    source = read_yaml(path)
    lacking = [key for key in ("unit_cell", "supercell_matrix") if key not in source]
    if not (source.get("displacements") or (source.get("dataset") or {}).get("displacements")):
        lacking.append("displacements")
    if lacking:
        raise DataError(
            f"{path} has no {', no '.join(lacking)}; needed is the file that phonopy wrote with the "
            "displacements (`phonopy -d`)"
        )
    length, force = _units(source, path)
    atoms, displacements = displacements_of(source, path)
    forces = _forces_of(source)
    if forces is None:
        beside = path.parent / FORCE_SETS
        if not beside.is_file():
            raise DataError(f"{path} comes without forces; {REMEDY}")
        forces = read_force_sets(beside, atoms, displacements)
        if atoms is None:
            displacements = displacements[: len(forces)]
    return phonon_case(
        source,
        forces * force,
        displaced=(atoms, displacements),
        name=name,
        system=name,
        level=level,
        preparation=Preparation.RELAXED,
        length=length,
        where=str(path),
        trust_order=trust_order,
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


def displacements_of(
    source: Mapping[str, Any], path: Path | None = None
) -> tuple[np.ndarray | None, np.ndarray]:
    """Displacements as in the file.

    Parameters
    ----------
    source
        Content of the file.
    path
        The file, for messages.

    Returns
    -------
    tuple
        Displaced atoms, counted from 0, shape (D,), with displacements of shape (D, 3); or ``None`` with
        those of all atoms, shape (D, N, 3).

    Raises
    ------
    DataError
        If they are of no form of phonopy's.
    """
    dataset = _parsed(source, path).dataset
    if dataset is None:
        raise DataError(f"{path or 'the file'} has displacements of no form that phonopy writes")
    if "first_atoms" in dataset:
        first = dataset["first_atoms"]
        atoms = np.array([entry["number"] for entry in first])
        return atoms, np.array([entry["displacement"] for entry in first], dtype=float)
    return None, np.asarray(dataset["displacements"], dtype=float)


def _forces_of(source: Mapping[str, Any]) -> np.ndarray | None:
    """Forces that are in the file itself, shape (D, N, 3)."""
    dataset: Mapping[str, Any] = _parsed(source, None).dataset or {}
    if "first_atoms" not in dataset:
        forces = dataset.get("forces")
        return None if forces is None else np.asarray(forces, dtype=float)
    if all("forces" in entry for entry in dataset["first_atoms"]):
        return np.array([entry["forces"] for entry in dataset["first_atoms"]], dtype=float)
    return None


def _parsed(source: Mapping[str, Any], path: Path | None) -> PhonopyYamlData:
    """What phonopy makes of the content of its file, force constants left out."""
    content = {key: value for key, value in source.items() if key != "force_constants"}
    # Checked by `_units`; some versions state them of force constants in other words.
    content.pop("physical_unit", None)
    try:
        return load_phonopy_yaml(content)
    # What phonopy raises on content that is not of the form that it writes.
    except (ValueError, KeyError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        raise DataError(
            f"{path or 'the file'} is not as phonopy writes it ({type(error).__name__}: {error}); needed "
            "is the file that it wrote with the displacements (`phonopy -d`)"
        ) from error


def phonon_case(
    source: Mapping[str, Any],
    forces: np.ndarray,
    *,
    displaced: tuple[np.ndarray | None, np.ndarray] | None = None,
    name: str,
    system: str,
    level: LevelOfTheory,
    preparation: Preparation,
    length: float = 1.0,
    where: str = "",
    trust_order: bool = False,
) -> PhononCase:
    """Case from the content of a phonopy yaml file and the forces on its displaced supercells.

    Parameters
    ----------
    source
        Content of the file.
    forces
        Shape (D, N, 3), eV/Å, in the order of the file's supercell.
    displaced
        As from `displacements_of`, where it is not all of those.
    name, system, level, preparation
        As in `PhononCase`.
    length
        The file's unit of length in Å.
    where
        Names the file in messages; the case's name where it is empty.
    trust_order
        Whether forces count as they are even where they do not look as if they were in the order of the
        supercell; a note of the case says so.

    Raises
    ------
    DataError
        If the forces are not one per atom of each displaced supercell, the supercell is not phonopy's of the
        unit cell, or the forces are in another order.
    """
    where = where or name
    parsed = _parsed(source, None)
    cell, matrix = _one_species_a_site(parsed.unitcell, where), parsed.supercell_matrix
    if matrix is None:
        raise DataError(f"{where} has no supercell_matrix")
    unitcell = _unitcell(cell, length)
    symprec = _symprec(source)
    atoms, displacements = displaced or displacements_of(source)
    displacements = length * displacements
    count = round(abs(np.linalg.det(matrix))) * len(unitcell)
    if forces.shape != (len(displacements), count, 3) or (
        atoms is None and displacements.shape != forces.shape
    ):
        raise DataError(
            f"{where}: forces of shape {forces.shape} for {len(displacements)} displaced supercells "
            f"of {count} atoms"
        )
    supercell = phonopys_supercell(unitcell, matrix, symprec, where)
    order = order_of(supercell, unitcell, parsed.supercell, length, where, symprec)
    forces = forces[:, order]
    if atoms is None:
        displacements = displacements[:, order]
    else:
        atoms = np.argsort(order)[atoms]
    notes = (
        *_residual_note(at_rest(supercell, atoms, forces), atoms, symprec),
        *_order_note(misfit(supercell, atoms, displacements, forces, symprec), where, trust_order),
    )
    # Stored even where it was phonopy's choice, which may depend on its version.
    primitive = parsed.primitive_matrix
    return PhononCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        unitcell=unitcell,
        supercell_matrix=np.array(matrix, dtype=int),
        primitive_matrix=primitive_matrix(unitcell, symprec) if primitive is None else primitive,
        displaced_atoms=atoms,
        displacements=displacements,
        forces=forces,
        symprec=symprec,
        notes=notes,
    )


def _residual_note(residual: float, atoms: np.ndarray | None, symprec: float) -> tuple[str, ...]:
    """What is said of forces at rest."""
    if atoms is None or not np.isfinite(residual):
        return ()
    return (
        f"about {residual:.4f} eV/Å act on atoms at rest: what of it breaks the symmetry found within "
        f"{symprec:g} Å is part of DFT's force constants, as phonopy takes it, and of the model's alike",
    )


def _order_note(doubt: str, where: str, trust_order: bool) -> tuple[str, ...]:
    """What is said of forces that look to be in another order, where that is not an error."""
    if not doubt:
        return ()
    if not trust_order:
        raise DataError(
            f"{where}: forces do not look to be in the order of the supercell (or have the wrong "
            f"sign): {doubt}; collect them from supercells as phonopy wrote them "
            "(`phonopy -f`), or trust the order with --trust-order (in Python trust_order=True)"
        )
    return (f"the order of the forces was trusted, against this: {doubt}",)


def read_force_sets(path: Path, atoms: np.ndarray | None, displacements: np.ndarray) -> np.ndarray:
    """Forces from a ``FORCE_SETS``.

    Parameters
    ----------
    path
        The file.
    atoms, displacements
        That the yaml file beside it has, as from `displacements_of`.

    Returns
    -------
    ndarray
        Shape (D, N, 3), in the file's unit; fewer sets than displacements where all atoms are displaced and
        only the first supercells were computed.

    Raises
    ------
    DataError
        If it is something else, or of other displacements.
    """
    if atoms is None:
        return _read_random_force_sets(path, displacements)
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


def _read_random_force_sets(path: Path, displacements: np.ndarray) -> np.ndarray:
    """Forces from a ``FORCE_SETS`` with all atoms displaced, shape (D, N, 3), in the file's unit.

    `displacements` are those of the yaml file beside it, shape (D, N, 3).
    """
    count = displacements.shape[1]
    try:
        lines = np.loadtxt(path, ndmin=2).reshape(-1, count, 6)
    except ValueError as error:
        raise DataError(
            f"{path} is not of the form with a displacement and a force of each of {count} atoms; the yaml "
            f"file beside it displaces all atoms at once ({error})"
        ) from error
    vectors = displacements[: len(lines)]
    if vectors.shape != lines[..., :3].shape or not np.allclose(lines[..., :3], vectors, atol=1e-6):
        raise DataError(f"{path} is of other displacements than the yaml file beside it")
    return np.asarray(lines[..., 3:])


def _one_species_a_site(cell: PhonopyAtoms | None, where: str) -> PhonopyAtoms:
    if cell is None:
        raise DataError(f"{where} has no unit_cell")
    if cell.has_weighted_species:
        raise DataError(f"{where} has mixed sites; needed is one element on each site")
    return cell


def _unitcell(cell: PhonopyAtoms, length: float) -> Atoms:
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


def _symprec(source: Mapping[str, Any]) -> float:
    """Å; in the units of the file phonopy's own, whatever the code."""
    return float((source.get("phonopy") or {}).get("symmetry_tolerance", SYMPREC))


def _units(source: Mapping[str, Any], path: Path) -> tuple[float, float]:
    """The file's unit of length in Å, and of force in eV/Å."""
    code = (source.get("phonopy") or {}).get("calculator")
    try:
        units = get_calculator_physical_units(code)
    except ValueError as error:
        raise DataError(
            f"{path} has forces of {code}, whose units phonopy does not know"
        ) from error
    for what, unit in (("length", units.length_unit), ("force", units.force_unit)):
        stated = (source.get("physical_unit") or {}).get(what, unit)
        if stated != unit:
            raise DataError(
                f"{path} has {what}s in {stated}, but those of {code or 'VASP'} are in {unit}"
            )
    return float(units.distance_to_A), float(units.force_to_eVperA)
