"""Phonons by finite displacements, at DFT's geometry and at the model's own.

DFT's forces and the model's are those on the same displaced supercells. Around the model's own geometry the
same atoms are displaced the same way, and everything is compared at the same q-points. A crystal keeps its
symmetry as it relaxes: what is a saddle point in the model is not left by rounding, but has imaginary modes.

Rounding in float32 is small enough: against float64 CHGNet's frequencies of MgO, NaCl, Si and ZnO move by
0.005 THz at most. A model that does not come to rest within 1e-4 eV/Å in float32 is said to have failed, and
float64 is advised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms

from umlip_bench.analysis.softening import softening
from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.phonons.anharmonicity import anharmonicity
from umlip_bench.benchmarks.phonons.crystal import (
    PHONOPY_SYMPREC,
    SYMPREC,
    Crystal,
    Mesh,
)
from umlip_bench.benchmarks.phonons.displacements import Displacements, RandomDisplacements
from umlip_bench.benchmarks.phonons.modes import Modes
from umlip_bench.benchmarks.phonons.result import (
    AMPLITUDES,
    TEMPERATURE,
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
    signed_squares,
)
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
from umlip_bench.engine.lbfgs import Lbfgs
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Static, Task
from umlip_bench.ground.errors import StructureError

FMAX_ROUGH = 0.01
"""eV/Å, down to which FIRE relaxes, which is not easily led astray."""
FMAX = 1e-4
"""eV/Å, down to which L-BFGS goes on."""
STEPS = 1000
"""Most of each."""
QUICK_CASES = 4
STANDARD_HEAT_CAPACITIES = 100
"""Cheapest compounds of a table of heat capacities that are run without ``--mode full``."""


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


@dataclass(frozen=True, eq=False)
class _Compared:
    """Where a model is compared with DFT.

    Parameters
    ----------
    mesh, path
        Wave vectors.
    modes
        DFT's; ``None`` if they are not known.
    symmetric
        Whether only the symmetric part of the forces at rest is subtracted, since DFT's force constants hold
        the rest.
    """

    mesh: Mesh
    path: BandPath
    modes: Modes | None
    symmetric: bool


def measure(case: PhononMeasurement) -> Task[PhononComparison]:
    """Phonons of DFT, of the model at the same geometry, and of the model at its own."""
    crystal = case.crystal()
    displacements = case.displacements or crystal.displacements()
    mesh, path = crystal.mesh(), crystal.path()
    reference, modes, symmetric = None, None, False
    if case.forces is not None:
        constants = crystal.force_constants(displacements, case.forces)
        modes = Modes.of(crystal, constants)
        reference = replace(_phonons(crystal, constants, mesh, path), modes=modes.curvatures)
        symmetric = crystal.keeps_asymmetry(displacements, case.forces)
    compared = _Compared(mesh, path, modes, symmetric)
    fixed = yield from _of_model(crystal, displacements, compared)
    scan = None
    if case.amplitudes:
        scan = yield from _scan(crystal, case.amplitudes, mesh, modes)
    along_a_line = None
    if case.series is not None:
        along_a_line = yield from anharmonicity(case.series)
    relaxed, not_relaxed = None, ""
    if case.fixed_only is None:
        try:
            rough = yield Relax(
                crystal.unitcell, cell=True, fmax=FMAX_ROUGH, steps=STEPS, symprec=SYMPREC
            )
            own = yield Relax(
                rough.atoms,
                cell=True,
                fmax=FMAX,
                steps=STEPS,
                minimiser=Lbfgs,
                symprec=SYMPREC,
            )
            not_relaxed = _why_not_relaxed(own)
            if not not_relaxed:
                at_minimum, deformation = crystal.relaxed(own.atoms)
                relaxed = yield from _of_model(
                    at_minimum, displacements.strained(deformation), compared
                )
        except StructureError as error:
            # The phonons at DFT's geometry stand on their own feet.
            not_relaxed = str(error)
    return PhononComparison(
        name=case.name,
        sampling=FrequencySampling(mesh.weights, path, crystal.commensurate()),
        reference=reference,
        reference_heat_capacity=case.heat_capacity,
        fixed=fixed,
        relaxed=relaxed,
        not_comparable=case.fixed_only or "",
        not_relaxed=not_relaxed,
        displacement=displacements.amplitude,
        scan=scan,
        anharmonicity=along_a_line,
        system=case.system,
    )


def _scan(
    crystal: Crystal, amplitudes: Sequence[float], mesh: Mesh, modes: Modes | None
) -> Task[AmplitudeScan]:
    """The model's ω² from displacements of several lengths; over DFT's along DFT's modes.

    Each with both signs: their difference leaves out forces at rest and odd terms of the energy.
    """
    found = crystal.displacements()
    lengths = np.linalg.norm(found.vectors, axis=1, keepdims=True)
    directions = found.vectors / lengths
    steps = [Displacements(found.atoms, a * directions) for a in amplitudes]
    cells = [
        cell
        for step in steps
        for sign in (1, -1)
        for cell in crystal.displaced(Displacements(step.atoms, sign * step.vectors))
    ]
    answers = yield [Static(cell, held=True) for cell in cells]
    forces = np.array([each.forces for each in answers])
    by_sign = forces.reshape(len(steps), 2, len(found.atoms), *forces.shape[1:])
    curvatures, scales = [], []
    for step, (up, down) in zip(steps, by_sign, strict=True):
        constants = crystal.force_constants(step, (up - down) / 2)
        squares = signed_squares(crystal.frequencies(constants, mesh.qpoints))
        curvatures.append(float(mesh.weights @ squares.mean(axis=1) / mesh.weights.sum()))
        if modes is not None:
            scales.append(softening(modes.curvatures, modes.along(crystal, constants)).slope)
    return AmplitudeScan(
        np.array(amplitudes),
        np.array(curvatures),
        np.array(scales if scales else [np.nan] * len(steps)),
    )


def _why_not_relaxed(own: Relaxed) -> str:
    if own.converged:
        return ""
    return (
        f"{own.fmax:.2g} eV/Å are left after {own.steps} steps, allowed are {FMAX:.0e}; if that is "
        "close, rounding is in the way: try --dtype float64"
    )


def _of_model(
    crystal: Crystal, displacements: Displacements | RandomDisplacements, compared: _Compared
) -> Task[Phonons]:
    """The model's phonons of one crystal, forces at rest subtracted."""
    perfect, *displaced = yield [
        Static(crystal.unitcell, held=True),
        *(Static(atoms) for atoms in crystal.displaced(displacements)),
    ]
    # Away from its minimum the model pulls at the perfect crystal too: that is no curvature.
    residual = crystal.at_rest(perfect.forces, symmetric=compared.symmetric)
    forces = np.array([each.forces - residual for each in displaced])
    constants = crystal.force_constants(displacements, forces)
    found = _phonons(crystal, constants, compared.mesh, compared.path)
    if compared.modes is None:
        return found
    return replace(found, modes=compared.modes.along(crystal, constants))


