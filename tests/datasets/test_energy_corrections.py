"""The published values, per anion and its class."""

import pytest
from ase import Atoms
from ase.build import bulk, molecule

from umlip_bench.datasets.energy_corrections import mp2020_correction


def box(atoms: Atoms) -> Atoms:
    atoms = atoms.copy()
    atoms.set_cell([10.0] * 3)
    atoms.pbc = True
    return atoms


@pytest.mark.parametrize(
    ("atoms", "correction"),
    [
        (bulk("MgO", "rocksalt", a=4.21), -0.687),
        (bulk("MgO", "rocksalt", a=4.21, cubic=True), 4 * -0.687),
        (bulk("NaCl", "rocksalt", a=5.64), -0.614),
        (bulk("LiF", "rocksalt", a=4.03), -0.462),
        (bulk("Si"), 0.0),
        (box(molecule("O2")), 0.0),
    ],
    ids=["MgO", "4 MgO", "NaCl", "LiF", "Si", "O2"],
)
def test_published_values(atoms, correction):
    assert mp2020_correction(atoms) == pytest.approx(correction, abs=1e-3)


def test_transition_metal_oxides_carry_the_plus_u_shift_as_well():
    assert mp2020_correction(bulk("NiO", "rocksalt", a=4.2)) == pytest.approx(
        -0.687 - 2.541, abs=2e-3
    )
    # Not in a sulphide, which is computed without U.
    sulphide = mp2020_correction(bulk("NiS", "zincblende", a=5.3))
    assert sulphide == pytest.approx(-0.503, abs=2e-3)


def test_it_cancels_within_one_composition():
    strained = bulk("MgO", "rocksalt", a=4.4)
    assert mp2020_correction(strained) == mp2020_correction(bulk("MgO", "rocksalt", a=4.21))
