"""A harmonic crystal by finite displacements: phonopy, for one unit cell, supercell and primitive cell.

The same steps are made of DFT's forces and of a model's: phonopy's solver, then translational and permutation
symmetry, no non-analytical term. All three cells are given, never left to a default of phonopy.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
import seekpath
import spglib
from ase import Atoms
from phonopy import Phonopy
from phonopy.harmonic.dynmat_to_fc import get_commensurate_points
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from phonopy.structure.atoms import PhonopyAtoms
from scipy.linalg import expm, logm

from umlip_bench.benchmarks.phonons.displacements import Displacements, RandomDisplacements
from umlip_bench.benchmarks.phonons.failures import phonopys_failures
from umlip_bench.benchmarks.phonons.mesh import Mesh, large_enough
from umlip_bench.benchmarks.phonons.result import BandPath
from umlip_bench.datasets.phonopy_cells import SYMPREC as PHONOPY_SYMPREC
from umlip_bench.datasets.phonopy_cells import kinds, phonopy_cell, primitive_matrix
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
SYMPREC = 1e-3
"""Å; tolerance with which the symmetry of structures from files is found, and kept in relaxing."""
LEVEL = 3
"""Rounds of translational and permutation symmetry, which disturb each other a little."""


class Crystal:
    """Cells of one crystal.

    Parameters
    ----------
    unitcell
        That the matrices refer to.
    supercell_matrix
        Shape (3, 3), integers, in phonopy's convention: vectors as columns.
    primitive
        Shape (3, 3), of the primitive vectors; ``None`` if they are to be found by symmetry.
    symprec
        Å, with which phonopy finds the symmetry.

    Raises
    ------
    StructureError
        If phonopy makes no crystal of these cells, or atoms of different mass would be one in the primitive
        cell.
    """

    def __init__(
        self,
        unitcell: Atoms,
        supercell_matrix: np.ndarray,
        primitive: np.ndarray | None,
        symprec: float = PHONOPY_SYMPREC,
    ) -> None:
        self.unitcell = unitcell
        self.supercell_matrix = supercell_matrix
        self.symprec = symprec
        with phonopys_failures(unitcell):
            if primitive is None:
                primitive = primitive_matrix(unitcell, symprec)
            self.primitive_matrix = primitive
            self._phonopy = Phonopy(
                phonopy_cell(unitcell),
                supercell_matrix=supercell_matrix,
                primitive_matrix=primitive,
                symprec=symprec,
            )
        masses = self._phonopy.supercell.masses
        if not np.allclose(masses, masses[self._phonopy.primitive.s2p_map]):
            raise StructureError(
                f"{describe(unitcell)}: the primitive cell makes one of atoms whose masses differ; give "
                "the primitive matrix of a cell that holds both"
            )

    @classmethod
    def of(cls, atoms: Atoms) -> Crystal:
        """A crystal of a structure: its conventional cell, repeated until no side is too short.

        Raises
        ------
        StructureError
            If no symmetry is found, as when atoms lie on each other.
        """
        masses = atoms.get_masses()
        labels = kinds(atoms.numbers, masses)
        cell = (atoms.cell.array, atoms.get_scaled_positions(), labels)
        standard = found_by(spglib.standardize_cell, cell, to_primitive=False, symprec=SYMPREC)
        if standard is None:
            raise StructureError(
                f"{describe(atoms)}: no symmetry found within {SYMPREC} Å; check for atoms entered twice"
            )
        lattice, positions, found = standard
        # An atom of each kind, whose element and mass all others have.
        first = [int(np.flatnonzero(labels == label)[0]) for label in found]
        unitcell = Atoms(
            numbers=atoms.numbers[first], cell=lattice, scaled_positions=positions, pbc=True
        )
        if atoms.has("masses"):
            unitcell.set_masses(masses[first])
        unitcell.info.update({k: v for k, v in atoms.info.items() if k in ("name", "system")})
        return cls(unitcell, large_enough(unitcell), None)

    @property
    def primitive(self) -> Atoms:
        """Primitive cell."""
        return _for_ase(self._phonopy.primitive)

    def displacements(self) -> Displacements:
        """Those that symmetry does not make of each other."""
        with phonopys_failures(self.unitcell):
            self._phonopy.generate_displacements(distance=DISTANCE)
        first = self._phonopy.dataset["first_atoms"]
        return Displacements(
            np.array([each["number"] for each in first]),
            np.array([each["displacement"] for each in first], dtype=float),
        )

    def displaced(self, displacements: Displacements | RandomDisplacements) -> list[Atoms]:
        """Displaced supercells."""
        supercell = _for_ase(self._phonopy.supercell)
        supercell.info.update(self.unitcell.info)
        cells = []
        for vectors in displacements.of_all_atoms(len(supercell)):
            cell = supercell.copy()
            cell.positions += vectors
            cells.append(cell)
        return cells

    def in_supercell(self, per_atom: np.ndarray) -> np.ndarray:
        """What the atoms of the unit cell have, shape (n, ...), for those of the supercell, (N, ...)."""
        supercell = self._phonopy.supercell
        return np.asarray(per_atom[[supercell.u2u_map[k] for k in supercell.s2u_map]])

    def at_rest(self, forces: np.ndarray, *, symmetric: bool) -> np.ndarray:
        """Forces on the unit cell as they act in the supercell.

        Parameters
        ----------
        forces
            Shape (n, 3), eV/Å.
        symmetric
            Whether only the part that has the supercell's symmetry is meant.

        Returns
        -------
        ndarray
            Shape (N, 3), eV/Å.
        """
        if symmetric:
            forces = self._symmetry.vectors(self.unitcell.cell.array, forces)
        return self.in_supercell(forces)

    def keeps_asymmetry(
        self, displacements: Displacements | RandomDisplacements, forces: np.ndarray
    ) -> bool:
        """Whether forces hold those at rest of atoms that are off the places of their symmetry.

        phonopy takes such forces for an answer to the displacements, unless they were taken off
        (``phonopy --fz``). What they are follows from force constants and what the atoms are off; how much of
        them is there, from what the force constants of symmetry leave unexplained.

        Parameters
        ----------
        displacements, forces
            As of `force_constants`.

        Returns
        -------
        bool
            False where atoms are off by no more than phonopy's usual tolerance.
        """
        offsets = self._symmetry.offsets()
        if np.linalg.norm(offsets, axis=1).max() <= PHONOPY_SYMPREC:
            return False
        moves = displacements.of_all_atoms(forces.shape[1])

        def full(of: np.ndarray) -> np.ndarray:
            constants = self.force_constants(displacements, of)
            return np.asarray(compact_fc_to_full_fc(self._phonopy.primitive, constants))

        def unexplained(of: np.ndarray) -> np.ndarray:
            return of + np.einsum("ijab,djb->dia", full(of), moves)

        at_rest = -np.einsum("ijab,jb->ia", full(forces), self.in_supercell(offsets))
        expected = unexplained(np.broadcast_to(at_rest, forces.shape))
        return bool((unexplained(forces) * expected).sum() > 0.5 * (expected**2).sum())

    def _symmetric_mean(self, vectors: np.ndarray) -> np.ndarray:
        """The mean over all images of each atom, shape (D, N, 3) to (N, 3), as far as it has the symmetry."""
        supercell = self._phonopy.supercell
        means = np.array(
            [
                vectors[:, supercell.s2u_map == first].mean(axis=(0, 1))
                for first in supercell.u2s_map
            ]
        )
        return self.at_rest(means, symmetric=True)

    @cached_property
    def _symmetry(self) -> Symmetry:
        return Symmetry.of(self.unitcell, self.symprec).of_supercell(self.supercell_matrix)

    def force_constants(
        self, displacements: Displacements | RandomDisplacements, forces: np.ndarray
    ) -> np.ndarray:
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

        Raises
        ------
        StructureError
            If phonopy makes none of them.
        """
        with phonopys_failures(self.unitcell):
            self._phonopy.dataset = displacements.dataset(forces, self._symmetric_mean)
            self._phonopy.produce_force_constants(
                calculate_full_force_constants=False,
                fc_calculator=displacements.solver,
                show_drift=False,
            )
        return self.symmetrised(np.array(self._phonopy.force_constants))

    def symmetrised(self, force_constants: np.ndarray) -> np.ndarray:
        """Force constants with translational and permutation symmetry.

        Parameters
        ----------
        force_constants
            Shape (N, N, 3, 3) of all atoms of the supercell, or (n, N, 3, 3), eV/Å².

        Returns
        -------
        ndarray
            Shape (n, N, 3, 3), eV/Å².
        """
        if len(force_constants) != len(self._phonopy.primitive):
            force_constants = force_constants[self._phonopy.primitive.p2s_map]
        with phonopys_failures(self.unitcell):
            self._phonopy.force_constants = np.array(force_constants, order="C")
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

    def dynamical_matrices(self, force_constants: np.ndarray, qpoints: np.ndarray) -> np.ndarray:
        """Dynamical matrices at q-points, with the phases of atoms' own places, exp(2πi q (τ' - τ)).

        Parameters
        ----------
        force_constants, qpoints
            As of `frequencies`.

        Returns
        -------
        ndarray
            Shape (Q, B, B), THz², Hermitian: their eigenvalues are signed ω².
        """
        self._phonopy.force_constants = force_constants
        self._phonopy.run_qpoints(qpoints, with_dynamical_matrices=True)
        unit = self._phonopy.unit_conversion_factor**2
        return unit * np.array(self._phonopy.qpoints.dynamical_matrices)

    def mesh(self) -> Mesh:
        """Irreducible q-points of a mesh that is as dense in every direction."""
        lattice = self.primitive.cell.array
        numbers = np.maximum(
            1, np.rint(MESH_LENGTH * np.linalg.norm(np.linalg.inv(lattice), axis=0))
        )
        with phonopys_failures(self.unitcell):
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
        with phonopys_failures(self.unitcell):
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
        crystal = Crystal(out, self.supercell_matrix, self.primitive_matrix, self.symprec)
        return crystal, deformation

    def _spglib_cell(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        primitive = self._phonopy.primitive
        return (
            primitive.cell,
            primitive.scaled_positions,
            kinds(primitive.numbers, primitive.masses),
        )


def _for_ase(cell: PhonopyAtoms) -> Atoms:
    return Atoms(
        numbers=cell.numbers, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True
    )
