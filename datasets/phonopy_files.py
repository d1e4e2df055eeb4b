"""Force sets as phonopy keeps them: a yaml file, with the forces in it or in a ``FORCE_SETS`` beside it.

Dielectric tensors and Born charges are not read: without the non-analytical term models and DFT are compared
on equal terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from umlip_bench.datasets.cases import PhononCase, Preparation
from umlip_bench.datasets.force_order import at_rest, misfit
from umlip_bench.datasets.phonopy_content import (
    check_keys,
    has_displacements,
    parsed,
    phonopy_cells,
    units_of,
)
from umlip_bench.datasets.phonopy_content import read_yaml as read_yaml
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

FORCE_SETS = "FORCE_SETS"
NAMES = ("phonopy_params.yaml", "phonopy_disp.yaml", "phonopy.yaml")
"""What phonopy calls its files. Of several in one folder, which are of one calculation, the first is read."""
REMEDY = (
    f"write {FORCE_SETS} beside it (`phonopy -f disp-*/vasprun.xml`) or the forces into it "
    "(`phonopy --sp` after that)"
)


def chosen(files: Sequence[Path]) -> list[Path]:
    """Of the files of `NAMES` among others, one for each folder."""
    by_folder: dict[Path, Path] = {}
    for path in sorted((f for f in files if f.name in NAMES), key=lambda f: NAMES.index(f.name)):
        by_folder.setdefault(path.parent, path)
    return sorted(by_folder.values())


def has_forces(content: Mapping[str, object], path: Path) -> bool:
    """Whether a yaml file of this content has displacements, and forces in it or beside it."""
    if not has_displacements(content):
        return False
    return (path.parent / FORCE_SETS).is_file() or _forces_of(content) is not None


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
    check_keys(source, path, displacements=True)
    length, force = units_of(source, path)
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


def displacements_of(
    source: Mapping[str, object], path: Path | None = None
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
    dataset = parsed(source, path).dataset
    if dataset is None:
        raise DataError(f"{path or 'the file'} has displacements of no form that phonopy writes")
    if "first_atoms" in dataset:
        first = dataset["first_atoms"]
        atoms = np.array([entry["number"] for entry in first])
        return atoms, np.array([entry["displacement"] for entry in first], dtype=float)
    return None, np.asarray(dataset["displacements"], dtype=float)


def _forces_of(source: Mapping[str, object]) -> np.ndarray | None:
    """Forces that are in the file itself, shape (D, N, 3)."""
    dataset = parsed(source, None).dataset or {}
    if "first_atoms" not in dataset:
        forces = dataset.get("forces")
        return None if forces is None else np.asarray(forces, dtype=float)
    if all("forces" in entry for entry in dataset["first_atoms"]):
        return np.array([entry["forces"] for entry in dataset["first_atoms"]], dtype=float)
    return None


def phonon_case(
    source: Mapping[str, object],
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
    cells = phonopy_cells(source, length, where)
    atoms, displacements = displaced or displacements_of(source)
    displacements = length * displacements
    count, order, symprec = len(cells.supercell), cells.order, cells.symprec
    if forces.shape != (len(displacements), count, 3) or (
        atoms is None and displacements.shape != forces.shape
    ):
        raise DataError(
            f"{where}: forces of shape {forces.shape} for {len(displacements)} displaced supercells "
            f"of {count} atoms"
        )
    forces = forces[:, order]
    if atoms is None:
        displacements = displacements[:, order]
    else:
        atoms = np.argsort(order)[atoms]
    notes = (
        *_residual_note(at_rest(cells.supercell, atoms, forces), atoms, symprec),
        *_order_note(
            misfit(cells.supercell, atoms, displacements, forces, symprec), where, trust_order
        ),
    )
    return PhononCase(
        name=name,
        system=system,
        level_of_theory=level,
        preparation=preparation,
        unitcell=cells.unitcell,
        supercell_matrix=cells.supercell_matrix,
        primitive_matrix=cells.primitive_matrix,
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
