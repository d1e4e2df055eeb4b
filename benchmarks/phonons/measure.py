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

from umlip_bench.analysis.softening import softening
from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.benchmarks.phonons.anharmonicity import anharmonicity
from umlip_bench.benchmarks.phonons.case import PhononMeasurement, cases, structure_cases
from umlip_bench.benchmarks.phonons.crystal import SYMPREC, Crystal
from umlip_bench.benchmarks.phonons.displacements import Displacements, RandomDisplacements
from umlip_bench.benchmarks.phonons.mesh import Mesh
from umlip_bench.benchmarks.phonons.modes import Modes
from umlip_bench.benchmarks.phonons.result import (
    BandPath,
    FrequencySampling,
    PhononComparison,
    Phonons,
    signed_squares,
)
from umlip_bench.engine.lbfgs import Lbfgs
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Static, Task
from umlip_bench.ground.errors import StructureError

__all__ = ["cases", "measure", "structure_cases"]

FMAX_ROUGH = 0.01
"""eV/Å, down to which FIRE relaxes, which is not easily led astray."""
FMAX = 1e-4
"""eV/Å, down to which L-BFGS goes on."""
STEPS = 1000
"""Most of each."""


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
    given = case.frequencies
    mesh = crystal.mesh() if given is None else given.mesh
    path = crystal.path() if given is None or given.path is None else given.path
    reference = None if given is None else given.phonons(path)
    modes, symmetric, constants = None, False, None
    if case.forces is not None:
        constants = crystal.force_constants(displacements, case.forces)
        symmetric = crystal.keeps_asymmetry(displacements, case.forces)
    elif case.force_constants is not None:
        constants = crystal.symmetrised(case.force_constants)
    if constants is not None:
        modes = Modes.of(crystal, constants)
        reference = replace(_phonons(crystal, constants, mesh, path), modes=modes.curvatures)
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
        relaxed, not_relaxed = yield from _at_own_geometry(crystal, displacements, compared)
    return PhononComparison(
        name=case.name,
        sampling=FrequencySampling(
            mesh.weights, path, crystal.commensurate(), given is None or given.is_mesh
        ),
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


def _at_own_geometry(
    crystal: Crystal, displacements: Displacements | RandomDisplacements, compared: _Compared
) -> Task[tuple[Phonons | None, str]]:
    """The model's phonons where it has its minimum, or why there are none."""
    try:
        rough = yield Relax(
            crystal.unitcell, cell=True, fmax=FMAX_ROUGH, steps=STEPS, symprec=SYMPREC
        )
        own = yield Relax(
            rough.atoms, cell=True, fmax=FMAX, steps=STEPS, minimiser=Lbfgs, symprec=SYMPREC
        )
        if not_relaxed := _why_not_relaxed(own):
            return None, not_relaxed
        at_minimum, deformation = crystal.relaxed(own.atoms)
        strained = displacements.strained(deformation)
        return (yield from _of_model(at_minimum, strained, compared)), ""
    except StructureError as error:
        # The phonons at DFT's geometry stand on their own feet.
        return None, str(error)


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
