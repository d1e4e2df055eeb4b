"""Conventional axes of crystals, against pymatgen's and from cells and orientations of any kind."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from ase.spacegroup import crystal
from pymatgen.io.ase import AseAtomsAdaptor
from scipy.spatial.transform import Rotation

from umlip_bench.benchmarks.elastic.elasticity import invariant_constants
from umlip_bench.ground.crystal_axes import crystal_axes
from umlip_bench.ground.errors import StructureError

if TYPE_CHECKING:
    from pymatgen.analysis.elasticity import ElasticTensor

SYMPREC = 1e-3

CRYSTALS = {
    "copper": bulk("Cu", "fcc", a=3.6),
    "zincblende": bulk("ZnS", "zincblende", a=5.4),
    "magnesium": bulk("Mg", "hcp", a=3.2, c=5.2),
    "rutile": crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0.305, 0.305, 0)],
        spacegroup=136,
        cellpar=[4.6, 4.6, 2.96, 90, 90, 90],
    ),
    "anatase": crystal(
        ["Ti", "O"],
        [(0, 0, 0), (0, 0, 0.208)],
        spacegroup=141,
        cellpar=[3.78, 3.78, 9.51, 90, 90, 90],
    ),
    "corundum": crystal(
        ["Al", "O"],
        [(0, 0, 0.352), (0.306, 0, 0.25)],
        spacegroup=167,
        cellpar=[4.76, 4.76, 12.99, 90, 90, 120],
        primitive_cell=True,
    ),
    "perovskite": crystal(
        ["Ca", "Ti", "O", "O"],
        [(0.008, 0.035, 0.25), (0, 0.5, 0), (0.57, 0.98, 0.25), (0.29, 0.287, 0.037)],
        spacegroup=62,
        cellpar=[5.44, 7.64, 5.38, 90, 90, 90],
    ),
    "monoclinic": crystal(
        ["Zr", "O", "O"],
        [(0.275, 0.04, 0.208), (0.07, 0.33, 0.345), (0.45, 0.757, 0.479)],
        spacegroup=14,
        cellpar=[5.15, 5.21, 5.32, 90, 99.2, 90],
    ),
    "polar": crystal(
        ["K", "Nb"],
        [(0, 0, 0), (0.5, 0.5, 0.52)],
        spacegroup=25,
        cellpar=[5.7, 4.0, 4.9, 90, 90, 90],
    ),
    "triclinic": Atoms(
        "AlP",
        scaled_positions=[(0, 0, 0), (0.41, 0.53, 0.37)],
        cell=[3, 4, 5, 80, 100, 75],
        pbc=True,
    ),
}


def constants_of(atoms: Atoms) -> np.ndarray:
    """Constants that have the crystal's symmetry, all of it different, as in the crystal's axes."""
    basis = invariant_constants(crystal_axes(atoms, SYMPREC).rotations)
    return np.tensordot(np.random.default_rng(3).normal(size=len(basis)), basis, axes=1)


def in_file(atoms: Atoms, constants: np.ndarray) -> "ElasticTensor":
    from pymatgen.analysis.elasticity import ElasticTensor

    axes = crystal_axes(atoms, SYMPREC).axes
    return ElasticTensor.from_voigt(constants).rotate(axes.T, tol=1e-6)


@pytest.mark.seconds
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "name", ["copper", "zincblende", "magnesium", "anatase", "corundum", "perovskite", "monoclinic"]
)
def test_constants_as_pymatgen_lays_them(name: str, seed: int) -> None:
    atoms = oriented(CRYSTALS[name], seed)
    expected = constants_of(atoms)
    structure = AseAtomsAdaptor.get_structure(atoms)
    found = in_file(atoms, expected).convert_to_ieee(structure, initial_fit=False).voigt
    # pymatgen leaves the sense of axes open where the standard has it by an obtuse angle.
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-6)


def oriented(atoms: Atoms, seed: int) -> Atoms:
    """The same crystal, turned, in another cell, its axes exchanged."""
    rng = np.random.default_rng(seed)
    change = [np.eye(3), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], [[1, 1, 0], [0, 1, 0], [0, 1, 1]]][seed]
    out = make_supercell(atoms, change)
    turn = Rotation.random(random_state=rng).as_matrix()
    out.set_cell(out.cell.array @ turn.T, scale_atoms=True)
    out.positions += rng.normal(size=3)
    return out


@pytest.mark.parametrize("name", CRYSTALS)
def test_axes_are_tied_to_the_atoms(name: str) -> None:
    """Turned back, each cell has the axes of the first, but for operations of the crystal's own."""
    from pymatgen.analysis.elasticity import ElasticTensor

    atoms = CRYSTALS[name]
    first = crystal_axes(atoms, SYMPREC)
    np.testing.assert_allclose(first.axes @ first.axes.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(first.axes) == pytest.approx(1)
    constants = constants_of(atoms)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        turn = Rotation.random(random_state=rng).as_matrix()
        other = crystal_axes(oriented(atoms, seed), SYMPREC)
        assert len(other.rotations) == len(first.rotations)
        between = first.axes @ (other.axes @ turn).T
        again = ElasticTensor.from_voigt(constants).rotate(between, tol=1e-6).voigt
        np.testing.assert_allclose(again, constants, atol=1e-5)


def test_the_standard_orders_axes() -> None:
    """Tetragonal x3 along c, also where it is the shorter (pymatgen's is then along a); orthorhombic
    c < a < b, but c along a polar axis; monoclinic b unique, c < a, β obtuse; triclinic x3 along c."""
    rutile = crystal_axes(CRYSTALS["rutile"], SYMPREC)
    np.testing.assert_allclose(np.abs(rutile.axes[2]), [0, 0, 1], atol=1e-9)
    orthorhombic = Atoms("Al", cell=[4, 5, 3], pbc=True)
    np.testing.assert_allclose(
        np.abs(crystal_axes(orthorhombic, SYMPREC).axes), np.eye(3), atol=1e-9
    )
    swapped = Atoms("Al", cell=[3, 4, 5], pbc=True)
    np.testing.assert_allclose(
        np.abs(crystal_axes(swapped, SYMPREC).axes), [[0, 1, 0], [0, 0, 1], [1, 0, 0]], atol=1e-9
    )
    polar = CRYSTALS["polar"]
    np.testing.assert_allclose(
        np.abs(crystal_axes(polar, SYMPREC).axes), [[0, 1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-9
    )
    monoclinic = CRYSTALS["monoclinic"]
    a, b, c = monoclinic.cell.array  # c > a: named the other way round in the standard
    x1, x2, x3 = crystal_axes(monoclinic, SYMPREC).axes
    assert abs(x2 @ b) == pytest.approx(np.linalg.norm(b))
    assert abs(x3 @ a) == pytest.approx(np.linalg.norm(a))
    assert a @ c < 0
    assert (x1 @ c) * (x3 @ a) > 0
    triclinic = CRYSTALS["triclinic"]
    shortest = triclinic.cell.array[0]
    assert abs(crystal_axes(triclinic, SYMPREC).axes[2] @ shortest) == pytest.approx(3)


def test_atoms_on_each_other_have_no_axes() -> None:
    with pytest.raises(StructureError, match="no symmetry found"):
        crystal_axes(Atoms("Al2", positions=np.zeros((2, 3)), cell=[3, 3, 3], pbc=True), SYMPREC)
