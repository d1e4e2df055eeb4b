import tracemalloc
from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.filters import FrechetCellFilter
from ase.optimize import FIRE, LBFGS
from ase.optimize.optimize import Optimizer

from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.engine.independent import run_requests
from umlip_bench.engine.lbfgs import PATIENCE, Lbfgs, ScaledLbfgs
from umlip_bench.engine.prediction import predict
from umlip_bench.engine.relaxation import Relax, Relaxed, _FreeCell
from umlip_bench.engine.requests import Request, Static, Task
from umlip_bench.engine.scheduler import Done, Failed, run_tasks
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import make_periodic
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.potentials.loading import potential
from umlip_bench.potentials.protocol import Potential

from ..support.measuring import result_of, run
from ..support.narrowing import some
from ..support.potentials import Fussy, Wells
from ..support.structures import chain

SAME = 1e-8
"""Å, eV, eV/Å: float64 results that differ by no more are the same steps."""


@pytest.fixture(scope="module")
def chgnet() -> ChgnetPotential:
    model = potential("chgnet-0.3.0", device="cpu", dtype="float64")
    assert isinstance(model, ChgnetPotential)
    return model


@pytest.fixture(scope="module")
def argon() -> Potential:
    return potential("ase:ase.calculators.lj:LennardJones", device="cpu")


def rattled(atoms: Atoms, seed: int = 0, amplitude: float = 0.08) -> Atoms:
    atoms = atoms.copy()
    atoms.rattle(amplitude, seed=seed)
    return atoms


def sheared(atoms: Atoms) -> Atoms:
    """Every strain component, none of them commuting with the others."""
    atoms = atoms.copy()
    strain = np.array([[0.03, 0.02, -0.01], [0.02, -0.02, 0.03], [-0.01, 0.03, 0.01]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    return atoms


def cells() -> list[Atoms]:
    return [
        rattled(bulk("Si", "diamond", a=5.43)),
        rattled(bulk("NaCl", "rocksalt", a=5.5, cubic=True), seed=1),
        rattled(bulk("Mg", "hcp", a=3.2, c=5.2).repeat((2, 1, 1)), seed=2),
        rattled(sheared(bulk("MgO", "rocksalt", a=4.3)), seed=3),
    ]


def path_of(model: Potential, request: Relax) -> tuple[list[Atoms], Relaxed]:
    """Every geometry a relaxation asks for, and its result."""
    path = []

    def spy() -> Task[Relaxed]:
        task: Generator[Static, Any, Relaxed] = request.task()
        answer = None
        while True:
            try:
                static = task.send(answer)
            except StopIteration as stop:
                return stop.value
            path.append(static.atoms)
            answer = yield static

    (outcome,) = run_tasks(model, [("a", spy())])
    return path, result_of(outcome)


def path_of_ase(
    model: Potential,
    atoms: Atoms,
    *,
    cell: bool = False,
    fmax: float = 0.05,
    steps: int = 500,
    optimiser: type[Optimizer] = FIRE,
) -> tuple[list[Atoms], bool]:
    atoms = atoms.copy()
    atoms.calc = PotentialCalculator(model)
    path = []
    run = optimiser(FrechetCellFilter(atoms) if cell else atoms, logfile=None)
    run.attach(lambda: path.append(atoms.copy()))
    converged = run.run(fmax=fmax, steps=steps)
    return path, converged


@pytest.mark.parametrize("k", range(4))
def test_fixed_cells_take_the_steps_of_ase(chgnet: ChgnetPotential, k: int) -> None:
    atoms = cells()[k]
    ours, result = path_of(chgnet, Relax(atoms, fmax=0.02))
    theirs, converged = path_of_ase(chgnet, atoms, fmax=0.02)
    assert result.converged
    assert converged
    assert len(ours) == len(theirs) == result.steps + 1 > 5
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=SAME)


@pytest.mark.parametrize("k", range(4))
def test_free_cells_reach_the_minima_of_ase(chgnet: ChgnetPotential, k: int) -> None:
    atoms = sheared(cells()[k])
    (result,) = run(chgnet, [Relax(atoms, cell=True, fmax=0.002)])
    theirs, converged = path_of_ase(chgnet, atoms, cell=True, fmax=0.002)
    assert result.converged
    assert converged
    # The minimum is the same to what fmax leaves open; the cells may be rotated to each other.
    np.testing.assert_allclose(result.atoms.cell.cellpar(), theirs[-1].cell.cellpar(), atol=5e-3)
    theirs[-1].calc = PotentialCalculator(chgnet)
    assert result.energy == pytest.approx(theirs[-1].get_potential_energy(), abs=2e-5)


def test_free_cells_take_the_steps_of_ase_where_the_strain_does_not_rotate(
    chgnet: ChgnetPotential,
) -> None:
    atoms = bulk("Mg", "hcp", a=3.1, c=5.3)
    ours, _ = path_of(chgnet, Relax(atoms, cell=True, fmax=0.01))
    theirs, _ = path_of_ase(chgnet, atoms, cell=True, fmax=0.01)
    assert len(ours) == len(theirs) > 5
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.cell.array, b.cell.array, atol=SAME)
        np.testing.assert_allclose(a.positions, b.positions, atol=SAME)


