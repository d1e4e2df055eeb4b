"""Unmodified ASE code under `umlip_bench.map`: the same end as one by one, in fewer calls to the model."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import PropertyNotImplementedError
from ase.constraints import FixAtoms
from ase.filters import FrechetCellFilter
from ase.md.langevin import Langevin
from ase.mep import NEB
from ase.optimize import BFGS, FIRE
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

import umlip_bench
from tests.conftest import SMALL_MACE, LoadModel
from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.engine.mapping import Mapped, S
from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.potentials.adapters.foreign import ForeignPotential
from umlip_bench.potentials.graph import Graph, Prediction

EMT = "ase:ase.calculators.emt:EMT"
TOLERANCE = 1e-8
"""eV, of energies."""


class Shared(ForeignPotential):
    """EMT, of which any number of structures go into a call; says how many went."""

    def __init__(self) -> None:
        emt = umlip_bench.potential(EMT, device="cpu")
        assert isinstance(emt, ForeignPotential)
        super().__init__(emt.weights, emt.calculator)
        self.edges_per_cpu_batch = 4000
        self.calls: list[int] = []

    def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
        self.calls.append(len(graphs))
        return super().evaluate(graphs, stress=stress)


def crystals() -> list[Atoms]:
    made = []
    for k, symbol in enumerate(("Cu", "Al", "Au", "Ni")):
        atoms = bulk(symbol, cubic=True)
        atoms.rattle(0.08, seed=k)
        made.append(atoms)
    return made


def hops() -> list[list[Atoms]]:
    """Straight paths of an atom into the vacancy next to it."""
    paths = []
    for k, symbol in enumerate(("Cu", "Al")):
        crystal = bulk(symbol, cubic=True).repeat((2, 1, 1))
        crystal.rattle(0.01, seed=k)
        hop = crystal.get_distance(1, 0, mic=True, vector=True)
        images = []
        for fraction in np.linspace(0, 1, 5):
            image = crystal.copy()
            image.positions[1] += fraction * hop
            del image[0]
            images.append(image)
        paths.append(images)
    return paths


# ---- what people write


def fire(atoms: Atoms) -> Atoms:
    assert FIRE(atoms, logfile=None).run(fmax=0.01, steps=400)
    return atoms


def bfgs(atoms: Atoms) -> Atoms:
    assert BFGS(atoms, logfile=None).run(fmax=0.01, steps=400)
    return atoms


def frechet(atoms: Atoms) -> Atoms:
    assert BFGS(FrechetCellFilter(atoms), logfile=None).run(fmax=0.005, steps=400)
    return atoms


def held(atoms: Atoms) -> Atoms:
    atoms.set_constraint(FixAtoms([0]))
    assert FIRE(atoms, logfile=None).run(fmax=0.01, steps=400)
    return atoms


def langevin(atoms: Atoms) -> Atoms:
    atoms.set_momenta(np.zeros((len(atoms), 3)))
    friction = 0.01 / units.fs
    rng = np.random.default_rng(len(atoms))
    Langevin(atoms, 1.0 * units.fs, temperature_K=600, friction=friction, rng=rng).run(50)
    return atoms


def band(images: Sequence[Atoms]) -> Atoms:
    chain = NEB(list(images), climb=True, method="improvedtangent")
    assert FIRE(chain, logfile=None).run(fmax=0.05, steps=600)
    return images[2]


def threaded_band(images: Sequence[Atoms]) -> Atoms:
    """ASE evaluates the images of a parallel band in threads of its own."""
    chain = NEB(list(images), climb=True, method="improvedtangent", parallel=True)
    assert FIRE(chain, logfile=None).run(fmax=0.05, steps=600)
    return images[2]


def phonons(atoms: Atoms) -> np.ndarray:
    """Frequencies at zone boundaries, THz, with the calculator handed on to displaced supercells."""
    cell = PhonopyAtoms(
        atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )
    phonon = Phonopy(cell, np.diag([2, 2, 2]), primitive_matrix=np.eye(3))
    phonon.generate_displacements(distance=0.02)
    forces = []
    for each in phonon.supercells_with_displacements:
        supercell = Atoms(each.symbols, positions=each.positions, cell=each.cell, pbc=True)
        supercell.calc = atoms.calc
        forces.append(supercell.get_forces())
    phonon.forces = forces
    phonon.produce_force_constants()
    phonon.run_qpoints([[0.5, 0, 0], [0.5, 0.5, 0]])
    frequencies: np.ndarray = phonon.get_qpoints_dict()["frequencies"]
    return frequencies


def one_by_one(
    function: Callable[[S], object],
    structures: Sequence[S],
    model: umlip_bench.Potential,
) -> list[object]:
    def ready(atoms: Atoms) -> Atoms:
        own = atoms.copy()
        own.calc = PotentialCalculator(model)
        return own

    def all_ready(given: S) -> S:
        if isinstance(given, Atoms):
            return ready(given)
        return [ready(atoms) for atoms in given]  # type: ignore[return-value]

    return [function(all_ready(each)) for each in structures]


def assert_same(found: object, expected: object) -> None:
    if isinstance(found, Atoms) and isinstance(expected, Atoms):
        energies = [atoms.get_potential_energy() for atoms in (found, expected)]
        assert energies[0] == pytest.approx(energies[1], abs=TOLERANCE)
        np.testing.assert_allclose(found.positions, expected.positions, atol=1e-7)
        np.testing.assert_allclose(found.cell.array, expected.cell.array, atol=1e-7)
    else:
        np.testing.assert_allclose(np.asarray(found), np.asarray(expected), atol=1e-7)


def check(
    function: Callable[[S], object],
    structures: Sequence[S],
    model: umlip_bench.Potential,
) -> None:
    found = list(umlip_bench.map(function, structures, model=model))
    expected = one_by_one(function, structures, model)
    assert [each.index for each in found] == list(range(len(structures)))
    for each, own in zip(found, expected, strict=True):
        assert_same(each.value, own)


@pytest.mark.seconds
@pytest.mark.parametrize("function", [fire, bfgs, frechet, held, langevin, phonons])
def test_the_same_end_as_one_by_one(function: Callable[[Atoms], object]) -> None:
    model = Shared()
    structures = crystals()[: 4 if function in (fire, frechet) else 2]
    before = [atoms.copy() for atoms in structures]
    check(function, structures, model)
    assert max(model.calls) == len(structures)
    for atoms, own in zip(before, structures, strict=True):
        assert atoms == own  # what was given is as it was
        assert own.calc is None


@pytest.mark.seconds
def test_bands_come_to_the_same_barrier() -> None:
    model = Shared()
    expected = one_by_one(band, hops(), model)
    model.calls.clear()
    for function in (band, threaded_band):  # threads of the user's own are served too
        found = umlip_bench.map(function, hops(), model=model)
        for each, own in zip(found, expected, strict=True):
            assert_same(each.value, own)
    assert max(model.calls) >= 2


def test_the_same_with_a_trained_model(load_model: LoadModel) -> None:
    model = load_model(SMALL_MACE, dtype="float64")
    structures = []
    for k in range(2):
        atoms = bulk("MgO", "rocksalt", a=4.1 + 0.05 * k)
        atoms.rattle(0.05, seed=k)
        structures.append(atoms)
    check(frechet, structures, model)


# ---- failures and ends


def test_what_is_raised_comes_back_with_its_structure() -> None:
    def fragile(atoms: Atoms) -> float:
        if atoms.symbols[0] == "Al":
            raise KeyError("aluminium")
        return float(atoms.get_potential_energy())

    structures = [bulk("Cu"), bulk("Al"), bulk("Xe"), bulk("Ag")]
    found = list(umlip_bench.map(fragile, structures, model=EMT))
    assert [type(each.error) for each in found] == [
        type(None),
        KeyError,
        StructureError,
        type(None),
    ]
    assert [each.structure is own for each, own in zip(found, structures, strict=True)] == [
        True
    ] * 4
    with pytest.raises(KeyError, match="aluminium") as caught:
        _ = found[1].value
    assert caught.value.__notes__ == ["structure 1 of umlip_bench.map: Al"]
    assert found[3].value == pytest.approx(
        one_by_one(fragile, structures[3:], umlip_bench.potential(EMT))[0]
    )


def test_a_refused_structure_can_be_handled_where_it_is_asked_for() -> None:
    def careful(atoms: Atoms) -> str:
        try:
            atoms.get_potential_energy()
        except StructureError:
            return "refused"
        return "fine"

    found = umlip_bench.map(careful, [bulk("Cu"), bulk("Xe")], model=EMT)
    assert [each.value for each in found] == ["fine", "refused"]


def test_results_come_in_order_and_structures_are_taken_as_there_is_room() -> None:
    taken = []

    def structures() -> Iterator[Atoms]:
        for k in range(9):
            taken.append(k)
            atoms = bulk("Cu")
            atoms.info["k"] = k
            yield atoms

    def wait(atoms: Atoms) -> int:
        for _ in range(10 - atoms.info["k"]):  # the first ends last
            atoms.rattle(0.01)
            atoms.get_forces()
        return int(atoms.info["k"])

    found = umlip_bench.map(wait, structures(), model=EMT, in_flight=3)
    first = next(found)
    assert first.value == 0
    assert len(taken) < 9
    assert [each.value for each in found] == list(range(1, 9))


def test_properties_that_a_model_has_not_are_refused() -> None:
    (found,) = umlip_bench.map(Atoms.get_magnetic_moments, [bulk("Cu")], model=EMT)
    assert isinstance(found.error, PropertyNotImplementedError)


def test_stress_is_computed_only_where_it_is_asked_for() -> None:
    seen = []

    class Seen(Shared):
        def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
            seen.append(stress)
            return super().evaluate(graphs, stress=stress)

    (each,) = umlip_bench.map(Atoms.get_forces, [bulk("Cu")], model=Seen())
    assert each.value.shape == (1, 3)
    (other,) = umlip_bench.map(Atoms.get_stress, [bulk("Cu")], model=Seen())
    assert other.value.shape == (6,)
    assert seen == [False, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.rattle(0.01),
        lambda a: a.set_cell(1.01 * a.cell.array),
        lambda a: a.set_atomic_numbers([47] * len(a)),
        lambda a: a.set_initial_magnetic_moments([1.0] * len(a)),
        lambda a: a.append("Cu"),
    ],
)
def test_a_calculator_knows_a_changed_structure(change: Callable[[Atoms], None]) -> None:
    atoms = bulk("Cu", cubic=True)
    model = Shared()
    atoms.calc = PotentialCalculator(model)
    for _ in range(2):
        atoms.get_forces()
        atoms.get_stress()
    assert model.calls == [1]
    change(atoms)
    assert atoms.calc.check_state(atoms)
    if len(atoms) == 4:
        atoms.get_potential_energy()
        assert model.calls == [1, 1]
        assert not atoms.calc.check_state(atoms.copy())


def test_a_returned_structure_can_go_on_by_itself() -> None:
    (found,) = umlip_bench.map(fire, crystals()[:1], model=EMT)
    atoms = found.value
    assert isinstance(atoms, Atoms)
    atoms.rattle(0.05, seed=3)
    expected = atoms.copy()
    expected.calc = umlip_bench.load(EMT)
    assert atoms.get_potential_energy() == pytest.approx(expected.get_potential_energy(), abs=1e-10)


def _others() -> int:
    for _ in range(100):
        if threading.active_count() <= _before:
            break
        time.sleep(0.02)
    return threading.active_count() - _before


_before = threading.active_count()


def test_leaving_early_ends_all_functions() -> None:
    global _before
    _before = threading.active_count()
    ended = []

    def endless(atoms: Atoms) -> None:
        try:
            for _ in range(10_000 if atoms.info["k"] else 3):
                atoms.rattle(0.01)
                atoms.get_forces()
        finally:
            ended.append(atoms.info["k"])

    structures = []
    for k in range(5):
        atoms = bulk("Cu")
        atoms.info["k"] = k
        structures.append(atoms)
    # A calculator would get one structure after the other; this model's calls have room for all.
    found: Iterator[Mapped[None]] = umlip_bench.map(endless, structures, model=Shared())
    assert next(found).error is None
    found.close()  # type: ignore[attr-defined]
    assert _others() == 0
    assert sorted(ended) == [0, 1, 2, 3, 4]


def test_an_interrupt_is_nobody_s_result() -> None:
    global _before
    _before = threading.active_count()

    def interrupted(atoms: Atoms) -> None:
        atoms.get_forces()
        if atoms.symbols[0] == "Al":
            raise KeyboardInterrupt
        while True:
            atoms.rattle(0.01)
            atoms.get_forces()

    with pytest.raises(KeyboardInterrupt):
        list(umlip_bench.map(interrupted, [bulk("Cu"), bulk("Al")], model=Shared()))
    assert _others() == 0


def test_no_function_at_a_time_is_refused() -> None:
    with pytest.raises(UmlipBenchError, match="in_flight is 0"):
        umlip_bench.map(fire, crystals(), model=EMT, in_flight=0)


def test_gradients_stay_as_they_are_set() -> None:
    with torch.no_grad():
        (found,) = umlip_bench.map(fire, crystals()[:1], model=Shared())
    assert found.error is None
