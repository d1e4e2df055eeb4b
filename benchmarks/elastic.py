"""Elastic constants by stress and strain, at DFT's cell and at the model's own.

Each independent strain of the crystal's point group is applied with both signs; atoms relax, the cell does
not. The difference of the two stresses leaves out a stress that the unstrained cell is under. Relaxations
keep the symmetry that the cell has, unstrained or strained: constants of one crystal are not taken from
another that rounding led to.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import spglib
from ase import Atoms

from umlip_bench.analysis.elastic import ElasticComparison, ReferenceModuli
from umlip_bench.analysis.elasticity import (
    elastic_constants,
    independent_strains,
    invariant_constants,
    strain_tensor,
    stress_vector,
)
from umlip_bench.analysis.suites.base import SuiteAnalysis
from umlip_bench.analysis.suites.elastic import ElasticAnalysis
from umlip_bench.benchmarks.analysed import AnalysedSuite
from umlip_bench.benchmarks.elements import elements_of
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import ElasticCase
from umlip_bench.engine.lbfgs import Lbfgs
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Procedure, Request, Static, Task
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe
from umlip_bench.ground.symmetry import found_by

STRAIN = 0.005
"""Of each independent strain, with both signs; for shear the engineering strain."""
FMAX_ROUGH = 0.01
"""eV/Å, down to which FIRE relaxes, which is not easily led astray."""
FMAX = 1e-4
"""eV/Å, down to which L-BFGS goes on. Strains are small, and so are the forces that they cause: 1e-3 leaves
several percent of a modulus open, 1e-4 about 0.1 % (CHGNet, against 1e-5 in float64)."""
STEPS = 1000
SYMPREC = 1e-3
"""Å; tolerance with which symmetry is found, and kept in relaxing."""
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
    """

    name: str
    atoms: Atoms
    reference: ReferenceModuli | None = None

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols, sorted."""
        return elements_of([self.atoms])


@dataclass(frozen=True, eq=False)
class RelaxedStress(Procedure[np.ndarray]):
    """Stress of a cell after its atoms relaxed; answered by six components in Voigt's order, eV/Å³.

    Parameters
    ----------
    atoms
        The cell, which stays; atoms near their rest, as a small strain leaves them.
    """

    atoms: Atoms

    def task(self) -> Generator[Request | Sequence[Request], object, np.ndarray]:
        """Relax, then one evaluation with stress.

        Raises
        ------
        StructureError
            If the atoms do not come to rest.
        """
        relaxed = yield Relax(self.atoms, fmax=FMAX, steps=STEPS, symprec=SYMPREC, minimiser=Lbfgs)
        assert isinstance(relaxed, Relaxed)
        if not relaxed.converged:
            raise StructureError(f"{describe(self.atoms)}, strained: {_left_over(relaxed)}")
        prediction = yield Static(relaxed.atoms, stress=True, held=True)
        stress = getattr(prediction, "stress", None)
        if stress is None:
            raise StructureError(
                f"{describe(self.atoms)}: the potential gives no stress, which elastic constants are made of"
            )
        return stress_vector(stress)


def measure(case: ElasticMeasurement) -> Task[ElasticComparison]:
    """Elastic constants at the cell as it is, and at the model's own."""
    fixed = relaxed = None
    fixed_failure = relaxed_failure = ""
    # Each stands on its own feet: an atom that finds no rest in one cell may do so in the other.
    try:
        fixed = yield from _constants(case.atoms, case.atoms)
    except StructureError as error:
        fixed_failure = str(error)
    try:
        own = yield from _at_rest(case.atoms, cell=True)
        relaxed = yield from _constants(own, case.atoms)
    except StructureError as error:
        relaxed_failure = str(error)
    if fixed is None and relaxed is None:
        raise StructureError(f"{fixed_failure}; after relaxing the cell: {relaxed_failure}")
    return ElasticComparison(
        name=case.name,
        reference=case.reference,
        fixed=fixed,
        relaxed=relaxed,
        fixed_failure=fixed_failure,
        relaxed_failure=relaxed_failure,
    )


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
        raise StructureError(_left_over(fine))
    return fine.atoms


