"""The filter of a free cell is ASE's to rounding."""

from typing import Any

import ase.filters
import numpy as np
import pytest
import scipy.linalg
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.optimize import BFGS, FIRE

from umlip_bench.engine import FrechetCellFilter
from umlip_bench.engine.cell_filter import derivative_of_exponential, logarithm


@pytest.mark.parametrize("size", [0.0, 1e-9, 1e-3, 0.1, 0.4, 0.9])
def test_matrix_functions_are_scipys(size: float) -> None:
    rng = np.random.default_rng(3)
    for _ in range(20):
        away = rng.normal(size=(3, 3))
        away *= size / np.linalg.norm(away)
        for times in (1.0, 8.0):
            matrix = times * (np.eye(3) + away)
            np.testing.assert_allclose(logarithm(matrix), scipy.linalg.logm(matrix), atol=2e-14)
        direction = rng.normal(size=(3, 3))
        expected = scipy.linalg.expm_frechet(away, direction, compute_expm=False)
        found = derivative_of_exponential(away) @ direction.ravel()
        np.testing.assert_allclose(found.reshape(3, 3), expected, atol=1e-13)


def crystal() -> Atoms:
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.08, seed=2)
    strain = np.array([[0.02, 0.03, 0], [0, -0.03, 0], [0.01, 0, 0]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain))
    atoms.calc = EMT()
    return atoms


@pytest.mark.parametrize("optimiser", [FIRE, BFGS])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"mask": [1, 1, 0, 0, 0, 1]},
        {"scalar_pressure": 0.01},
        {"constant_volume": True},
        {"hydrostatic_strain": True, "exp_cell_factor": 2.0},
    ],
)
def test_relaxations_are_ases(optimiser: type[FIRE] | type[BFGS], options: dict[str, Any]) -> None:
    ends, steps = [], []
    for kind in (ase.filters.FrechetCellFilter, FrechetCellFilter):
        atoms = crystal()
        relaxation = optimiser(kind(atoms, **options), logfile=None)
        assert relaxation.run(fmax=0.005, steps=400)
        ends.append(atoms)
        steps.append(relaxation.nsteps)
    assert steps[0] == steps[1]
    np.testing.assert_allclose(ends[0].positions, ends[1].positions, atol=1e-10)
    np.testing.assert_allclose(ends[0].cell.array, ends[1].cell.array, atol=1e-10)


def test_forces_are_those_of_the_present_geometry_and_settings() -> None:
    atoms = crystal()
    ours, theirs = FrechetCellFilter(atoms), ase.filters.FrechetCellFilter(atoms)

    def check() -> None:
        for _ in range(2):
            np.testing.assert_allclose(ours.get_forces(), theirs.get_forces(), atol=1e-12)
            np.testing.assert_allclose(ours.stress, theirs.stress, atol=1e-14)
            ours.get_forces()[:] = 0.0  # what is handed out is the caller's own

    check()
    atoms.rattle(0.05, seed=1)
    check()
    atoms.set_cell(1.05 * atoms.cell.array, scale_atoms=True)
    check()
    for each in (ours, theirs):
        each.scalar_pressure = 0.02
        each.exp_cell_factor = 3.0
    check()
    for each in (ours, theirs):
        each.constant_volume = True
    check()
    for each in (ours, theirs):
        each.mask[:2] = 0
    check()
    assert np.abs(ours.get_forces()).max() > 0.1
