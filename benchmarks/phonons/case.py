"""Crystals whose phonons are measured, and what is known of DFT's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.phonons.crystal import PHONOPY_SYMPREC, Crystal
from umlip_bench.benchmarks.phonons.displacements import Displacements, RandomDisplacements
from umlip_bench.benchmarks.phonons.mesh import Mesh, large_enough
from umlip_bench.benchmarks.phonons.result import AMPLITUDES, TEMPERATURE, BandPath, Phonons
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import (
    AmplitudeSeries,
    HeatCapacityCase,
    PhononCase,
    Preparation,
    ReferenceCase,
)
from umlip_bench.datasets.phonon_cases import ForceConstantsCase, FrequencyCase, WaveVectors

QUICK_CASES = 4
STANDARD_HEAT_CAPACITIES = 100
"""Cheapest compounds of a table of heat capacities that are run without ``--mode full``."""


@dataclass(frozen=True, eq=False)
class GivenFrequencies:
    """DFT's frequencies at wave vectors, all that is known of it.

    Parameters
    ----------
    mesh
        The wave vectors, in units of the reciprocal vectors of the cell that is measured.
    values
        Shape (Q, B), THz, sorted at each.
    path
        If they are those of bands; ``None`` if not.
    is_mesh
        As of `FrequencySampling`.
    """

    mesh: Mesh
    values: np.ndarray
    path: BandPath | None
    is_mesh: bool

    def phonons(self, path: BandPath) -> Phonons:
        """As a side of a comparison, bands along a path nan where they are not known."""
        unknown = np.full((len(path.qpoints), self.values.shape[1]), np.nan)
        bands = unknown if self.path is None else self.values
        return Phonons(self.values, bands, self.values, None)


@dataclass(frozen=True, eq=False)
class PhononMeasurement:
    """A crystal whose phonons are measured.

    Parameters
    ----------
    name
        Unique in the data set.
    atoms
        Unit cell at DFT's geometry, or as given.
    supercell_matrix
        Shape (3, 3), integers, as in `umlip_bench.datasets.cases.PhononCase`; ``None`` for a supercell of the
        conventional cell that is large enough.
    primitive_matrix
        Shape (3, 3); ``None`` if it is to be found by symmetry.
    displacements
        DFT's; ``None`` for those that symmetry needs.
    forces
        DFT's on the displaced supercells, shape (D, N, 3), eV/Å; ``None`` if there are none.
    force_constants
        DFT's as of `umlip_bench.datasets.phonon_cases.ForceConstantsCase`, where there are no forces.
    frequencies
        DFT's, where there are no force constants either.
    heat_capacity
        DFT's at 300 K in J/(mol K) per mole of atoms; ``None`` if there is none.
    fixed_only
        Why the model's own geometry is not comparable with DFT's; ``None`` if it is.
    symprec
        Å; the tolerance of symmetry with which DFT's displacements were chosen.
    amplitudes
        Å; displacements at which the model alone is measured besides.
    series
        DFT at several distances along one displacement; ``None`` if it is not known.
    system
        As in `PhononComparison`.
    """

    name: str
    atoms: Atoms
    supercell_matrix: np.ndarray | None = None
    primitive_matrix: np.ndarray | None = None
    displacements: Displacements | RandomDisplacements | None = None
    forces: np.ndarray | None = None
    force_constants: np.ndarray | None = None
    frequencies: GivenFrequencies | None = None
    heat_capacity: float | None = None
    fixed_only: str | None = None
    symprec: float = PHONOPY_SYMPREC
    amplitudes: tuple[float, ...] = ()
    series: AmplitudeSeries | None = None
    system: str = ""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of([self.atoms])

    def crystal(self) -> Crystal:
        """Its cells.

        Raises
        ------
        StructureError
            If a structure has no symmetry that can be found.
        """
        if self.supercell_matrix is None:
            return Crystal.of(self.atoms)
        return Crystal(self.atoms, self.supercell_matrix, self.primitive_matrix, self.symprec)


def cases(dataset: Dataset, mode: Mode) -> Sequence[PhononMeasurement]:
    """Force sets and heat capacities of a set; short runs take the smallest supercells and cells."""
    usable = dataset.of_task("phonons")
    forces = [of_forces(case) for case in usable if isinstance(case, PhononCase)]
    forces += [_of_constants(case) for case in usable if isinstance(case, ForceConstantsCase)]
    forces += [_of_frequencies(case) for case in usable if isinstance(case, FrequencyCase)]
    heat = [_of_heat(case) for case in usable if isinstance(case, HeatCapacityCase)]
    if mode is not Mode.QUICK:
        forces = [replace(case, amplitudes=AMPLITUDES) for case in forces]
    if mode is Mode.QUICK:
        forces = cheapest(forces, QUICK_CASES, _force_components)
        heat = cheapest(heat, QUICK_CASES, lambda case: len(case.atoms))
    elif mode is Mode.STANDARD:
        heat = cheapest(heat, STANDARD_HEAT_CAPACITIES, lambda case: len(case.atoms))
    return [*forces, *heat]


def structure_cases(request: StructureRequest) -> Sequence[PhononMeasurement]:
    """The structure itself."""
    scanned = () if request.mode is Mode.QUICK else AMPLITUDES
    return [PhononMeasurement(request.name, request.atoms, amplitudes=scanned)]


def of_forces(case: PhononCase) -> PhononMeasurement:
    """A crystal with a force set."""
    return PhononMeasurement(
        name=case.name,
        atoms=case.unitcell,
        supercell_matrix=case.supercell_matrix,
        primitive_matrix=case.primitive_matrix,
        displacements=_displacements(case.displaced_atoms, case.displacements),
        forces=case.forces,
        fixed_only=_fixed_only(case),
        symprec=case.symprec,
        series=case.series,
        system=case.system,
    )


def _displacements(
    atoms: np.ndarray | None, vectors: np.ndarray
) -> Displacements | RandomDisplacements:
    return RandomDisplacements(vectors) if atoms is None else Displacements(atoms, vectors)


def _of_constants(case: ForceConstantsCase) -> PhononMeasurement:
    vectors = case.displacements
    return PhononMeasurement(
        name=case.name,
        atoms=case.unitcell,
        supercell_matrix=case.supercell_matrix,
        primitive_matrix=case.primitive_matrix,
        displacements=None if vectors is None else _displacements(case.displaced_atoms, vectors),
        force_constants=case.force_constants,
        fixed_only=_fixed_only(case),
        symprec=case.symprec,
        system=case.system,
    )


def _of_frequencies(case: FrequencyCase) -> PhononMeasurement:
    on_path = case.kind is WaveVectors.PATH
    path = BandPath(case.qpoints, case.distances, case.segments, case.labels)
    given = GivenFrequencies(
        Mesh(case.qpoints, case.weights),
        case.frequencies,
        path if on_path else None,
        case.kind is WaveVectors.MESH,
    )
    known = case.supercell_matrix
    return PhononMeasurement(
        name=case.name,
        atoms=case.atoms,
        supercell_matrix=large_enough(case.atoms) if known is None else known,
        primitive_matrix=np.eye(3),
        frequencies=given,
        fixed_only=_fixed_only(case),
        system=case.system,
    )


def _of_heat(case: HeatCapacityCase) -> PhononMeasurement:
    # At one temperature that the source states; others are of no use here.
    at = np.flatnonzero(np.isclose(case.temperatures, TEMPERATURE))
    capacity = float(case.heat_capacity[at[0]]) / len(case.atoms) if len(at) else None
    return PhononMeasurement(
        case.name,
        case.atoms,
        heat_capacity=capacity,
        fixed_only=_fixed_only(case),
        system=case.system,
    )


def _fixed_only(case: ReferenceCase) -> str | None:
    if case.preparation is not Preparation.RELAXED:
        return f"the reference is {case.preparation}, not at its equilibrium"
    return None


def _force_components(case: PhononMeasurement) -> float:
    known = case.force_constants if case.forces is None else case.forces
    return 0.0 if known is None else float(known.size)
