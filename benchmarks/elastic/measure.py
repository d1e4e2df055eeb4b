"""Elastic constants by stress and strain, at DFT's cell and at the model's own.

Strains are applied with both signs, along axes of the crystal; atoms relax, the cell does not. The
difference of the two stresses leaves out a stress that the unstrained cell is under. Relaxations keep the
symmetry that the cell has, unstrained or strained: constants of one crystal are not taken from another that
rounding led to.

A model's surface need not be harmonic over the strain that is applied: CHGNet's C44 of ZnS grows from 23 to
41 GPa between strains of 0.1 and 3 %. The constants then depend on which strains they are taken from. So
these are tied to the crystal, not to the axes of its file; and they are twice as many as would do, so that
what is fitted is a mean over directions, and what the fit leaves over says how far from harmonic it is.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.benchmarks.elastic.elasticity import (
    ElasticFit,
    elastic_constants,
    invariant_constants,
    is_stable,
    moduli,
    shear_voigt,
    strain_tensor,
    stress_vector,
)
from umlip_bench.benchmarks.elastic.result import (
    AMPLITUDES,
    STRAIN,
    ElasticComparison,
    ReferenceModuli,
)
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import ElasticCase
from umlip_bench.engine.lbfgs import Lbfgs
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Procedure, Request, Static, Task
from umlip_bench.ground.conventional_cell import conventional_cell
from umlip_bench.ground.crystal_axes import CrystalAxes, crystal_axes
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe
from umlip_bench.ground.units import GPA

STRAINS = np.array(
    [
        *np.eye(6),
        *([0, 0.5, 0.5, shear, 0, 0] for shear in (1, -1)),
        *([0.5, 0, 0.5, 0, shear, 0] for shear in (1, -1)),
        *([0.5, 0.5, 0, 0, 0, shear] for shear in (1, -1)),
    ]
)
"""In units of `STRAIN`, in the crystal's axes: six strains along the axes, and stretches along the six
diagonals between them. Either half would do. Shape (12, 6)."""
FMAX_ROUGH = 0.01
"""eV/Å, down to which FIRE relaxes, which is not easily led astray."""
FMAX = 1e-4
"""eV/Å, down to which L-BFGS goes on. Strains are small, and so are the forces that they cause: 1e-3 leaves
several percent of a modulus open, 1e-4 about 0.1 % (CHGNet, against 1e-5 in float64)."""
STEPS = 1000
SYMPREC = 1e-3
"""Å; tolerance with which symmetry is found, and kept in relaxing."""
FEW_STEPS = 300
"""Most at a smaller strain, where single precision may not come to rest."""
QUICK_CASES = 8
STANDARD_CASES = 200


@dataclass(frozen=True, eq=False)
class ElasticMeasurement:
    """A crystal whose elastic constants are measured.

    Parameters
    ----------
    name
        Unique in the data set.
    atoms
        At DFT's geometry, or as given.
    reference
        DFT's moduli; ``None`` if there are none.
    scanned
        Whether it is measured at other strains too.
    system
        As in `ElasticComparison`.
    """

    name: str
    atoms: Atoms
    reference: ReferenceModuli | None = None
    scanned: bool = False
    system: str = ""

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of([self.atoms])


@dataclass(frozen=True, eq=False)
class RelaxedStress(Procedure[np.ndarray]):
    """Stress of a cell after its atoms relaxed; answered by the tensor, shape (3, 3), eV/Å³.

    Parameters
    ----------
    atoms
        The cell, which stays; atoms near their rest, as a small strain leaves them.
    strain
        How small. Below `STRAIN` forces are smaller too, and so is what tells a strained crystal from one
        of higher symmetry.
    """

    atoms: Atoms
    strain: float

    def task(self) -> Generator[Request | Sequence[Request], object, np.ndarray]:
        """Relax, then one evaluation with stress.

        Raises
        ------
        StructureError
            If the atoms do not come to rest.
        """
        share = min(1.0, self.strain / STRAIN)
        relaxed = yield Relax(
            self.atoms,
            fmax=FMAX * share,
            steps=STEPS if share == 1.0 else FEW_STEPS,
            symprec=SYMPREC * share,
            minimiser=Lbfgs,
        )
        assert isinstance(relaxed, Relaxed)
        if not relaxed.converged:
            raise StructureError(
                f"{describe(self.atoms)}, strained: {_left_over(relaxed, FMAX * share)}"
            )
        prediction = yield Static(relaxed.atoms, stress=True, held=True)
        stress = getattr(prediction, "stress", None)
        if stress is None:
            raise StructureError(
                f"{describe(self.atoms)}: the potential gives no stress, which elastic constants are made of"
            )
        return np.asarray(stress)


def measure(case: ElasticMeasurement) -> Task[ElasticComparison]:
    """Elastic constants at the cell as it is, and at the model's own."""
    fixed = relaxed = own_cell = None
    held = float("nan")
    fixed_failure = relaxed_failure = ""
    # Free of the rounding that a relaxed cell has; relaxation does not turn the cell.
    axes = crystal_axes(case.atoms, SYMPREC)
    # Each stands on its own feet: an atom that finds no rest in one cell may do so in the other.
    try:
        fixed = yield from _constants(case.atoms, axes, STRAIN)
    except StructureError as error:
        fixed_failure = str(error)
    try:
        own = yield from _at_rest(case.atoms, cell=True)
        own_cell = conventional_cell(own, SYMPREC)
        held = yield from _held_bulk_modulus(own)
        relaxed = yield from _constants(own, axes, STRAIN)
    except StructureError as error:
        relaxed_failure = str(error)
    scan, scan_failure = None, ""
    if case.scanned and fixed is not None:
        try:
            scan = yield from _scan(case, axes, fixed)
        except StructureError as error:
            scan_failure = str(error)
    if fixed is None and relaxed is None:
        raise StructureError(f"{fixed_failure}; after relaxing the cell: {relaxed_failure}")
    return ElasticComparison(
        name=case.name,
        reference=case.reference,
        fixed=None if fixed is None else fixed.constants,
        relaxed=None if relaxed is None else relaxed.constants,
        fixed_failure=fixed_failure,
        relaxed_failure=relaxed_failure,
        strain=STRAIN,
        fixed_residual=float("nan") if fixed is None else fixed.residual,
        relaxed_residual=float("nan") if relaxed is None else relaxed.residual,
        scan=scan,
        scan_failure=scan_failure,
        system=case.system,
        own_cell=own_cell,
        held_bulk_modulus=held,
    )


