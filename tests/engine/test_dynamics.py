from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.md.langevin import Langevin as LangevinOfASE

from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.engine.dynamics import Langevin, Trajectory
from umlip_bench.engine.independent import run_requests
from umlip_bench.engine.prediction import predict
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Request, Static
from umlip_bench.engine.scheduler import Failed
from umlip_bench.ground.errors import StructureError
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.loading import potential
from umlip_bench.potentials.protocol import Potential

from ..conftest import LoadModel
from ..support.measuring import run
from ..support.potentials import Fussy, Wells
from ..support.structures import chain

SAME = 1e-8
"""Å, eV, eV/Å: float64 results that differ by no more are the same steps."""

Answer = Trajectory | Relaxed | Prediction
"""To a request of the pool."""

STANDARD_ERRORS = 4
"""Deviations from the mean that chance is granted; the seeds are fixed."""


class Springs(Wells):
    """Every atom in a harmonic well about the origin, E = r²/2."""

    footprint = Footprint(per_atom=1.0, per_edge=0.0, per_angle=0.0)


class IdealGas(Springs):
    """No forces at all."""

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        return Prediction(0.0, np.zeros_like(graph.positions), None, None)


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel) -> ChgnetPotential:
    model = load_model("chgnet-0.3.0", dtype="float64")
    assert isinstance(model, ChgnetPotential)
    return model


@pytest.fixture(scope="module")
def argon() -> Potential:
    return potential("ase:ase.calculators.lj:LennardJones", device="cpu")


def at_origin(n: int, symbol: str = "Al") -> Atoms:
    """Atoms that do not interact, all in one place."""
    return Atoms([symbol] * n, np.zeros((n, 3)), cell=[20.0] * 3, pbc=True)


def salt(seed: int = 0) -> Atoms:
    atoms = bulk("NaCl", "rocksalt", a=5.6)
    atoms.rattle(0.05, seed=seed)
    return atoms


def crystal(seed: int = 0) -> Atoms:
    atoms = bulk("Ar", "fcc", a=1.6, cubic=True)  # of Lennard-Jones units: 1 eV and 1 Å
    atoms.rattle(0.03, seed=seed)
    return atoms


def path_of_ase(model: Potential, request: Langevin) -> list[tuple[Atoms, float, float]]:
    """Atoms at every step, with their energies and temperatures."""
    atoms = request.atoms.copy()
    atoms.calc = PotentialCalculator(model)
    rng = np.random.default_rng(request.seed)
    if not atoms.has("momenta"):
        masses = atoms.get_masses()[:, None]
        spread = np.sqrt(masses * units.kB * request.temperature)
        atoms.set_momenta(rng.standard_normal((len(atoms), 3)) * spread)
        if not atoms.constraints:
            drift = atoms.get_momenta().sum(axis=0) / masses.sum()
            atoms.set_momenta(atoms.get_momenta() - masses * drift)
    dynamics = LangevinOfASE(
        atoms,
        request.timestep * units.fs,
        temperature_K=request.temperature,
        friction=request.friction / units.fs,
        fixcm=False,
        rng=rng,
    )
    path = []
    dynamics.attach(
        lambda: path.append((atoms.copy(), atoms.get_potential_energy(), atoms.get_temperature()))
    )
    dynamics.run(request.steps)
    return path


def with_momenta(atoms: Atoms) -> Atoms:
    atoms.set_momenta(np.random.default_rng(7).standard_normal((len(atoms), 3)))
    return atoms


def partly_fixed(atoms: Atoms) -> Atoms:
    atoms.set_constraint([FixAtoms([0]), FixCartesian([2], (True, False, False))])
    return atoms


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("atoms", "steps"),
    [(crystal(), 150), (with_momenta(crystal()), 60), (partly_fixed(crystal()), 60)],
)
def test_trajectories_take_the_steps_of_ase(argon: Potential, atoms: Atoms, steps: int) -> None:
    request = Langevin(atoms, 400.0, steps, seed=3, every=1, timestep=2.0, friction=0.02)
    assert_same_trajectory(argon, request)


def test_trajectories_take_the_steps_of_ase_chgnet(chgnet: ChgnetPotential) -> None:
    assert_same_trajectory(chgnet, Langevin(salt(), 600.0, 25, seed=5, every=1))


