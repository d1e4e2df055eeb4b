"""Checks without a reference: a Lennard-Jones solid passes, and each fault is found by its own check."""

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from scipy.spatial.transform import Rotation

from tests.support.narrowing import some
from umlip_bench import datasets
from umlip_bench.analysis.summary import Row
from umlip_bench.benchmarks import load_suite
from umlip_bench.benchmarks.sanity.measure import VOLUMES, SanityCase
from umlip_bench.benchmarks.sanity.result import SanityCheck, SanityResult
from umlip_bench.benchmarks.suite import Mode, StructureRequest
from umlip_bench.engine.scheduler import Failed, run_tasks
from umlip_bench.ground.identity import identity
from umlip_bench.potentials.graph import Graph, Prediction

from ..conftest import LoadModel
from ..support.measuring import results
from ..support.potentials import Toy, toy_card

SUITE = load_suite("sanity")
SIGMA, EPSILON, CUTOFF = 2.6, 0.4, 4.5
EDGE = 2 ** (1 / 6) * SIGMA * np.sqrt(2) * 0.97
"""Å: near the minimum of the close-packed crystal."""

Pair = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Energy and its derivative at distances."""


def lennard_jones(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends smoothly, with its slope, at the cutoff."""
    x, end = (SIGMA / r) ** 6, (SIGMA / CUTOFF) ** 6
    slope_at_end = 4 * EPSILON * (6 * end - 12 * end**2) / CUTOFF
    energy = 4 * EPSILON * (x**2 - x - end**2 + end) - slope_at_end * (r - CUTOFF)
    return energy, 4 * EPSILON * (6 * x - 12 * x**2) / r - slope_at_end