def _held_bulk_modulus(atoms: Atoms) -> Task[float]:
    """K = -V dp/dV, eV/Å³, from isotropic strains of both signs, fractional coordinates held."""
    answers = yield [
        Static(strained(atoms, sign * STRAIN * np.eye(3)), stress=True, held=True)
        for sign in (1, -1)
    ]
    if any(each.stress is None for each in answers):
        return float("nan")
    up, down = (np.trace(each.stress) / 3 for each in answers)
    return float(up - down) / (6 * STRAIN)


def _scan(
    case: ElasticMeasurement, axes: CrystalAxes, at_strain: ElasticFit
) -> Task[AmplitudeScan]:
    """Shear moduli at other strains; at `STRAIN` they are there."""
    curvatures, scales = [], []
    for strain in AMPLITUDES:
        if strain == STRAIN:
            constants = at_strain.constants
        else:
            constants = (yield from _constants(case.atoms, axes, strain)).constants
        curvatures.append(shear_voigt(constants) / GPA)
        dft = np.nan if case.reference is None else case.reference.shear
        scales.append(moduli(constants).shear / dft if is_stable(constants) else np.nan)
    return AmplitudeScan(np.array(AMPLITUDES), np.array(curvatures), np.array(scales))


def _at_rest(atoms: Atoms, *, cell: bool) -> Task[Atoms]:
    """Relax atoms, and the cell if it is free.

    Raises
    ------
    StructureError
        If they do not come to rest.
    """
    rough = yield Relax(atoms, cell=cell, fmax=FMAX_ROUGH, steps=STEPS, symprec=SYMPREC)
    fine = yield Relax(
        rough.atoms, cell=cell, fmax=FMAX, steps=STEPS, minimiser=Lbfgs, symprec=SYMPREC
    )
    if not fine.converged:
        raise StructureError(_left_over(fine, FMAX))
    return fine.atoms