def _left_over(relaxed: Relaxed) -> str:
    return (
        f"not relaxed: {relaxed.fmax:.2g} eV/Å are left after {relaxed.steps} steps, allowed are {FMAX:.0e}; "
        "if that is close, rounding is in the way: try --dtype float64"
    )


def _constants(atoms: Atoms, symmetric: Atoms) -> Task[np.ndarray]:
    """Elastic constants of a cell, shape (6, 6), eV/Å³.

    Parameters
    ----------
    atoms
        The cell.
    symmetric
        The same crystal with its symmetry free of rounding, in the same orientation.
    """
    basis = invariant_constants(point_group(symmetric))
    chosen = np.eye(6)[independent_strains(basis)]
    strains = STRAIN * np.concatenate([chosen, -chosen])
    rest = yield from _at_rest(atoms, cell=False)
    stresses = yield [RelaxedStress(strained(rest, strain)) for strain in strains]
    up, down = np.split(np.array(stresses), 2)
    return elastic_constants(basis, chosen, (up - down) / (2 * STRAIN))


def strained(atoms: Atoms, strain: np.ndarray) -> Atoms:
    """Copy with every vector r deformed to r + ε r.

    Parameters
    ----------
    atoms
        The cell.
    strain
        Shape (6,), engineering shear, small.
    """
    out = atoms.copy()
    out.set_cell(atoms.cell.array @ (np.eye(3) + strain_tensor(strain)), scale_atoms=True)
    return out


def point_group(atoms: Atoms) -> np.ndarray:
    """Cartesian rotations of a crystal's point group, shape (R, 3, 3).

    They are made in spglib's idealised cell, where they are a group to rounding: those of the cell as it
    is miss that by as much as the cell misses its symmetry, and noise of 1e-6 would pass for elastic
    constants of a lower one.

    Raises
    ------
    StructureError
        If no symmetry is found, as when atoms lie on each other.
    """
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = found_by(spglib.get_symmetry_dataset, cell, symprec=SYMPREC)
    if found is None:
        raise StructureError(
            f"{describe(atoms)}: no symmetry found within {SYMPREC} Å; check for atoms entered twice"
        )
    ideal, change = found.std_lattice.T, found.transformation_matrix
    # The nearest rotation to the one from the cell as it is to the ideal one.
    left, _, right = np.linalg.svd(found.std_rotation_matrix)
    turn = left @ right
    rotations = []
    for each in np.unique(found.rotations, axis=0):
        in_ideal = ideal @ change @ each @ np.linalg.inv(change) @ np.linalg.inv(ideal)
        rotations.append(turn.T @ in_ideal @ turn)
    return np.array(rotations)


class ElasticSuite(AnalysedSuite[ElasticComparison]):
    """The suite ``elastic``."""

    analysis: ClassVar[SuiteAnalysis[ElasticComparison]] = ElasticAnalysis()
    version: ClassVar[int] = 3

    def cases(self, dataset: Dataset, mode: Mode) -> Sequence[ElasticMeasurement]:
        """Usable moduli of a set; short runs take the smallest cells."""
        found = [
            ElasticMeasurement(
                case.name, case.atoms, ReferenceModuli(case.bulk_modulus, case.shear_modulus)
            )
            for case in dataset.of_task(self.name)
            if isinstance(case, ElasticCase)
        ]
        limits = {Mode.QUICK: QUICK_CASES, Mode.STANDARD: STANDARD_CASES, Mode.FULL: len(found)}
        return cheapest(found, limits[mode], lambda case: len(case.atoms))

    def structure_cases(self, request: StructureRequest) -> Sequence[ElasticMeasurement]:
        """The structure itself."""
        return [ElasticMeasurement(request.name, request.atoms)]

    def measure(self, case: ElasticMeasurement) -> Task[ElasticComparison]:
        """See `measure`."""
        return measure(case)
