"""Force constants as phonopy keeps them: in a yaml file, ``FORCE_CONSTANTS`` or ``force_constants.hdf5``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from phonopy.structure.cells import Primitive

from umlip_bench.datasets.cases import Preparation
from umlip_bench.datasets.phonon_cases import ForceConstantsCase
from umlip_bench.datasets.phonopy_content import (
    PhonopyFileCells,
    check_keys,
    has_displacements,
    phonopy_cells,
    units_of,
)
from umlip_bench.datasets.phonopy_files import displacements_of
from umlip_bench.ground.content import as_float, as_list, as_mapping
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

BESIDE = ("FORCE_CONSTANTS", "force_constants.hdf5")
"""Files beside the yaml file, of which the first that is there is read."""
KEY = "force_constants"
INTERNAL = "eV/angstrom^2"


def source_of(content: Mapping[str, object], path: Path) -> Path | None:
    """The file that has the force constants: the yaml file itself, or one beside it; ``None`` for none."""
    if KEY in content:
        return path
    return next((each for name in BESIDE if (each := path.parent / name).is_file()), None)


def read(
    content: Mapping[str, object], path: Path, level: LevelOfTheory, name: str
) -> ForceConstantsCase:
    """Read force constants, and the displacements if the yaml file has them.

    Parameters
    ----------
    content
        Of the yaml file, which has, or has beside it, force constants.
    path
        The yaml file.
    level, name
        As of `umlip_bench.datasets.phonopy_files.read`.

    Raises
    ------
    DataError
        If they are not of the supercell of the yaml file; names the file and the remedy.
    """
    check_keys(content, path, displacements=False)
    length, force = units_of(content, path)
    cells = phonopy_cells(content, length, str(path))
    beside = source_of(content, path)
    assert beside is not None
    if beside == path:
        constants, unit = _of_yaml(content, path), force / length
    elif beside.suffix == ".hdf5":
        constants, unit = _of_hdf5(beside, force / length)
    else:
        constants, unit = _of_text(beside), force / length
    atoms, displacements = None, None
    if has_displacements(content):
        atoms, displacements = displacements_of(content, path)
        displacements = length * displacements
        if atoms is None:
            displacements = displacements[:, cells.order]
        else:
            atoms = np.argsort(cells.order)[atoms]
    return ForceConstantsCase(
        name=name,
        system=name,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        unitcell=cells.unitcell,
        supercell_matrix=cells.supercell_matrix,
        primitive_matrix=cells.primitive_matrix,
        force_constants=_in_order(unit * constants, cells, beside),
        displaced_atoms=atoms,
        displacements=displacements,
        symprec=cells.symprec,
    )


def _in_order(constants: np.ndarray, cells: PhonopyFileCells, where: Path) -> np.ndarray:
    """In the order of phonopy's supercell."""
    count, order = len(cells.supercell), cells.order
    if not np.isfinite(constants).all():
        raise DataError(f"{where} holds numbers that are not finite")
    if constants.shape == (count, count, 3, 3):
        return np.asarray(constants[np.ix_(order, order)])
    inverse = np.linalg.inv(cells.supercell_matrix)
    primitive = Primitive(cells.supercell, inverse @ cells.primitive_matrix, symprec=cells.symprec)
    if constants.shape != (len(primitive), count, 3, 3):
        raise DataError(
            f"{where} has force constants of shape {constants.shape}; needed are ({count}, {count}, 3, 3), "
            f"or ({len(primitive)}, {count}, 3, 3) of the primitive cell: are they of the supercell of the "
            "yaml file beside them?"
        )
    if not np.array_equal(order, np.arange(count)):
        raise DataError(
            f"{where} has the rows of the primitive cell alone, of a supercell whose atoms this version of "
            "phonopy has in another order; write all of them (`phonopy --full-fc --writefc`)"
        )
    return constants


def _of_yaml(content: Mapping[str, object], path: Path) -> np.ndarray:
    try:
        given = as_mapping(content[KEY])
        shape = tuple(int(as_float(n)) for n in as_list(given["shape"]))
        return np.array(given["elements"], dtype=float).reshape(*shape, 3, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: its {KEY} are not as phonopy writes them ({error})") from error


def _of_text(path: Path) -> np.ndarray:
    """First line: rows and columns; then for each pair its indices and three lines of three numbers."""
    try:
        numbers = np.array(path.read_text(encoding="utf-8").split(), dtype=float)
        # Older files have one number, of both.
        square = int(numbers[0]) ** 2 * 11 + 1 == len(numbers)
        start = 1 if square else 2
        rows, columns = (int(n) for n in numbers[[0, start - 1]])
        return numbers[start:].reshape(rows, columns, 11)[..., 2:].reshape(rows, columns, 3, 3)
    except (ValueError, IndexError) as error:
        raise DataError(f"{path} is no file of force constants of phonopy's ({error})") from error


def _of_hdf5(path: Path, unit: float) -> tuple[np.ndarray, float]:
    """Force constants, and their unit in eV/Å² given that of the code whose they are."""
    import h5py  # type: ignore[import-untyped]  # phonopy needs it

    try:
        with h5py.File(path) as file:
            constants = np.array(file[KEY] if KEY in file else file["fc2"], dtype=float)
            stated = list(np.ravel(file["physical_unit"][()])) if "physical_unit" in file else []
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no file of force constants of phonopy's ({error})") from error
    words = [each.decode() if isinstance(each, bytes) else str(each) for each in stated]
    return constants, 1.0 if words == [INTERNAL] else unit