def _left_over(relaxed: Relaxed, allowed: float) -> str:
    return (
        f"not relaxed: {relaxed.fmax:.2g} eV/Å are left after {relaxed.steps} steps, allowed are "
        f"{allowed:.0e}; if that is close, rounding is in the way: try --dtype float64"
    )


def _constants(atoms: Atoms, axes: CrystalAxes, strain: float) -> Task[ElasticFit]:
    """Elastic constants of a cell in the crystal's axes, from strains of one size."""
    strains = strain * np.concatenate([STRAINS, -STRAINS])
    sources = equivalents(strains, axes.rotations)
    distinct = sorted({source for source, _ in sources})
    rest = yield from _at_rest(atoms, cell=False)
    answers = yield [
        RelaxedStress(strained(rest, axes.to_file(strain_tensor(strains[k]))), strain)
        for k in distinct
    ]
    found = {k: axes.to_crystal(stress) for k, stress in zip(distinct, answers, strict=True)}
    up, down = np.split(
        np.array([stress_vector(turn @ found[k] @ turn.T) for k, turn in sources]), 2
    )
    return elastic_constants(
        invariant_constants(axes.rotations), STRAINS, (up - down) / (2 * strain)
    )


def equivalents(strains: np.ndarray, rotations: np.ndarray) -> list[tuple[int, np.ndarray]]:
    """Of each strain, the first one of the list that is the same by symmetry, and the operation between.

    Parameters
    ----------
    strains
        Shape (S, 6), engineering shear.
    rotations
        The point group, shape (R, 3, 3).

    Returns
    -------
    list
        S pairs (k, Q) with ε = Q ε_k Qᵀ.
    """
    tensors = np.array([strain_tensor(strain) for strain in strains])
    tolerance = 1e-6 * np.abs(tensors).max()
    found: list[tuple[int, np.ndarray]] = []
    for tensor in tensors:
        for k in range(len(tensors)):
            turned = rotations @ tensors[k] @ rotations.transpose(0, 2, 1)
            (same,) = np.nonzero(np.abs(turned - tensor).max(axis=(1, 2)) < tolerance)
            if len(same):
                found.append((k, rotations[same[0]]))
                break
    return found


def strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Copy with every vector r deformed to r + ε r.

    Parameters
    ----------
    atoms
        The cell.
    strain
        ε, symmetric, in the file's axes, shape (3, 3), small.
    """
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return out


def cases(dataset: Dataset, mode: Mode) -> Sequence[ElasticMeasurement]:
    """Usable moduli of a set; short runs take the smallest cells."""
    found = [
        ElasticMeasurement(
            case.name,
            case.atoms,
            ReferenceModuli(case.bulk_modulus, case.shear_modulus),
            scanned=True,
            system=case.system,
        )
        for case in dataset.of_task("elastic")
        if isinstance(case, ElasticCase)
    ]
    limits = {Mode.QUICK: QUICK_CASES, Mode.STANDARD: STANDARD_CASES, Mode.FULL: len(found)}
    return cheapest(found, limits[mode], lambda case: len(case.atoms))


def structure_cases(request: StructureRequest) -> Sequence[ElasticMeasurement]:
    """The structure itself."""
    return [ElasticMeasurement(request.name, request.atoms, scanned=True)]
