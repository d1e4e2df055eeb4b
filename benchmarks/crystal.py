"""A harmonic crystal by finite displacements: phonopy, for one unit cell, supercell and primitive cell.

The same steps are made of DFT's forces and of a model's: phonopy's solver, then translational and permutation
symmetry, no non-analytical term. All three cells are given, never left to a default of phonopy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import seekpath
import spglib
from ase import Atoms
from ase.data import chemical_symbols
from phonopy import Phonopy
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import guess_primitive_matrix
from scipy.linalg import expm, logm

from umlip_bench.analysis.phonons import BandPath
from umlip_bench.engine.symmetry import Symmetry
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe
from umlip_bench.ground.symmetry import found_by

DISTANCE = 0.01
"""Å, of displacements that no reference prescribes."""
MESH_LENGTH = 40.0
"""Å; a mesh has this times the length of a reciprocal vector points along it, zone centre among them."""
PATH_STEP = 0.01
"""1/Å between points of a band, at most."""
SMALLEST_SUPERCELL = 8.0
"""Å between opposite faces of a supercell that no reference prescribes, at least."""
SYMPREC = 1e-3
"""Å; tolerance with which the symmetry of structures from files is found, and kept in relaxing."""
SAME_MASS = 1e-6
"""u; masses of an element that differ by more are isotopes."""
LEVEL = 3
"""Rounds of translational and permutation symmetry, which disturb each other a little."""


@dataclass(frozen=True, eq=False)
class Displacements:
    """Which atom is displaced, and where to, in each supercell.

    Parameters
    ----------
    atoms
        Shape (D,), index in phonopy's supercell.
    vectors
        Shape (D, 3), Å.
    """

    atoms: np.ndarray
    vectors: np.ndarray

    def strained(self, deformation: np.ndarray) -> Displacements:
        """The same displacements in a cell that was deformed by r -> r F, `deformation` of shape (3, 3)."""
        return Displacements(self.atoms, self.vectors @ deformation)


@dataclass(frozen=True, eq=False)
class Mesh:
    """Irreducible q-points.

    Parameters
    ----------
    qpoints
        Shape (Q, 3), in units of the primitive cell's reciprocal vectors.
    weights
        Shape (Q,), multiplicities.
    """

    qpoints: np.ndarray
    weights: np.ndarray


class Crystal:
    """Cells of one crystal.

    Parameters
    ----------
    unitcell
        That the matrices refer to.
    supercell_matrix
        Shape (3, 3), integers, in phonopy's convention: vectors as columns.
    primitive_matrix
        Shape (3, 3); ``None`` if it is to be found by symmetry.
    """

    def __init__(
        self,
        unitcell: Atoms,
        supercell_matrix: np.ndarray,
        primitive_matrix: np.ndarray | None,
    ) -> None:
        self.unitcell = unitcell
        self.supercell_matrix = supercell_matrix
        cell = _for_phonopy(unitcell)
        if primitive_matrix is None:
            primitive_matrix = np.asarray(guess_primitive_matrix(cell))
        self.primitive_matrix = primitive_matrix
        self._phonopy = Phonopy(
            cell, supercell_matrix=supercell_matrix, primitive_matrix=primitive_matrix
        )

    @classmethod
    def of(cls, atoms: Atoms) -> Crystal:
        """A crystal of a structure: its conventional cell, repeated until no side is too short.

        Raises
        ------
        StructureError
            If no symmetry is found, as when atoms lie on each other.
        """
        cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
        standard = found_by(spglib.standardize_cell, cell, to_primitive=False, symprec=SYMPREC)
        if standard is None:
            raise StructureError(
                f"{describe(atoms)}: no symmetry found within {SYMPREC} Å; check for atoms entered twice"
            )
        lattice, positions, numbers = standard
        masses = _masses_by_number(atoms)
        unitcell = Atoms(
            numbers=numbers,
            cell=lattice,
            scaled_positions=positions,
            pbc=True,
            masses=None if masses is None else masses[numbers],
        )
        unitcell.info.update({k: v for k, v in atoms.info.items() if k in ("name", "system")})
        heights = 1 / np.linalg.norm(np.linalg.inv(unitcell.cell.array), axis=0)
        # A little less than the limit does: a file's last digit decides nothing.
        repeats = np.maximum(1, np.ceil(SMALLEST_SUPERCELL / heights - 1e-3)).astype(int)
        return cls(unitcell, np.diag(repeats), None)

    @property
    def primitive(self) -> Atoms:
        """Primitive cell."""
        return _for_ase(self._phonopy.primitive)

    def displacements(self) -> Displacements:
        """Those that symmetry does not make of each other."""
        self._phonopy.generate_displacements(distance=DISTANCE)
        first = self._phonopy.dataset["first_atoms"]
        return Displacements(
            np.array([each["number"] for each in first]),
            np.array([each["displacement"] for each in first], dtype=float),
        )

    def displaced(self, displacements: Displacements) -> list[Atoms]:
        """Supercells with one atom displaced in each."""
        supercell = _for_ase(self._phonopy.supercell)
        supercell.info.update(self.unitcell.info)
        cells = []
        for atom, vector in zip(displacements.atoms, displacements.vectors, strict=True):
            cell = supercell.copy()
            cell.positions[atom] += vector
            cells.append(cell)
        return cells

    def in_supercell(self, per_atom: np.ndarray) -> np.ndarray:
        """What the atoms of the unit cell have, shape (n, ...), for those of the supercell, (N, ...)."""
        supercell = self._phonopy.supercell
        return np.asarray(per_atom[[supercell.u2u_map[k] for k in supercell.s2u_map]])

    def force_constants(self, displacements: Displacements, forces: np.ndarray) -> np.ndarray:
        """Force constants, symmetrised.

        Parameters
        ----------
        displacements
            As many as symmetry needs.
        forces
            On all atoms of each displaced supercell, shape (D, N, 3), eV/Å.

        Returns
        -------
        ndarray
            Shape (n, N, 3, 3), eV/Å², for the n atoms of the primitive cell.
        """
        self._phonopy.dataset = {
            "natom": len(self._phonopy.supercell),
            "first_atoms": [
                {"number": int(atom), "displacement": vector, "forces": on_atoms}
                for atom, vector, on_atoms in zip(
                    displacements.atoms, displacements.vectors, forces, strict=True
                )
            ],
        }
        self._phonopy.produce_force_constants(
            calculate_full_force_constants=False, show_drift=False
        )
        self._phonopy.symmetrize_force_constants(level=LEVEL, show_drift=False)
        return np.array(self._phonopy.force_constants)

    def frequencies(self, force_constants: np.ndarray, qpoints: np.ndarray) -> np.ndarray:
        """Frequencies at q-points.

        Parameters
        ----------
        force_constants
            Shape (n, N, 3, 3), eV/Å².
        qpoints
            Shape (Q, 3), in units of the primitive cell's reciprocal vectors.

        Returns
        -------
        ndarray
            Shape (Q, B), THz, sorted, imaginary ones negative.
        """
        self._phonopy.force_constants = force_constants
        self._phonopy.run_qpoints(qpoints)
        return np.sort(np.array(self._phonopy.qpoints.frequencies), axis=1)

    def mesh(self) -> Mesh:
        """Irreducible q-points of a mesh that is as dense in every direction."""
        lattice = self.primitive.cell.array
        numbers = np.maximum(
            1, np.rint(MESH_LENGTH * np.linalg.norm(np.linalg.inv(lattice), axis=0))
        )
        mapping, grid = spglib.get_ir_reciprocal_mesh(
            numbers.astype(int), self._spglib_cell(), is_shift=[0, 0, 0], symprec=SYMPREC
        )
        points, counts = np.unique(mapping, return_counts=True)
        return Mesh(grid[points] / numbers, counts.astype(float))

    def commensurate(self) -> np.ndarray:
        """Wave vectors that fit into the supercell, shape (C, 3), in units as those of `mesh`."""
        in_primitive = np.linalg.inv(self.primitive_matrix) @ self.supercell_matrix
        return np.asarray(get_commensurate_points(np.rint(in_primitive).astype(int)))

    def path(self) -> BandPath:
        """Lines of high symmetry (Y. Hinuma et al., Comput. Mater. Sci. 128, 140 (2017))."""
        found = seekpath.get_path_orig_cell(self._spglib_cell(), symprec=SYMPREC)
        reciprocal = np.linalg.inv(self.primitive.cell.array)
        qpoints, distances, segments, labels = [], [], [], []
        start = 0.0
        for number, (first, last) in enumerate(found["path"]):
            ends = [np.array(found["point_coords"][label]) for label in (first, last)]
            length = float(np.linalg.norm(reciprocal @ (ends[1] - ends[0])))
            along = np.linspace(0, 1, 2 + int(length / PATH_STEP))
            qpoints.append(ends[0] + along[:, None] * (ends[1] - ends[0]))
            distances.append(start + along * length)
            segments.append(np.full(len(along), number))
            labels.append((first.replace("GAMMA", "Γ"), last.replace("GAMMA", "Γ")))
            start += length
        return BandPath(
            np.concatenate(qpoints),
            np.concatenate(distances),
            np.concatenate(segments),
            tuple(labels),
        )

    def relaxed(self, unitcell: Atoms) -> tuple[Crystal, np.ndarray]:
        """The crystal after its unit cell was relaxed, with the symmetry that it had before.

        A relaxation that keeps the symmetry misses it by rounding alone.

        Parameters
        ----------
        unitcell
            The relaxed cell, atoms in the same order and not wrapped.

        Returns
        -------
        tuple
            The crystal, and the deformation F, shape (3, 3), that made it: r -> r F.
        """
        before = self.unitcell
        lattice, inverse = before.cell.array, np.linalg.inv(before.cell.array)
        symmetry = Symmetry.of(before, SYMPREC)
        stretched = inverse @ unitcell.cell.array
        # Of a deformation F the stretch alone, ½ ln(F Fᵀ): rotations do not matter.
        strain = 0.5 * logm(stretched @ stretched.T).real
        deformation = expm(symmetry.tensor(lattice, strain))
        moved = unitcell.positions @ np.linalg.inv(unitcell.cell.array) - before.positions @ inverse
        moved -= moved.mean(axis=0)
        moved = symmetry.vectors(lattice, moved @ lattice)
        out = before.copy()
        out.set_cell(lattice @ deformation)
        out.positions = (before.positions + moved) @ deformation
        return Crystal(out, self.supercell_matrix, self.primitive_matrix), deformation

    def _spglib_cell(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        primitive = self._phonopy.primitive
        return primitive.cell, primitive.scaled_positions, primitive.numbers


def _masses_by_number(atoms: Atoms) -> np.ndarray | None:
    """Masses of the elements, where they are given, by atomic number; ``None`` where they are not."""
    if not atoms.has("masses"):
        return None
    found = np.full(atoms.numbers.max() + 1, np.nan)
    for number in np.unique(atoms.numbers):
        masses = np.unique(atoms.get_masses()[atoms.numbers == number])
        if np.ptp(masses) > SAME_MASS:
            raise StructureError(
                f"{describe(atoms)}: {chemical_symbols[number]} has masses of {masses.min():g} to "
                f"{masses.max():g}; the symmetry that phonons are calculated with knows elements only: "
                "give all atoms of one the same mass, e.g. the average"
            )
        found[number] = masses[0]
    return found


def _for_phonopy(atoms: Atoms) -> PhonopyAtoms:
    # Masses are ASE's, since phonopy has none for elements without a stable isotope.
    return PhonopyAtoms(
        numbers=atoms.numbers,
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        masses=atoms.get_masses(),
    )


def _for_ase(cell: PhonopyAtoms) -> Atoms:
    return Atoms(
        numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True
    )