@pytest.mark.parametrize("cell", [False, True])
def test_lbfgs_takes_the_steps_of_ase(chgnet: ChgnetPotential, cell: bool) -> None:
    atoms = bulk("Mg", "hcp", a=3.1, c=5.3) if cell else cells()[1]
    ours, result = path_of(chgnet, Relax(atoms, cell=cell, fmax=0.01, minimiser=Lbfgs))
    theirs, _ = path_of_ase(chgnet, atoms, cell=cell, fmax=0.01, optimiser=LBFGS)
    assert result.converged
    assert len(ours) == len(theirs) > 5
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=SAME)
        np.testing.assert_allclose(a.cell.array, b.cell.array, atol=SAME)


def test_lbfgs_finds_the_minimum_of_a_bowl_in_a_dozen_steps() -> None:
    stiffness = np.array([[30.0, 70.0, 150.0]])
    minimiser, position = Lbfgs(), np.array([[0.05, -0.08, 0.06]])
    for _ in range(12):
        position = position + minimiser.step(-stiffness * position)
    np.testing.assert_allclose(position, 0, atol=1e-9)


def test_scaled_lbfgs_needs_no_guess_of_the_stiffness() -> None:
    """A soft bowl and a hard one, where the constant guess is far off."""
    for factor in (0.01, 1.0, 30.0):
        stiffness = factor * np.array([[30.0, 70.0, 150.0]])
        taken = {}
        for kind in (Lbfgs, ScaledLbfgs):
            minimiser, position = kind(), np.array([[0.05, -0.08, 0.06]])
            steps = 0
            while np.abs(position).max() > 1e-6 and steps < 200:
                position = position + minimiser.step(-stiffness * position)
                steps += 1
            taken[kind] = steps
        assert taken[ScaledLbfgs] <= min(taken[Lbfgs] + 1, 20)


@pytest.mark.parametrize("cell", [False, True])
def test_minimisers_come_to_the_same_minimum(chgnet: ChgnetPotential, cell: bool) -> None:
    atoms = cells()[1]
    requests = [
        Relax(atoms, cell=cell, fmax=2e-4, minimiser=minimiser)
        for minimiser in (Lbfgs, ScaledLbfgs)
    ]
    ends = [result_of(outcome) for outcome in run_requests(chgnet, requests)]
    assert all(end.converged for end in ends)
    assert ends[0].energy == pytest.approx(ends[1].energy, abs=1e-5)


def test_scaled_lbfgs_begins_anew_where_it_gets_nowhere() -> None:
    """As for a slab of germanium that it circled round its minimum for 500 steps."""
    rng = np.random.default_rng(0)
    minimiser = ScaledLbfgs()
    minimiser.step(rng.normal(size=(4, 3)))
    worse = [rng.normal(scale=3.0 + k, size=(4, 3)) for k in range(PATIENCE)]
    steps = [minimiser.step(forces) for forces in worse]
    assert steps[-1] == pytest.approx(ScaledLbfgs().step(worse[-1]))
    assert steps[-2] != pytest.approx(ScaledLbfgs().step(worse[-2]))
    following = rng.normal(scale=20.0, size=(4, 3))
    assert minimiser.step(following) != pytest.approx(ScaledLbfgs().step(following))


