"""What a data set holds for each task: typed cases with their DFT values.

A case says how its geometry was prepared, since a model's value may only be compared with DFT prepared
the same way, and whether it is usable: known bad parts of published sets are marked with the reason, not
deleted. Energies are totals in eV unless a name says per atom; see `umlip_bench.datasets.dataset.Frame`
for labelled frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

import numpy as np
from ase import Atoms

from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.tasks import Task as Task
from umlip_bench.ground.level_of_theory import LevelOfTheory
from umlip_bench.ground.readonly import ReadOnlyArrays


class Preparation(StrEnum):
    """How the geometry that the DFT value belongs to came about."""

    AS_BUILT = "as built"
    """Ideal sites, nothing relaxed."""
    RELAXED = "relaxed with DFT"
    UNDER_PRESSURE = "relaxed with DFT under pressure"
    """A model's own geometry, at none, is that of another crystal."""
    SAMPLED = "sampled"
    """A frame of molecular dynamics or a distortion."""
    NOT_STORED = "relaxed with DFT, geometry not stored"
    """Only the value is known: a model has to relax as DFT did."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ReferenceCase(ReadOnlyArrays):
    """What all cases have in common.

    Parameters
    ----------
    name
        Unique within the data set and task.
    system
        The material.
    level_of_theory
        Of the DFT values.
    preparation
        How the geometry was prepared.
    unusable
        Why the case must not enter statistics; ``None`` for a usable one.
    """

    task: ClassVar[Task]

    name: str
    system: str
    level_of_theory: LevelOfTheory
    preparation: Preparation
    unusable: str | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class FramesCase(ReferenceCase):
    """Labelled frames of one material (task ``high-energy``).

    Parameters
    ----------
    frames
        With energies, forces and, where the source has it, stress. An energy of nan means that the
        source has forces only.
    """

    task: ClassVar[Task] = Task.HIGH_ENERGY

    frames: tuple[Frame, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class SurfaceCase(ReferenceCase):
    """A slab and the bulk it was cut from.

    Parameters
    ----------
    slab
        Periodic in all directions, with vacuum.
    bulk
        Bulk cell of the same material.
    miller_index
        Three integers, or four for hexagonal (Miller-Bravais) axes.
    area
        Area of one face in Å².
    surface_energy
        (E_slab - N e_bulk) / (2 area) in eV/Å².
    slab_energy, bulk_energy
        Totals of `slab` and `bulk` in eV; ``None`` where only the surface energy is published.
    reconstructed
        Whether the surface is reconstructed.
    """

    task: ClassVar[Task] = Task.SURFACES

    slab: Atoms
    bulk: Atoms
    miller_index: tuple[int, ...]
    area: float
    surface_energy: float
    slab_energy: float | None = None
    bulk_energy: float | None = None
    reconstructed: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class DefectCase(ReferenceCase):
    """A point defect, or several that together keep the composition.

    Parameters
    ----------
    host
        Pristine supercell.
    defective
        Supercell with the defect, at ideal or relaxed sites as `preparation` says.
    kind
        ``"vacancy"``, ``"interstitial"`` or ``"antisite"``.
    site
        Fractional coordinates of the defect in `host`, shape (3,).
    energy
        E_defective - E_host in eV, without chemical potentials.
    host_energy
        E_host in eV; nan where the source has only the difference.
    exchanged
        Atoms added (positive) or removed (negative) by element.
    chemical_potentials
        In eV/atom by element, where the source has them; empty otherwise.
    formation_energy
        In eV, where the source has it and no totals, of an atom that goes to the crystal of its element;
        nan otherwise.
    """

    task: ClassVar[Task] = Task.DEFECTS

    host: Atoms
    defective: Atoms
    kind: str
    site: np.ndarray
    energy: float
    host_energy: float = float("nan")
    exchanged: Mapping[str, int]
    chemical_potentials: Mapping[str, float]
    formation_energy: float = float("nan")


@dataclass(frozen=True, eq=False, kw_only=True)
class SolidSolutionCase(ReferenceCase):
    """One ordering of a binary solution A_x B_(1-x).

    Parameters
    ----------
    atoms
        The ordering.
    energy
        Total in eV.
    fraction
        x, the atomic fraction of the first end member.
    end_members
        Names of A and B.
    end_member_energies
        Energies per atom of A and B in eV/atom.
    mixing_energy
        energy/N - x e_A - (1 - x) e_B in eV/atom.
    decoration
        Identifies the ordering; equal for its relaxed and unrelaxed geometry.
    forces, stress
        Shapes (N, 3) in eV/Å and (3, 3) in eV/Å³, or ``None``.
    """

    task: ClassVar[Task] = Task.SOLID_SOLUTIONS

    atoms: Atoms
    energy: float
    fraction: float
    end_members: tuple[str, str]
    end_member_energies: tuple[float, float]
    mixing_energy: float
    decoration: str
    forces: np.ndarray | None = None
    stress: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class AmplitudeSeries:
    """One atom of a crystal displaced along one line by several distances.

    Parameters
    ----------
    system
        The material.
    cells
        The supercells, in the order of the distances.
    displaced_atom
        Its index, the same in all.
    displacements
        Shape (D, 3), Å, the shortest first.
    forces
        Shape (D, N, 3), eV/Å.
    """

    system: str
    cells: tuple[Atoms, ...]
    displaced_atom: int
    displacements: np.ndarray
    forces: np.ndarray

    @property
    def distances(self) -> np.ndarray:
        """Shape (D,), Å."""
        return np.linalg.norm(self.displacements, axis=1)

    @property
    def curvatures(self) -> np.ndarray:
        """Restoring force along the line over distance, shape (D,), eV/Å²: constant if harmonic."""
        own = self.forces[:, self.displaced_atom]
        return -(own * self.displacements).sum(axis=1) / self.distances**2


@dataclass(frozen=True, eq=False, kw_only=True)
class PhononCase(ReferenceCase):
    """Force sets of displaced supercells.

    Parameters
    ----------
    unitcell
        The cell that `supercell_matrix` and `primitive_matrix` refer to, with its masses. Its coordinates are
        not wrapped: phonopy numbers the atoms of a supercell by them.
    supercell_matrix
        Shape (3, 3), integers.
    primitive_matrix
        Shape (3, 3), or ``None`` for phonopy's own choice.
    displaced_atoms
        Shape (D,), index of the displaced atom in phonopy's supercell; ``None`` where all atoms of each are
        displaced at random.
    displacements
        Å, shape (D, 3), or (D, N, 3) where all atoms are displaced.
    forces
        Shape (D, N, 3), eV/Å, N atoms of phonopy's supercell.
    symprec
        Å; the tolerance of symmetry with which the displacements were chosen.
    notes
        What should be known of a set as it was read.
    series
        One displacement at several distances, which tells DFT's own anharmonicity; ``None`` without.
    """

    task: ClassVar[Task] = Task.PHONONS

    unitcell: Atoms
    supercell_matrix: np.ndarray
    primitive_matrix: np.ndarray | None
    displaced_atoms: np.ndarray | None
    displacements: np.ndarray
    forces: np.ndarray
    symprec: float = 1e-5
    notes: tuple[str, ...] = ()
    series: AmplitudeSeries | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class HeatCapacityCase(ReferenceCase):
    """Heat capacity from DFT phonons (task ``phonons``).

    Parameters
    ----------
    atoms
        The cell.
    temperatures
        Shape (T,), K.
    heat_capacity
        Shape (T,), J/(mol K) of the cell's formula unit as the source counts it.
    """

    task: ClassVar[Task] = Task.PHONONS

    atoms: Atoms
    temperatures: np.ndarray
    heat_capacity: np.ndarray


@dataclass(frozen=True, eq=False, kw_only=True)
class EosCase(ReferenceCase):
    """A Birch-Murnaghan equation of state (third order).

    Parameters
    ----------
    atoms
        At the equilibrium volume.
    volume
        Equilibrium volume of `atoms` in Å³.
    bulk_modulus
        eV/Å³.
    bulk_modulus_derivative
        Dimensionless.
    volumes, energies
        Shapes (P,): the points that the curve was fitted to, of cells like `atoms` with its fractional
        coordinates, in Å³ and as totals in eV; ``None`` where only the fit is published.
    """

    task: ClassVar[Task] = Task.EOS

    atoms: Atoms
    volume: float
    bulk_modulus: float
    bulk_modulus_derivative: float
    volumes: np.ndarray | None = None
    energies: np.ndarray | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class ElasticCase(ReferenceCase):
    """Polycrystalline moduli, Voigt-Reuss-Hill averages.

    Parameters
    ----------
    atoms
        The cell.
    bulk_modulus, shear_modulus
        eV/Å³.
    """

    task: ClassVar[Task] = Task.ELASTIC

    atoms: Atoms
    bulk_modulus: float
    shear_modulus: float


class PathMethod(StrEnum):
    """How DFT prepared the images of a path; a model's are compared only if prepared likewise."""

    FIXED = "fixed"
    """Single points at images that were interpolated or displaced by hand."""
    APPROX_NEB = "approx-neb"
    """Images relaxed one by one, the moving ion held."""
    NEB = "neb"
    """A nudged elastic band, its end points relaxed."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MigrationCase(ReferenceCase):
    """Images along the path of a migrating ion.

    Parameters
    ----------
    images
        In order, at least three, with the atoms in the same order in each.
    energies
        Shape (images,), totals in eV; nan where the source has none.
    forces
        Shape (images, N, 3), eV/Å, or ``None``.
    moving_ion
        Index of the migrating atom.
    method
        How the images came about.
    notes
        What was mended, or should be known, of a path as it was read.
    """

    task: ClassVar[Task] = Task.MIGRATION

    images: tuple[Atoms, ...]
    energies: np.ndarray
    forces: np.ndarray | None
    moving_ion: int
    method: PathMethod = PathMethod.FIXED
    notes: tuple[str, ...] = ()

    @property
    def forward_barrier(self) -> float:
        """Highest image over the first, in eV."""
        return float(self.energies.max() - self.energies[0])

    @property
    def backward_barrier(self) -> float:
        """Highest image over the last, in eV."""
        return float(self.energies.max() - self.energies[-1])

    @property
    def kinetically_resolved_barrier(self) -> float:
        """E_max - (E_first + E_last) / 2, in eV."""
        return float(self.energies.max() - 0.5 * (self.energies[0] + self.energies[-1]))