def assert_same_trajectory(model: Potential, request: Langevin) -> None:
    (result,) = run(model, [request])
    path = path_of_ase(model, request)
    assert len(result.frames) == len(path) == request.steps + 1
    for k, (atoms, energy, temperature) in enumerate(path):
        frame = result.frames[k]
        np.testing.assert_allclose(frame.positions, atoms.positions, atol=SAME)
        np.testing.assert_allclose(frame.get_velocities(), atoms.get_velocities(), atol=SAME)
        assert result.energies[k] == pytest.approx(energy, abs=SAME)
        assert result.temperatures[k] == pytest.approx(temperature, abs=1e-5)
        assert frame.get_temperature() == pytest.approx(temperature, abs=1e-5)
    moved = result.frames[-1].positions - request.atoms.positions
    assert np.abs(moved).max() > 0.05


def test_fixed_atoms_and_components_stay(argon: Potential) -> None:
    fixed = np.zeros((4, 3), dtype=bool)
    fixed[0], fixed[2, 0] = True, True
    options: dict[str, Any] = {"temperature": 400.0, "steps": 20, "seed": 3, "every": 1}
    by_constraint, by_mask = run(
        argon,
        [
            Langevin(partly_fixed(crystal()), **options),
            Langevin(crystal(), fixed=fixed, **options),
        ],
    )
    start = crystal().positions
    for a, b in zip(by_constraint.frames, by_mask.frames, strict=True):
        np.testing.assert_allclose(a.positions, b.positions, atol=SAME)
        np.testing.assert_array_equal(b.positions[fixed], start[fixed])
        np.testing.assert_array_equal(b.get_velocities()[fixed], 0)
    np.testing.assert_allclose(by_constraint.temperatures, by_mask.temperatures)
    # Four atoms less four components.
    kinetic = by_mask.frames[-1].get_kinetic_energy()
    assert by_mask.temperatures[-1] == pytest.approx(2 * kinetic / (8 * units.kB))