def test_lbfgs_does_not_learn_where_the_slope_does_not_rise() -> None:
    """On E = cos x from near the maximum: down to the minimum, not back up."""
    minimiser, position = Lbfgs(), np.array([[0.3, 0.0, 0.0]])
    for _ in range(100):
        position = position + minimiser.step(10 * np.sin(position))
    np.testing.assert_allclose(position, [[np.pi, 0, 0]], atol=1e-6)


def test_forces_on_a_free_cell_are_minus_the_gradient_of_the_enthalpy(argon: Potential) -> None:
    pressure = 0.05
    template = sheared(rattled(bulk("Ar", "fcc", a=1.62, cubic=True)))
    mask = np.ones((3, 3))
    mask[0, 1] = mask[1, 0] = 0
    rng = np.random.default_rng(0)
    start = 0.1 * rng.standard_normal((len(template) + 3, 3))
    start[-3:] = len(template) * 0.5 * (start[-3:] + start[-3:].T)

    def at(displacement: np.ndarray) -> _FreeCell:
        coordinates = _FreeCell(template, np.ones((len(template), 3)), mask, pressure)
        coordinates.move(displacement)
        return coordinates

    def enthalpy(displacement: np.ndarray) -> float:
        atoms = at(displacement).atoms()
        (prediction,) = predict(argon, atoms)
        return prediction.energy + pressure * atoms.get_volume()

    coordinates = at(start)
    (prediction,) = predict(argon, coordinates.atoms())
    forces = coordinates.forces(prediction)
    assert forces[-3, 1] == forces[-2, 0] == 0
    h = 1e-5
    for _ in range(6):
        direction = rng.standard_normal(start.shape)
        direction[-3:] = 0.5 * (direction[-3:] + direction[-3:].T) * mask
        slope = (enthalpy(start + h * direction) - enthalpy(start - h * direction)) / (2 * h)
        assert -np.vdot(forces, direction) == pytest.approx(slope, rel=1e-6)


@pytest.mark.parametrize("pressure", [-0.02, 0.06])
def test_under_pressure_the_stress_balances_it(chgnet: ChgnetPotential, pressure: float) -> None:
    start = rattled(bulk("NaCl", "rocksalt", a=5.5))
    (result,) = run(chgnet, [Relax(start, cell=True, pressure=pressure, fmax=1e-3, steps=1000)])
    assert result.converged
    np.testing.assert_allclose(result.stress, -pressure * np.eye(3), atol=1e-4)


def test_masked_strain_components_stay(chgnet: ChgnetPotential) -> None:
    start = sheared(bulk("Mg", "hcp", a=3.1, c=5.3))
    only_c = np.zeros((3, 3), dtype=bool)
    only_c[2, 2] = True
    (result,) = run(chgnet, [Relax(start, cell=only_c, fmax=0.01)])
    deformation = np.linalg.solve(start.cell.array, result.atoms.cell.array)
    expected = np.eye(3)
    expected[2, 2] = deformation[2, 2]
    np.testing.assert_allclose(deformation, expected, atol=1e-12)
    assert abs(deformation[2, 2] - 1) > 1e-3
    assert abs(result.stress[2, 2]) < 2e-3 < abs(result.stress).max()


@pytest.mark.parametrize("by_mask", [True, False])
def test_fixed_atoms_and_components_stay_as_in_ase(chgnet: ChgnetPotential, by_mask: bool) -> None:
    slab = make_periodic(fcc111("Al", (1, 1, 4), a=4.1), vacuum=8.0)
    slab = rattled(slab)
    slab.set_constraint([FixAtoms([0]), FixCartesian([1], (True, True, False))])
    theirs, _ = path_of_ase(chgnet, slab, fmax=0.02)
    if by_mask:
        slab.set_constraint()
        fixed = np.zeros((4, 3), dtype=bool)
        fixed[0], fixed[1, :2] = True, True
        request = Relax(slab, fmax=0.02, fixed=fixed)
    else:
        request = Relax(slab, fmax=0.02)
    ours, result = path_of(chgnet, request)
    assert result.converged
    np.testing.assert_array_equal(result.atoms.positions[0], slab.positions[0])
    np.testing.assert_array_equal(result.atoms.positions[1, :2], slab.positions[1, :2])
    assert np.abs(result.forces[0]).max() > 0.02  # the model's force, not the constraint's
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=SAME)


