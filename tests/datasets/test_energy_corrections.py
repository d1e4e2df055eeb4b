"""The published values, per anion and its class."""

import pytest
from ase import Atoms
from ase.build import bulk, molecule
from ase.spacegroup import crystal

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
def test_published_values(atoms: Atoms, correction: float) -> None:
    assert mp2020_correction(atoms) == pytest.approx(correction, abs=1e-3)


def test_transition_metal_oxides_carry_the_plus_u_shift_as_well() -> None:
    assert mp2020_correction(bulk("NiO", "rocksalt", a=4.2)) == pytest.approx(
        -0.687 - 2.541, abs=2e-3
    )
    # Not in a sulphide, which is computed without U.
    sulphide = mp2020_correction(bulk("NiS", "zincblende", a=5.3))
    assert sulphide == pytest.approx(-0.503, abs=2e-3)


def test_it_cancels_within_one_composition() -> None:
    strained = bulk("MgO", "rocksalt", a=4.4)
    assert mp2020_correction(strained) == mp2020_correction(bulk("MgO", "rocksalt", a=4.21))


def split_interstitial(host: Atoms) -> Atoms:
    """Two oxygen atoms, 1.4 Å apart, on one site of oxygen."""
    site = next(k for k, symbol in enumerate(host.symbols) if symbol == "O")
    atoms = host + Atoms("O", positions=[host.positions[site] + [0.7, 0, 0]])
    atoms.positions[site] -= [0.7, 0, 0]
    return atoms


def test_a_defect_does_not_change_the_class_of_the_whole_crystal() -> None:
    """One anion more is one correction more: not 32 peroxides, as the scheme itself would have it."""
    host = bulk("MgO", "rocksalt", a=4.21, cubic=True).repeat(2)
    with_dumbbell = split_interstitial(host)
    own = mp2020_correction(with_dumbbell) - mp2020_correction(host)
    assert own > 5.0
    as_host = mp2020_correction(with_dumbbell, like=host) - mp2020_correction(host)
    assert as_host == pytest.approx(-0.687, abs=1e-3)


def test_a_missing_cation_leaves_the_anions_in_their_class() -> None:
    sites = [(0.5, 0.5, 0), (0.5, 0.5, 0.5), (0, 0, 0)]
    unit = crystal(["Li", "O", "Cl"], sites, spacegroup=221, cellpar=[3.91] * 3 + [90] * 3)
    host = unit.repeat(2)
    vacancy = host.copy()
    del vacancy[0]
    assert vacancy.symbols[0] == "Li"
    assert mp2020_correction(host) == pytest.approx(8 * (-0.687 - 0.614), abs=1e-2)
    assert mp2020_correction(vacancy, like=host) == pytest.approx(mp2020_correction(host))
    assert mp2020_correction(vacancy) - mp2020_correction(host) > 4.0


def test_an_element_that_the_crystal_lacks_is_in_its_own_class() -> None:
    host = bulk("MgO", "rocksalt", a=4.21, cubic=True)
    doped = host.copy()
    doped.symbols[next(k for k, symbol in enumerate(host.symbols) if symbol == "O")] = "F"
    change = mp2020_correction(doped, like=host) - mp2020_correction(host)
    assert change == pytest.approx(0.687 - 0.462, abs=1e-3)
