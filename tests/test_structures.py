from collections.abc import Sequence

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, graphene_nanoribbon, molecule, nanotube, surface

import umlip_bench
from umlip_bench import make_periodic
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import check_input, check_structure
from umlip_bench.potentials.adapters.neighbors import neighbors

from .support.narrowing import some

ELEMENTS = ("Na", "Cl", "Si")


def refusal(atoms: Atoms, elements: Sequence[str] = ELEMENTS) -> str:
    with pytest.raises(StructureError) as caught:
        check_structure(atoms, elements)
    return str(caught.value)


def salt() -> Atoms:
    return bulk("NaCl", "rocksalt", a=5.64, cubic=True)


# ---- what is refused


def test_good_structures_pass() -> None:
    check_structure(salt(), ELEMENTS)
    check_structure(salt(), ())
    check_structure(bulk("Si"), ELEMENTS)
    left_handed = bulk("Si")
    left_handed.set_cell(left_handed.cell.array[[1, 0, 2]])
    check_structure(left_handed, ELEMENTS)
    check_structure(Atoms("Si", cell=[1e3] * 3, pbc=True), ELEMENTS)


def test_no_atoms() -> None:
    assert "no atoms" in refusal(Atoms(cell=[1, 1, 1], pbc=True))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_that_are_not_finite(value: float) -> None:
    atoms = salt()
    atoms.positions[[3, 5], 1] = value
    message = refusal(atoms)
    assert "position of atom 3" in message
    assert "2 of 8 atoms" in message


def test_a_cell_that_is_not_finite() -> None:
    atoms = salt()
    atoms.cell[1, 1] = np.nan
    assert "cell is not finite" in refusal(atoms)


@pytest.mark.parametrize("pbc", [(True, True, False), (False, False, True), (False,) * 3])
def test_partial_periodicity_names_the_remedy(pbc: tuple[bool, bool, bool]) -> None:
    atoms = salt()
    atoms.pbc = pbc
    message = refusal(atoms)
    assert "".join("FT"[p] for p in pbc) in message
    assert "make_periodic(atoms, vacuum=" in message


@pytest.mark.parametrize("cell", [[0, 0, 0], [5, 5, 0], [[5, 0, 0], [0, 5, 0], [5, 5, 0]]])
def test_a_cell_without_volume(cell: list[int] | list[list[int]]) -> None:
    message = refusal(Atoms("Si", cell=cell, pbc=True))
    assert "no volume" in message
    assert "make_periodic(atoms, vacuum=" in message


def test_an_unknown_element_is_located() -> None:
    atoms = salt()
    atoms.symbols[[2, 6]] = "Po"
    message = refusal(atoms)
    assert "Po is atom 2, 6" in message
    assert "3 elements" in message


def test_the_message_says_which_structure() -> None:
    atoms = salt()
    atoms.info["system"] = "sample 7"
    atoms.pbc = False
    assert refusal(atoms).startswith("sample 7 (Cl4Na4): ")


# ---- make_periodic


def sheared() -> Atoms:
    """A slab whose lattice vector in the open direction is tilted."""
    atoms = fcc111("Al", (2, 2, 4), vacuum=3.0)
    atoms.cell[2] = [1.0, 2.0, 30.0]
    return atoms


def chain_along_x() -> Atoms:
    return Atoms("C3", [[0, 0, 0], [1.3, 0.2, 0.1], [2.6, 0, 0]], cell=[3.9, 0, 0], pbc=[1, 0, 0])


OPEN = {
    "slab": lambda: fcc111("Al", (2, 2, 4)),
    "slab with vacuum": lambda: fcc111("Al", (2, 1, 3), vacuum=4.0),
    "sheared slab": sheared,
    "rocksalt surface": lambda: surface(salt(), (2, 1, 0), 2, vacuum=5.0),
    "oblique slab": lambda: surface(bulk("Mg", "hcp", a=3.2, c=5.2), (2, 1, 1), 2, vacuum=3.0),
    "sheet": graphene,
    "molecule": lambda: molecule("CH3CH2OH"),
    "molecule in a cell": lambda: molecule("H2O", vacuum=2.0),
    "atom": lambda: Atoms("Si"),
    "nanotube": lambda: nanotube(4, 2),
    "ribbon": lambda: graphene_nanoribbon(2, 2, saturated=True),
    "chain": chain_along_x,
}