def pool() -> list[Request]:
    """Structures of equal and unequal size, with unlike neighbours, and one that runs out of steps."""
    requests: list[Request] = []
    for k, atoms in enumerate([*cells(), *map(sheared, cells())]):
        requests.append(Relax(rattled(atoms, seed=k), cell=k % 2 == 0, fmax=0.05))
    requests += [
        Relax(rattled(bulk("Al", "fcc", a=4.4)), cell=True, fmax=0.05),
        Relax(bulk("Al", "fcc", a=3.7), cell=True, fmax=0.05),
        Relax(rattled(bulk("C", "diamond", a=3.4)), cell=True, fmax=0.01, steps=3),
        Static(cells()[0], stress=True),
    ]
    return requests


@pytest.fixture(scope="module")
def one_by_one(chgnet: ChgnetPotential) -> list[Relaxed | Prediction]:
    return [run(chgnet, [request])[0] for request in pool()]


def assert_same(found: Relaxed | Prediction, expected: Relaxed | Prediction) -> None:
    assert abs(found.energy - expected.energy) < SAME
    np.testing.assert_allclose(found.forces, expected.forces, atol=SAME)
    assert (found.stress is None) == (expected.stress is None)
    if isinstance(found, Relaxed):
        assert isinstance(expected, Relaxed)
        assert found.steps == expected.steps
        assert found.converged == expected.converged
        np.testing.assert_allclose(found.atoms.positions, expected.atoms.positions, atol=SAME)
        np.testing.assert_allclose(found.atoms.cell.array, expected.atoms.cell.array, atol=SAME)


@pytest.mark.model
@pytest.mark.parametrize(
    ("in_flight", "edges", "capacity", "reverse"),
    [
        (1, 10**9, 64, False),
        (7, 10**9, 64, True),
        (64, 10**9, 64, False),
        (64, 10**9, 3, True),
        (64, 700, 64, False),
    ],
)
def test_relaxations_do_not_depend_on_the_batch(
    chgnet: ChgnetPotential,
    one_by_one: list[Relaxed | Prediction],
    in_flight: int,
    edges: int,
    capacity: int,
    reverse: bool,
) -> None:
    model = Fussy.of(chgnet, capacity, edges)
    requests = pool()
    expected = one_by_one[::-1] if reverse else one_by_one
    found = run(model, requests[::-1] if reverse else requests, in_flight=in_flight)
    for a, b in zip(found, expected, strict=True):
        assert_same(a, b)
    if capacity < 64:
        assert max(model.calls) > capacity >= model.calls[-1]


def test_energy_forces_and_stress_belong_to_the_geometry(
    chgnet: ChgnetPotential, one_by_one: list[Relaxed | Prediction]
) -> None:
    for request, result in zip(pool(), one_by_one, strict=True):
        if isinstance(request, Relax):
            assert isinstance(result, Relaxed)
            (fresh,) = predict(chgnet, result.atoms)
            assert abs(fresh.energy - result.energy) < SAME
            np.testing.assert_allclose(fresh.forces, result.forces, atol=SAME)
            if result.stress is not None:
                np.testing.assert_allclose(some(fresh.stress), result.stress, atol=SAME)


def test_a_relaxation_out_of_steps_says_so(one_by_one: list[Relaxed | Prediction]) -> None:
    result = one_by_one[-2]
    assert isinstance(result, Relaxed)
    assert not result.converged
    assert result.steps == 3
    assert result.fmax > 0.01
    assert all(isinstance(r, Relaxed) and r.converged for r in one_by_one[:-2])