def test_the_start_is_thermal_with_the_centre_of_mass_at_rest() -> None:
    n = 5000
    atoms = at_origin(n)
    atoms.symbols[: n // 2] = "H"
    start, kept = run(
        IdealGas(),
        [
            Langevin(atoms, 300.0, 0, seed=1),
            Langevin(with_momenta(atoms.copy()), 300.0, 0, seed=1),
        ],
    )
    np.testing.assert_allclose(start.frames[0].get_momenta().sum(axis=0), 0, atol=1e-9)
    error = 300 * np.sqrt(2 / (3 * n))
    assert start.temperatures[0] == pytest.approx(300, abs=STANDARD_ERRORS * error)
    for half in (slice(0, n // 2), slice(n // 2, n)):  # light and heavy atoms alike
        temperature = start.frames[0][half].get_temperature()
        assert temperature == pytest.approx(300, abs=STANDARD_ERRORS * error * np.sqrt(2))
    np.testing.assert_allclose(
        kept.frames[0].get_momenta(), with_momenta(atoms.copy()).get_momenta(), atol=1e-12
    )


def standard_error(n_components: int, n_steps: int, correlated_steps: float) -> float:
    """Relative, of the mean of a sum of squares of normal variables along a trajectory.

    A χ² distribution of n degrees of freedom has the relative variance 2/n; successive values count
    once in twice the time in which they decorrelate.
    """
    return np.sqrt(2 / (n_components * n_steps / correlated_steps))


@pytest.mark.seconds
@pytest.mark.parametrize("fixed", [None, np.array([True] * 40 + [False] * 60)])
def test_an_ideal_gas_has_the_temperature_of_the_thermostat(fixed: np.ndarray | None) -> None:
    # Kinetic energies decorrelate as exp(-2 γ t): twice 1/(2 γ) is 10 steps of 2 fs.
    options: dict[str, Any] = {
        "timestep": 2.0,
        "friction": 0.05,
        "every": 1,
        "discard": 100,
        "fixed": fixed,
    }
    results = run(
        IdealGas(), [Langevin(at_origin(100), 300.0, 1500, seed=k, **options) for k in range(3)]
    )
    temperatures = np.array([result.temperatures for result in results])
    free = 300 if fixed is None else 180
    error = 300 * standard_error(free, 3 * 1400, correlated_steps=10)
    assert error < 2
    assert temperatures.mean() == pytest.approx(300, abs=STANDARD_ERRORS * error)
    # Canonical in its distribution too; 420 independent values give the spread to 3.5 %.
    assert temperatures.std() == pytest.approx(300 * np.sqrt(2 / free), rel=0.14)


@pytest.mark.seconds
def test_harmonic_wells_share_the_energy_equally() -> None:
    # Energies decorrelate as exp(-γ t) at this friction: twice 1/γ is 20 steps of 5 fs.
    n, temperature = 80, 500.0
    options: dict[str, Any] = {"timestep": 5.0, "friction": 0.02, "every": 1, "discard": 300}
    results = run(
        Springs(), [Langevin(at_origin(n), temperature, 2300, seed=k, **options) for k in range(4)]
    )
    error = standard_error(3 * n, 4 * 2000, correlated_steps=20)
    assert error < 0.006
    expected = 1.5 * n * units.kB * temperature
    energies = np.concatenate([result.energies for result in results])
    assert energies.mean() == pytest.approx(expected, rel=STANDARD_ERRORS * error)
    temperatures = np.concatenate([result.temperatures for result in results])
    assert temperatures.mean() == pytest.approx(temperature, rel=STANDARD_ERRORS * error)
    # 400 independent values give the spread to 3.5 %.
    assert energies.std() == pytest.approx(expected * np.sqrt(2 / (3 * n)), rel=0.14)


@pytest.mark.seconds
def test_without_friction_the_energy_is_conserved(argon: Potential) -> None:
    def fluctuation(timestep: float, steps: int) -> float:
        options: dict[str, Any] = {"timestep": timestep, "friction": 0.0, "every": 1}
        (result,) = run(argon, [Langevin(crystal(), 300.0, steps, seed=1, **options)])
        kinetic = [frame.get_kinetic_energy() for frame in result.frames]
        return np.ptp(result.energies + kinetic) / np.ptp(kinetic)

    # Of second order in the time step.
    assert fluctuation(0.5, 100) < 0.01
    assert fluctuation(0.25, 200) == pytest.approx(fluctuation(0.5, 100) / 4, rel=0.2)


@pytest.mark.seconds
def test_at_zero_temperature_a_structure_comes_to_rest() -> None:
    (result,) = run(Springs(), [Langevin(chain(2, 0.2), 0.0, 3000, seed=1, friction=0.05)])
    assert result.temperatures[-1] < 1e-3
    np.testing.assert_allclose(result.frames[-1].positions, 0, atol=1e-3)


def pool() -> list[Request]:
    requests: list[Request] = [Langevin(salt(k), 500.0, 6, seed=k, every=2) for k in range(3)]
    requests += [Langevin(bulk("Al"), 300.0, 4, seed=9), Langevin(bulk("Si"), 900.0, 5, seed=9)]
    requests += [Relax(salt(4), cell=True, steps=3), Static(salt(5))]
    return requests


@pytest.fixture(scope="module")
def alone(chgnet: ChgnetPotential) -> list[Answer]:
    return [run(chgnet, [request])[0] for request in pool()]


def assert_same(found: Answer, expected: Answer) -> None:
    np.testing.assert_allclose(found.forces, expected.forces, atol=SAME)
    if isinstance(expected, Trajectory):
        assert isinstance(found, Trajectory)
        np.testing.assert_allclose(found.energies, expected.energies, atol=SAME)
        for a, b in zip(found.frames, expected.frames, strict=True):
            np.testing.assert_allclose(a.positions, b.positions, atol=SAME)
            np.testing.assert_allclose(a.get_velocities(), b.get_velocities(), atol=SAME)


@pytest.mark.parametrize(
    ("in_flight", "capacity", "order"),
    [(1, 64, 1), (7, 64, 1), (64, 64, -1), (64, 3, -1)],
)
def test_trajectories_do_not_depend_on_the_batch(
    chgnet: ChgnetPotential, alone: list[Answer], in_flight: int, capacity: int, order: int
) -> None:
    model = Fussy.of(chgnet, capacity, 10**9)
    found = run(model, pool()[::order], in_flight=in_flight)
    for a, b in zip(found, alone[::order], strict=True):
        assert_same(a, b)
    if capacity < 64:
        assert max(model.calls) > capacity >= model.calls[-1]


@pytest.mark.parametrize("structures", [1, 7, 64])
def test_trajectories_do_not_depend_on_the_batch_exactly(structures: int) -> None:
    def requests() -> list[Langevin]:
        return [Langevin(chain(2, 0.1 * k), 300.0, 10 + k, seed=k % 3, every=3) for k in range(9)]

    expected = [run(Springs(), [request])[0] for request in requests()]
    for order in (1, -1):
        found = run(Springs(2 * structures), requests()[::order])[::order]
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_array_equal(a.energies, b.energies)
            for x, y in zip(a.frames, b.frames, strict=True):
                np.testing.assert_array_equal(x.get_momenta(), y.get_momenta())


def test_energies_and_forces_belong_to_the_frames(
    chgnet: ChgnetPotential, alone: list[Answer]
) -> None:
    for result in alone[:5]:
        assert isinstance(result, Trajectory)
        for k, fresh in enumerate(predict(chgnet, list(result.frames))):
            assert abs(fresh.energy - result.energies[k]) < SAME
            np.testing.assert_allclose(fresh.forces, result.forces[k], atol=SAME)
            assert result.frames[k].get_temperature() == pytest.approx(result.temperatures[k])


def test_seeds_decide() -> None:
    a, b, c = run(Springs(), [Langevin(chain(2), 300.0, 5, seed=k) for k in (1, 1, 2)])
    np.testing.assert_array_equal(a.energies, b.energies)
    assert a.frames[0].get_momenta().tolist() != c.frames[0].get_momenta().tolist()


@pytest.mark.parametrize(
    ("steps", "discard", "every", "at"),
    [(10, 0, 5, [0, 5, 10]), (10, 3, 3, [3, 6, 9]), (10, 10, 4, [10]), (0, 0, 10, [0])],
)
def test_frames_are_kept_at_the_steps_asked_for(
    steps: int, discard: int, every: int, at: list[int]
) -> None:
    start = chain(2, 0.3)
    options: dict[str, Any] = {"timestep": 0.5, "seed": 1}
    model = Springs()
    (result,) = run(model, [Langevin(start, 300.0, steps, discard=discard, every=every, **options)])
    assert len(model.calls) == steps + 1
    (full,) = run(Springs(), [Langevin(start, 300.0, steps, every=1, **options)])
    np.testing.assert_array_equal(result.times, 0.5 * np.array(at))
    np.testing.assert_array_equal(result.energies, full.energies[at])
    np.testing.assert_array_equal(result.forces, full.forces[at])
    for k, frame in zip(at, result.frames, strict=True):
        np.testing.assert_array_equal(frame.positions, full.frames[k].positions)
    assert start == chain(2, 0.3)
    assert not start.has("momenta")


def failure(model: Potential, request: Langevin) -> str:
    (outcome,) = run_requests(model, [request])
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StructureError)
    return str(outcome.error)


def test_a_time_step_that_is_too_long_is_noticed(argon: Potential) -> None:
    message = failure(argon, Langevin(crystal(), 300.0, 500, seed=1, timestep=60.0))
    assert "steps of dynamics atom" in message
    assert "Shorten the time step of 60 fs" in message
    assert "after 500 steps" not in message


def test_atoms_almost_in_one_place_are_noticed(argon: Potential) -> None:
    atoms = crystal()
    atoms.positions[1] = atoms.positions[0] + [0.3, 0, 0]
    assert "after 0 steps of dynamics atom" in failure(argon, Langevin(atoms, 300.0, 50, seed=1))
    atoms.positions[1] = atoms.positions[0]
    assert "after 0 steps of dynamics: Ar4" in failure(argon, Langevin(atoms, 300.0, 50, seed=1))


def test_forces_that_are_not_finite_are_noticed() -> None:
    class Blinded(Springs):
        def _one(self, graph: Graph, stress: bool) -> Prediction:
            prediction = super()._one(graph, stress)
            if graph.positions[0, 0] < 0.1:
                return replace(prediction, forces=np.full_like(prediction.forces, np.nan))
            return prediction

    message = failure(Blinded(), Langevin(chain(1, 0.3), 10.0, 500, seed=1))
    assert "steps of dynamics: Al: the model returned values that are not finite" in message
    assert "after 0 steps" not in message


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda a: a.set_constraint(FixBondLength(0, 1)), "FixBondLength"),
        (lambda a: a.set_constraint(FixAtoms([0, 1])), "all atoms are fixed"),
        (lambda a: a.set_masses([1.0, 0.0]), r"mass of atom 1 \(Al\) is 0.0"),
    ],
)
def test_structures_that_cannot_be_moved(spoil: Callable[[Atoms], object], reason: str) -> None:
    atoms = chain(2)
    spoil(atoms)
    with pytest.raises(StructureError, match=reason):
        raise StructureError(failure(Springs(), Langevin(atoms, 300.0, 5, seed=1)))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"temperature": -1.0}, "temperature is -1.0 K"),
        ({"temperature": np.nan}, "temperature is nan K"),
        ({"timestep": 0.0}, "timestep is 0.0 fs"),
        ({"friction": -0.1}, "friction is -0.1 1/fs"),
        ({"friction": 2.0}, "friction is 2.0 1/fs"),
        ({"discard": 11}, "discard is 11 of 10 steps"),
        ({"steps": -1}, "discard is 0 of -1 steps"),
        ({"every": 0}, "every is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"fixed": np.zeros(3, dtype=bool)}, "fixed has shape"),
    ],
)
def test_arguments(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Langevin(chain(2), **{"temperature": 300.0, "steps": 10, "seed": 1} | options)