@pytest.mark.parametrize("vacuum", [4.0, 12.5])
@pytest.mark.parametrize("name", OPEN)
def test_open_structures_become_periodic(name: str, vacuum: float) -> None:
    atoms = OPEN[name]()
    before = atoms.copy()
    result = make_periodic(atoms, vacuum=vacuum)
    assert result.pbc.all()
    check_structure(result, ())

    # The structure itself is the same, and so are its periodic directions.
    assert atoms == before
    np.testing.assert_array_equal(result.numbers, atoms.numbers)
    shift = result.positions - atoms.positions
    np.testing.assert_allclose(shift, np.broadcast_to(shift[0], shift.shape), atol=1e-9)
    np.testing.assert_array_equal(result.cell[atoms.pbc], atoms.cell[atoms.pbc])

    # Along the open ones: perpendicular to all others, images `vacuum` apart, atoms in the middle.
    for k in np.flatnonzero(~atoms.pbc):
        others = np.delete(result.cell.array, k, axis=0)
        np.testing.assert_allclose(others @ result.cell[k], 0, atol=1e-9)
        length = np.linalg.norm(result.cell[k])
        heights = result.positions @ result.cell[k] / length
        assert length - np.ptp(heights) == pytest.approx(vacuum, abs=1e-9)
        assert heights.min() == pytest.approx(vacuum / 2, abs=1e-9)


@pytest.mark.parametrize("name", OPEN)
def test_distances_within_the_structure_are_the_same(name: str) -> None:
    atoms = OPEN[name]()
    result = make_periodic(atoms, vacuum=100.0)
    np.testing.assert_allclose(
        result.get_all_distances(mic=True), atoms.get_all_distances(mic=True), atol=1e-8
    )


@pytest.mark.seconds
@pytest.mark.parametrize("name", OPEN)
def test_the_result_has_the_energy_of_the_open_structure(name: str) -> None:
    # LennardJones knows open directions, and its range ends at 3 sigma.
    from ase.calculators.lj import LennardJones

    atoms = OPEN[name]()
    if atoms.cell.rank == 0:
        atoms.cell = np.eye(3)  # ASE's neighbour list needs one
    model = umlip_bench.potential("ase:ase.calculators.lj:LennardJones")
    (prediction,) = predict(model, make_periodic(atoms, vacuum=3.5))
    atoms.calc = LennardJones()
    assert prediction.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(prediction.forces, atoms.get_forces(), rtol=1e-9, atol=1e-7)
    assert np.isfinite(some(prediction.stress)).all()


def test_periodic_structures_stay_as_they_are() -> None:
    atoms = salt()
    atoms.rattle(0.1)
    atoms.info["system"] = "salt"
    atoms.set_initial_magnetic_moments([1, -1] * 4)
    result = make_periodic(atoms, vacuum=10.0)
    assert result == atoms
    assert result is not atoms
    assert result.info == {"system": "salt"}
    np.testing.assert_array_equal(result.get_initial_magnetic_moments(), [1, -1] * 4)


def test_making_periodic_twice_is_making_it_once() -> None:
    once = make_periodic(fcc111("Al", (2, 2, 3)), vacuum=8.0)
    assert make_periodic(once, vacuum=20.0) == once


@pytest.mark.parametrize("vacuum", [0, -1.0, np.nan, np.inf])
def test_a_vacuum_that_is_none(vacuum: float) -> None:
    with pytest.raises(StructureError, match="vacuum is"):
        make_periodic(molecule("H2O"), vacuum=vacuum)


def test_a_periodic_direction_without_a_lattice_vector() -> None:
    with pytest.raises(StructureError, match="direction 2 is periodic"):
        make_periodic(Atoms("Si", pbc=(False, False, True)), vacuum=10.0)


def test_nothing_to_make_periodic() -> None:
    with pytest.raises(StructureError, match="no atoms"):
        make_periodic(Atoms(), vacuum=10.0)


@pytest.mark.parametrize("side", [300.0, 3e3, 1e5])
@pytest.mark.parametrize("at", [0.0, -1e-12, 0.999])
def test_a_cell_of_vacuum_takes_no_memory(side: float, at: float) -> None:
    """A pair in a huge cell, across its face: boxes of the cutoff would take terabytes."""
    at = at * side if at > 0.5 else at
    atoms = Atoms("Cu2", [[at, 0, 0], [at + 2.0, 0, 0]], cell=[side] * 3, pbc=True)
    check_input(atoms)
    found = neighbors(atoms, 2.5)
    assert found.edges.shape == (2, 2)
    np.testing.assert_allclose(found.distances, 2.0, atol=1e-9)
    assert neighbors(atoms, 0.01).edges.shape == (2, 0)


@pytest.mark.parametrize("mass", [0.0, -63.5, np.nan, np.inf])
def test_masses_that_are_none_are_refused(mass: float) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.set_masses([63.5, 63.5, mass, 63.5])
    with pytest.raises(StructureError, match="mass of atom 2 is"):
        check_input(atoms)


@pytest.mark.parametrize("number", [0, -1, 119, 200])
def test_atoms_of_no_element_are_refused(number: int) -> None:
    atoms = bulk("Cu", cubic=True)
    atoms.numbers[1] = number
    with pytest.raises(StructureError, match=f"atom 1 has the atomic number {number}"):
        check_input(atoms)