@pytest.mark.model
def test_single_precision_reaches_the_same_minima(one_by_one: list[Relaxed | Prediction]) -> None:
    """Stated tolerances: 1 meV/atom, 0.02 Å and 0.5 % in cell lengths at fmax 0.05 eV/Å."""
    model = potential("chgnet-0.3.0", device="cpu", dtype="float32")
    for found, expected in zip(run(model, pool()[:-2]), one_by_one, strict=False):
        assert isinstance(expected, Relaxed)
        assert abs(found.energy - expected.energy) < 1e-3 * len(found.atoms)
        np.testing.assert_allclose(found.atoms.positions, expected.atoms.positions, atol=0.02)
        np.testing.assert_allclose(
            found.atoms.cell.lengths(), expected.atoms.cell.lengths(), rtol=5e-3
        )


def test_a_slot_is_refilled_when_its_relaxation_ends() -> None:
    model = Wells()
    short = [Relax(chain(1, x), fmax=0.1) for x in (0.05, 0.5, 2.0, 0.05, 0.05)]
    run(model, short, in_flight=2)
    lengths = [r.steps + 1 for r in run(Wells(), short)]
    assert sum(model.calls) == sum(lengths)
    # Two at a time until the last one is alone: no call waits for the slowest of its batch.
    assert model.calls.count(2) >= sum(lengths) - max(lengths) - 2


@pytest.mark.seconds
def test_memory_does_not_grow_with_the_number_of_relaxations() -> None:
    def requests() -> Iterator[Relax]:
        for k in range(600):
            yield Relax(chain(1 + k % 20, 0.1 + 0.01 * (k % 50)), cell=k % 3 == 0, steps=3)

    sizes = []
    tracemalloc.start()
    for n, _ in enumerate(run_requests(Wells(edges_per_cpu_batch=100), requests())):
        if n % 100 == 99:
            sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(sizes) == 6
    # What is under way, some ten structures, differs from moment to moment; four hundred kept are 1 MB.
    assert max(sizes[1:]) - min(sizes[1:]) < 3e5, sizes


def test_failures_on_the_way_say_when(argon: Potential) -> None:
    class Blinded(Wells):
        def _one(self, graph: Graph, stress: bool) -> Prediction:
            prediction = super()._one(graph, stress)
            if np.abs(graph.positions).max() < 0.5:
                return replace(prediction, forces=np.full_like(prediction.forces, np.nan))
            return prediction

    good, bad = run_requests(
        Blinded(), [Relax(chain(1, 2.0), fmax=1.5, steps=1), Relax(chain(1, 2.0))]
    )
    assert isinstance(good, Done)
    assert isinstance(bad, Failed)
    assert "steps of relaxation: Al: the model returned values that are not finite" in str(
        bad.error
    )


def test_a_cell_that_runs_away_is_stopped() -> None:
    class Repelling(Wells):
        def _one(self, graph: Graph, stress: bool) -> Prediction:
            prediction = super()._one(graph, stress)
            return replace(prediction, stress=-10 * np.eye(3))

    (outcome,) = run_requests(Repelling(), [Relax(chain(1), cell=True)])
    assert isinstance(outcome, Failed)
    assert "the cell changed by a factor of 2" in str(outcome.error)


def test_unknown_constraints_are_refused() -> None:
    atoms = chain(2)
    atoms.set_constraint(FixBondLength(0, 1))
    (outcome,) = run_requests(Wells(), [Relax(atoms)])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StructureError)
    assert "FixBondLength" in str(outcome.error)
    assert "FixCartesian can" in str(outcome.error)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"fmax": 0.0}, "fmax is 0.0"),
        ({"fmax": float("nan")}, "fmax is nan"),
        ({"steps": -1}, "steps is -1"),
        ({"pressure": 0.1}, "set cell=True"),
        ({"cell": np.ones((2, 3), dtype=bool)}, "of shape (3, 3)"),
        ({"cell": np.triu(np.ones((3, 3), dtype=bool))}, "must be symmetric"),
        ({"fixed": [True]}, "for 2 atoms it must be (2,) or (2, 3)"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason.replace("(", r"\(").replace(")", r"\)")):
        Relax(chain(2), **options)


def test_the_start_is_not_changed(chgnet: ChgnetPotential) -> None:
    atoms = sheared(bulk("Si", "diamond", a=5.5))
    before = atoms.copy()
    (result,) = run(chgnet, [Relax(atoms, cell=True, steps=5)])
    assert atoms == before
    assert result.atoms != before
    assert isinstance(result.atoms, Atoms)
    assert result.atoms.calc is None
