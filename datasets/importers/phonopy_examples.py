"""Force sets that come with phonopy as examples (VASP, PBE).

Each material has a folder with ``phonopy_disp.yaml`` (cell, supercell, displacements) and
``FORCE_SETS``; the forces of Si are in its ``vasprun.xml``. Dielectric tensors and Born charges
(``BORN``) are not read: without the non-analytical term models and DFT are compared on equal terms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import yaml
from ase import Atoms
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import guess_primitive_matrix

from umlip_bench.datasets.cases import PhononCase, Preparation
from umlip_bench.datasets.importers.files import present
from umlip_bench.errors import DataError
from umlip_bench.potentials.card import LevelOfTheory

SYSTEMS = {
    "MgO": "MgO",
    "CaTiO3": "CaTiO3 (cubic)",
    "TiO2-anatase": "TiO2 (anatase)",
    "ZnO": "ZnO",
    "MgB2": "MgB2",
    "NaCl": "NaCl",
    "SiO2-HP": "SiO2 (stishovite, 40 GPa)",
    "Si": "Si",
}
"""Folder and material."""
UNDER_PRESSURE = frozenset({"SiO2-HP"})
"""Relaxed at 40 GPa."""


def cases(folder: Path, level: LevelOfTheory) -> Iterator[PhononCase]:
    """One case per material."""
    for name, system in SYSTEMS.items():
        source = read_phonopy_yaml(folder / name / "phonopy_disp.yaml")
        atoms, displacements = displacements_of(source)
        if (folder / name / "FORCE_SETS").is_file():
            forces = _read_force_sets(folder / name / "FORCE_SETS", atoms, displacements)
        else:
            forces = _read_vasprun(folder / name / "vasprun.xml")
        pressed = name in UNDER_PRESSURE
        preparation = Preparation.UNDER_PRESSURE if pressed else Preparation.RELAXED
        yield phonon_case(
            source, forces, name=name, system=system, level=level, preparation=preparation
        )


def read_phonopy_yaml(path: Path) -> dict[str, Any]:
    """Content of a phonopy yaml file, whatever version of phonopy wrote it."""
    # libyaml where PyYAML was built with it: ten times faster on files with force constants.
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with present(path).open(encoding="utf-8") as file:
        return yaml.load(file, Loader=loader)


def displacements_of(source: Mapping[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Displaced atoms, counted from 0, shape (D,), and displacements in Å, shape (D, 3)."""
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

    Raises
    ------
    DataError
        If the forces are not one per atom of each displaced supercell.
    """
    unitcell = _unitcell(source)
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
        displacements=displacements,
        forces=forces,
    )


def _unitcell(source: Mapping[str, Any]) -> Atoms:
    cell = source["unit_cell"]
    return Atoms(
        symbols=[point["symbol"] for point in cell["points"]],
        scaled_positions=[point["coordinates"] for point in cell["points"]],
        cell=cell["lattice"],
        pbc=True,
    )


def _for_phonopy(atoms: Atoms) -> PhonopyAtoms:
    return PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )


def _read_force_sets(path: Path, atoms: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    """Forces from ``FORCE_SETS`` (type 1), which must be of the given displacements."""
    numbers = np.array(path.read_text(encoding="utf-8").split(), dtype=float)
    count, sets = numbers[:2].astype(int)
    # Each set: the atom counted from 1, its displacement, a force per atom.
    blocks = numbers[2:].reshape(sets, 1 + 3 + 3 * count)
    if not (
        np.array_equal(blocks[:, 0] - 1, atoms)
        and np.allclose(blocks[:, 1:4], displacements, atol=1e-8)
    ):
        raise DataError(f"{path} is of other displacements than the phonopy_disp.yaml beside it")
    return blocks[:, 4:].reshape(sets, count, 3)


def _read_vasprun(path: Path) -> np.ndarray:
    """Forces of the only step of a ``vasprun.xml``, shape (1, N, 3)."""
    return ase.io.read(present(path), format="vasp-xml", index=-1).get_forces()[np.newaxis]