def _phonons(crystal: Crystal, constants: np.ndarray, mesh: Mesh, path: BandPath) -> Phonons:
    return Phonons(
        mesh=crystal.frequencies(constants, mesh.qpoints),
        bands=crystal.frequencies(constants, path.qpoints),
        commensurate=crystal.frequencies(constants, crystal.commensurate()),
        force_constants=constants,
    )


def cases(dataset: Dataset, mode: Mode) -> Sequence[PhononMeasurement]:
    """Force sets and heat capacities of a set; short runs take the smallest supercells and cells."""
    usable = dataset.of_task("phonons")
    forces = [_of_forces(case) for case in usable if isinstance(case, PhononCase)]
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


def _of_forces(case: PhononCase) -> PhononMeasurement:
    displacements = (
        RandomDisplacements(case.displacements)
        if case.displaced_atoms is None
        else Displacements(case.displaced_atoms, case.displacements)
    )
    return PhononMeasurement(
        name=case.name,
        atoms=case.unitcell,
        supercell_matrix=case.supercell_matrix,
        primitive_matrix=case.primitive_matrix,
        displacements=displacements,
        forces=case.forces,
        fixed_only=_fixed_only(case),
        symprec=case.symprec,
        series=case.series,
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
    return 0.0 if case.forces is None else float(case.forces.size)