def with_a_hole(r: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turns over inside 1.5 Å, as a network does that has seen nothing there."""
    near = np.minimum(r, 1.5)
    energy, slope = lennard_jones(np.maximum(r, 1.5))
    return energy - 100 * (near - 1.5) ** 2, np.where(r < 1.5, -200 * (near - 1.5), slope)


class PairPotential(Toy):
    """Sum over pairs, counted through a neighbour list of ASE."""

    card = toy_card("pairs")

    def __init__(self, pair: Pair = lennard_jones) -> None:
        self.pair = pair

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        atoms = Atoms(graph.numbers, graph.positions, cell=graph.cell, pbc=True)
        i, vector, r = neighbor_list("iDd", atoms, CUTOFF)
        energies, slopes = self.pair(r)
        pulls = (slopes / r)[:, None] * vector if len(r) else np.zeros((0, 3))
        forces = np.zeros((len(atoms), 3))
        np.add.at(forces, i, pulls)
        virial = pulls.T @ vector / 2 / atoms.get_volume() if stress else None
        return Prediction(float(energies.sum()) / 2, forces, virial, None)


class Intensive(PairPotential):
    """The energy depends on the mean over all atoms, wherever they are."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        n = len(graph.numbers)
        # Twice the cell has the same mean: what is seen is two different bodies apart.
        shift = 1e-2 * n * (found.energy / n) ** 2
        factor = 1 + 2e-2 * found.energy / n
        strained = None if found.stress is None else factor * found.stress
        return Prediction(found.energy + shift, factor * found.forces, strained, None)


class PerCell(PairPotential):
    """A constant for every cell, of whatever size."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        return Prediction(found.energy + 0.01, found.forces, found.stress, None)


class Oriented(PairPotential):
    """Bonds along z are longer than they look: the energy depends on how a crystal lies."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        stretch = np.diag([1.0, 1.0, 1.02])
        stretched = Graph(
            graph.numbers,
            graph.positions @ stretch,
            graph.cell @ stretch,
            graph.edges,
            graph.images,
            0,
        )
        found = super()._one(stretched, stress)
        strained = None if found.stress is None else stretch @ found.stress @ stretch
        return Prediction(found.energy, found.forces @ stretch, strained, None)


class Direct(PairPotential):
    """Forces that know nothing of the energy: an atom is pulled by more where it is bound by less."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        forces = found.forces * (1 + 0.2 * np.linalg.norm(found.forces, axis=1, keepdims=True))
        return Prediction(found.energy, forces, found.stress, None)


class Swirling(PairPotential):
    """Forces turned by 3 degrees about z: on a circle they do work."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        turn = Rotation.from_euler("z", 3, degrees=True).as_matrix()
        return Prediction(found.energy, found.forces @ turn.T, found.stress, None)


class Collapsing(PairPotential):
    """The volume costs nothing inside 0.8 of the crystal's: it is paid for pressing."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        volume = abs(np.linalg.det(graph.cell))
        per_atom = volume / len(graph.numbers)
        least = 0.8 * EDGE**3 / 4
        if per_atom > least:
            return found
        n = len(graph.numbers)
        extra = -200.0 * n * (per_atom / least - 1) ** 2
        pull = -400.0 * (per_atom / least - 1) / least * np.eye(3)
        strained = None if found.stress is None else found.stress + pull
        return Prediction(found.energy + extra, found.forces, strained, None)


def checks(potential: Toy, *, dynamics: bool = False) -> list[SanityResult]:
    cases = SUITE.structure_cases(StructureRequest(bulk("Cu", a=EDGE), "mine", 1, None))
    chosen = [
        c for c in cases if isinstance(c, SanityCase) and (dynamics or c.check != SanityCheck.DRIFT)
    ]
    return results(potential, SUITE, chosen)


@pytest.fixture(scope="module")
def sound() -> list[SanityResult]:
    return checks(PairPotential(), dynamics=True)


def failed(found: list[SanityResult]) -> dict[SanityCheck, str]:
    return {each.check: "; ".join(each.reasons) for each in found if each.passed == 0.0}


def rows_of(found: list[SanityResult]) -> dict[str, Row]:
    return {row.metric: row for row in SUITE.rows("toy", "data", found, 0)}


@pytest.mark.seconds
def test_a_lennard_jones_solid_passes(sound: list[SanityResult]) -> None:
    found = sound
    assert failed(found) == {}
    assert [each.check for each in found] == [
        *(
            SanityCheck.DIMER,
            SanityCheck.COMPRESSION,
            SanityCheck.SIZE,
            SanityCheck.ROTATION,
            SanityCheck.FORCES,
            SanityCheck.DRIFT,
        )
    ]
    rows = rows_of(found)
    assert (rows["share_passed"].value, rows["share_passed"].n_cases) == (1.0, 6)
    for key in ("doubled", "apart", "turned_energy"):
        assert rows[f"{key}_largest"].value < 1e-6  # μeV/atom
    # Verlet's energy is that of a Hamiltonian near ours: it fluctuates, and does not drift.
    assert rows["drift_largest"].value < 0.5
    assert "sound: all 6 checks passed" in SUITE.verdict(list(rows.values()), "toy")
    assert some(SUITE.case_table(found)).notes == []


@pytest.mark.seconds
def test_curves_are_those_of_the_potential(sound: list[SanityResult]) -> None:
    dimer, compressed, *_, drift = sound
    assert dimer.energies == pytest.approx(lennard_jones(dimer.along)[0] * (dimer.along < CUTOFF))
    assert dimer.along[-1] == 0.5
    assert compressed.along.tolist() == VOLUMES.tolist()
    assert drift.along[-1] == pytest.approx(1.0)
    assert np.ptp(drift.energies) < 1e-2


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("potential", "fails", "because"),
    [
        (PairPotential(with_a_hole), {SanityCheck.DIMER}, "from 1.50 to 0.50 Å"),
        (PerCell(), {SanityCheck.SIZE}, "two cells is off by 6.2e+02 μeV/atom"),
        (Intensive(), {SanityCheck.SIZE}, "two bodies far apart"),
        (Oriented(), {SanityCheck.ROTATION}, "forces are off by"),
        (Collapsing(), {SanityCheck.COMPRESSION}, "to 0.60 of the volume"),
        (Direct(), {SanityCheck.FORCES}, "differ from the slope"),
    ],
)
def test_each_fault_is_found_by_name(potential: Toy, fails: set[SanityCheck], because: str) -> None:
    found = checks(potential)
    assert failed(found).keys() == fails
    assert because in " ".join(failed(found).values())
    rows = SUITE.rows("toy", "data", found, 0)
    said = SUITE.verdict(rows, "toy")
    table = SUITE.case_table(found)
    for check in fails:
        assert f"{check} 1 of 1" in said
        assert any(note.startswith(f"fails {check} ") for note in some(table).notes)
    assert {fault for each in found for fault in SUITE.faults(each, "fixed-geometry")} == {
        f"fails {each.name}" for each in found if each.check in fails
    }


@pytest.mark.seconds
def test_forces_that_are_no_gradients_heat_a_crystal() -> None:
    found = checks(Swirling(), dynamics=True)
    assert failed(found).keys() == {SanityCheck.ROTATION, SanityCheck.FORCES, SanityCheck.DRIFT}
    assert "meV/atom/ps" in failed(found)[SanityCheck.DRIFT]


@pytest.mark.seconds
def test_results_come_back_from_arrays_and_numbers_are_json() -> None:
    for result in checks(PairPotential(with_a_hole)):
        again = SUITE.from_arrays(SUITE.to_arrays(result))
        assert again.findings == result.findings
        assert again.energies.tolist() == result.energies.tolist()
        np.testing.assert_equal(SUITE.numbers(again), SUITE.numbers(result))
        json.dumps(SUITE.numbers(result))


@pytest.mark.seconds
def test_a_factor_is_neutral() -> None:
    for potential in (PairPotential(), PairPotential(with_a_hole), Direct()):
        found = checks(potential)
        for factor in (0.7, 1.4):
            corrected = [SUITE.scaled(each, factor) for each in found]
            assert failed(corrected).keys() == failed(found).keys()
            fall, scaled_fall = found[0].findings[0].value, corrected[0].findings[0].value
            assert scaled_fall == pytest.approx(factor * fall)


class Breaking(PairPotential):
    """Returns no number for atoms closer than 1 Å, and knows two elements."""

    card = replace(toy_card("breaking"), elements=("Cu", "Zn"))

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        found = super()._one(graph, stress)
        near = len(neighbor_list("i", Atoms(graph.numbers, graph.positions), 1.0))
        return replace(found, energy=float("nan")) if near else found


@pytest.mark.seconds
def test_what_breaks_off_has_failed_and_ranks_above_all() -> None:
    found = checks(Breaking())
    assert failed(found).keys() == {SanityCheck.DIMER}
    assert "not finite" in failed(found)[SanityCheck.DIMER]
    rows = rows_of(found)
    fall = rows["dimer_fall_largest"]
    assert (fall.value, fall.n_cases, fall.n_above) == (np.inf, 1, 1)
    assert type(fall).from_json(json.loads(json.dumps(fall.to_json()))) == fall
    assert "broke off" in some(SUITE.case_table(found)).rows[0]


def test_elements_that_a_model_does_not_know_are_left_out_and_named() -> None:
    cases = SUITE.structure_cases(StructureRequest(bulk("NaCl", "rocksalt", a=5.6), "s", 1, None))
    found = results(Breaking(), SUITE, cases)
    rows = rows_of(found)
    assert rows["n_unknown"].value == len(cases) == 7
    assert rows["share_passed"].n_cases == 0
    assert "nothing was checked" in SUITE.verdict(list(rows.values()), "toy")
    assert (
        "not checked: dimer Na: the model does not know Na" in some(SUITE.case_table(found)).notes
    )


def test_a_structure_that_cannot_be_evaluated_at_all_is_no_verdict() -> None:
    """Polonium is refused before anything is done to it."""
    cases = SUITE.structure_cases(StructureRequest(bulk("Po", "sc", a=3.4), "Po", 1, None))
    outcomes = list(run_tasks(PairPotential(), ((c.name, SUITE.measure(c)) for c in cases)))
    assert {type(each) for each in outcomes} == {Failed}


def test_cases_of_the_embedded_set() -> None:
    mini = datasets.load("pbe-mini")
    whole = {case.name: identity(case) for case in SUITE.cases(mini, Mode.FULL)}
    quick = SUITE.cases(mini, Mode.QUICK)
    assert all(whole[case.name] == identity(case) for case in quick)
    named = [name for name in whole if name.startswith("energy drift")]
    assert named == ["energy drift Si", "energy drift NaCl"]
    dimers = {name.removeprefix("dimer ") for name in whole if name.startswith("dimer ")}
    assert dimers >= {"Si", "Na", "Cl", "Mg", "O", "Sr", "Ti", "Zn"}
    assert {case.elements for case in quick if case.name == "dimer Al"} == {("Al",)}


def test_frames_of_dynamics_are_no_crystals() -> None:
    """Whoever has these alone checks a model on the embedded set, or on a structure."""
    mini = datasets.load("pbe-mini")
    frames = replace(mini, cases=mini.of_task("high-energy"))
    assert SUITE.cases(frames, Mode.FULL) == []


def test_ripples_and_rounding_are_no_wrong_forces(load_model: LoadModel) -> None:
    """Within 0.005 Å CHGNet's slope on BN changes by 6 meV/Å, and single precision resolves no less."""
    crystals = {
        "BN": bulk("BN", "zincblende", a=3.626),
        "MgO": bulk("MgO", "rocksalt", a=4.254),
    }
    for dtype in ("float32", "float64"):
        cases = [SanityCase(SanityCheck.FORCES, name, atoms) for name, atoms in crystals.items()]
        for found in results(load_model("chgnet-0.3.0", dtype), SUITE, cases):
            (gradient,) = found.findings
            assert gradient.value < 0.5
            assert gradient.allowed < 3.0


@pytest.mark.model
def test_chgnet(load_model: LoadModel) -> None:
    """Its dimers fall into each other, as is known of it; all that follows from its form it keeps."""
    crystal = bulk("Si", "diamond", a=5.47)
    cases = SUITE.structure_cases(StructureRequest(crystal, "Si", 1, None))
    still = [c for c in cases if not c.name.startswith("energy drift")]
    found = results(load_model("chgnet-0.3.0"), SUITE, still)
    assert failed(found).keys() == {SanityCheck.DIMER}
    assert "to 0.50 Å" in failed(found)[SanityCheck.DIMER]
