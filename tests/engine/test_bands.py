from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength, FixCartesian
from ase.mep import NEB
from ase.optimize import FIRE

from umlip_bench.engine.bands import ApproxBand, ApproxBandResult, Band, BandResult
from umlip_bench.engine.calculator import PotentialCalculator
from umlip_bench.engine.dynamics import Langevin, Trajectory
from umlip_bench.engine.independent import run_requests
from umlip_bench.engine.prediction import predict
from umlip_bench.engine.relaxation import Relax, Relaxed
from umlip_bench.engine.requests import Request, Static, Task
from umlip_bench.engine.scheduler import Done, Failed, run_tasks
from umlip_bench.ground.errors import StructureError
from umlip_bench.potentials.adapters.chgnet import ChgnetPotential
from umlip_bench.potentials.graph import Footprint, Graph, Prediction
from umlip_bench.potentials.loading import potential
from umlip_bench.potentials.protocol import Potential

from ..conftest import LoadModel
from ..support.measuring import result_of, run
from ..support.potentials import Fussy, Wells
from ..support.structures import chain

SAME = 1e-8
"""Å, eV, eV/Å: float64 results that differ by no more are the same steps."""

Answer = BandResult | ApproxBandResult | Relaxed | Trajectory | Prediction
"""To a request of the pools."""

EDGE = 12.0
"""Å, of the cubic cell of `TwoWells`."""

WELL = 1.5
HOMES = np.array([[0.0, 0.0, 0.0], [0.0, 2.5, 0.0], [0.0, 0.0, 6.0]])


class TwoWells(Wells):
    """A hop with a known barrier: V(x) = h ((x/a)² - 1)² + s x along a curved valley.

    Of three atoms the first hops between x = -a and a about the corner of the cell, bending towards
    y; the second makes way for it; the third, far away, sits in a well. All periodic.
    """

    footprint = Footprint(per_atom=1.0, per_edge=0.0, per_angle=0.0)
    height, slope, bend, stiffness = 0.5, 0.1, 0.6, 3.0
    way = 0.5  # Å that the second atom goes aside while the first is half-way

    @classmethod
    @cache
    def along_x(cls) -> np.polynomial.Polynomial:
        """V as a polynomial."""
        h, a = cls.height, WELL
        return np.polynomial.Polynomial([h, cls.slope, -2 * h / a**2, 0, h / a**4])

    @classmethod
    @cache
    def slope_along_x(cls) -> np.polynomial.Polynomial:
        """Its derivative."""
        return cls.along_x().deriv()

    @classmethod
    def stationary(cls) -> np.ndarray:
        """x of the first minimum, the saddle point and the second minimum."""
        return np.sort(cls.slope_along_x().roots().real)

    def _one(self, graph: Graph, stress: bool) -> Prediction:
        away = graph.positions - HOMES
        away -= EDGE * np.round(away / EDGE)
        x = away[0, 0]
        valley = 1 - (x / WELL) ** 2
        from_valley = away.copy()
        from_valley[0] -= [x, self.bend * valley, 0]
        from_valley[1] -= [0, self.way * valley, 0.2 * x]
        k = self.stiffness
        forces = -k * from_valley
        turn = -2 * x / WELL**2
        pull = self.bend * turn * from_valley[0, 1] + self.way * turn * from_valley[1, 1]
        forces[0, 0] = -self.slope_along_x()(x) + k * (pull + 0.2 * from_valley[1, 2])
        energy = self.along_x()(x) + 0.5 * k * (from_valley**2).sum()
        return Prediction(float(energy), forces, np.zeros((3, 3)) if stress else None, None)


def hop(
    n: int = 7,
    seed: int | None = None,
    wrap: bool = False,
    x: Sequence[float] | np.ndarray | None = None,
) -> list[Atoms]:
    """A straight path between the minima of `TwoWells`, or through the given places of the hopping atom."""
    if x is None:
        left, _, right = TwoWells.stationary()
        x = np.linspace(left, right, n)
    images = []
    for k, place in enumerate(x):
        atoms = Atoms("LiOAl", HOMES, cell=[EDGE] * 3, pbc=True)
        atoms.positions[0, 0] = place
        if k in (0, len(x) - 1):
            valley = 1 - (place / WELL) ** 2
            atoms.positions[0, 1] += TwoWells.bend * valley
            atoms.positions[1] += [0, 0.5 * valley, 0.2 * place]
        elif seed is not None:
            atoms.rattle(0.1, seed=seed + k)
        if wrap:
            atoms.wrap()
        images.append(atoms)
    return images


def barriers() -> tuple[float, float]:
    left, top, right = TwoWells.along_x()(TwoWells.stationary())
    return top - left, top - right


@pytest.fixture(scope="module")
def chgnet(load_model: LoadModel) -> ChgnetPotential:
    model = load_model("chgnet-0.3.0", dtype="float64")
    assert isinstance(model, ChgnetPotential)
    return model


@pytest.fixture(scope="module")
def emt() -> Potential:
    return potential("ase:ase.calculators.emt:EMT", device="cpu")


def vacancy_hop(host: Atoms, n: int, seed: int = 1) -> tuple[list[Atoms], int]:
    """An atom moves into a vacancy next to it; not a straight line, one image wrapped."""
    first = host.copy()
    lengths = first.get_distances(0, range(1, len(first)), mic=True)
    mover = int(np.argmin(lengths))  # among those that are left
    vacant = first.positions[0].copy()
    del first[0]
    last = first.copy()
    last.positions[mover] = vacant
    images = [first, *(first.copy() for _ in range(n - 2)), last]
    NEB(images, method="improvedtangent").interpolate(mic=True)
    for k, image in enumerate(images[1:-1], start=1):
        image.rattle(0.03, seed=seed + k)
    images[1].wrap()
    return images, mover


def lithium_hop() -> list[Atoms]:
    # The cell is so small that shortest ways need more than one guess.
    return vacancy_hop(bulk("Li", "bcc", a=3.44, cubic=True).repeat((2, 2, 1)), 5)[0]


def path_of(model: Potential, request: Band) -> tuple[list[np.ndarray], BandResult]:
    """Positions of all images at every step of a band, and its result."""
    path: list[np.ndarray] = []

    def spy() -> Task[BandResult]:
        task: Generator[list[Static], Any, BandResult] = request.task()
        answer = None
        while True:
            try:
                asked = task.send(answer)
            except StopIteration as stop:
                return stop.value
            if path:
                assert len(asked) == len(request.images) - 2  # the end points are known
                places = [path[0][0], *(s.atoms.positions.copy() for s in asked), path[0][-1]]
            else:
                places = [s.atoms.positions.copy() for s in asked]
            path.append(np.array(places))
            answer = yield asked

    (outcome,) = run_tasks(model, [("a", spy())])
    return path, result_of(outcome)


def band_of_ase(
    calculator: Callable[[], Calculator],
    images: list[Atoms],
    *,
    climb: bool,
    fmax: float,
    steps: int = 500,
) -> tuple[list[np.ndarray], list[Atoms], bool]:
    images = [image.copy() for image in images]
    for image in images:
        image.calc = calculator()
    neb = NEB(
        images, k=0.1, climb=climb, method="improvedtangent", remove_rotation_and_translation=False
    )
    path = []
    optimiser = FIRE(neb, logfile=None)
    optimiser.attach(lambda: path.append(np.array([image.positions for image in images])))
    converged = optimiser.run(fmax=fmax, steps=steps)
    return path, images, converged


def assert_same_band(
    model_path: list[np.ndarray],
    result: BandResult,
    ase_path: list[np.ndarray],
    ase_images: list[Atoms],
) -> None:
    assert len(model_path) == len(ase_path) == result.steps + 1
    for ours, theirs in zip(model_path, ase_path, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=SAME)
    energies = [image.get_potential_energy() for image in ase_images]
    np.testing.assert_allclose(result.energies, energies, atol=SAME)


@pytest.mark.parametrize("climb", [False, True])
def test_bands_take_the_steps_of_ase(chgnet: ChgnetPotential, climb: bool) -> None:
    images = lithium_hop()
    ours, result = path_of(chgnet, Band(images, climb=climb, fmax=0.01, steps=8))
    theirs, final, _ = band_of_ase(
        lambda: PotentialCalculator(chgnet), images, climb=climb, fmax=0.01, steps=8
    )
    assert result.steps == 8
    assert_same_band(ours, result, theirs, final)


@pytest.mark.seconds
def test_bands_converge_with_ase_and_have_its_barrier(emt: Potential) -> None:
    host = bulk("Cu", cubic=True).repeat((2, 2, 2))
    images, _ = vacancy_hop(host, 5)
    ours, result = path_of(emt, Band(images, fmax=0.05))
    theirs, final, converged = band_of_ase(EMT, images, climb=True, fmax=0.05)
    assert result.converged
    assert converged
    assert result.steps > 10
    assert result.fmax < 0.05
    assert_same_band(ours, result, theirs, final)
    energies = np.array([image.get_potential_energy() for image in final])
    assert result.forward_barrier == pytest.approx(max(energies) - energies[0], abs=SAME)
    assert result.backward_barrier == pytest.approx(max(energies) - energies[-1], abs=SAME)
    assert 0.6 < result.forward_barrier < 1.2


@pytest.mark.seconds
def test_fixed_atoms_and_components_stay_as_in_ase(emt: Potential) -> None:
    images, _ = vacancy_hop(bulk("Al", cubic=True).repeat((2, 2, 1)), 4)
    for image in images:
        image.positions[[9, 11]] = images[0].positions[[9, 11]]
    fixed = np.zeros((len(images[0]), 3), dtype=bool)
    fixed[9], fixed[11, 2] = True, True
    constrained = [image.copy() for image in images]
    for image in constrained:
        image.set_constraint([FixAtoms([9]), FixCartesian([11], (False, False, True))])
    theirs, final, _ = band_of_ase(EMT, constrained, climb=True, fmax=0.05, steps=12)
    for request in (
        Band(images, fixed=fixed, fmax=0.05, steps=12),
        Band(constrained, fmax=0.05, steps=12),
    ):
        ours, result = path_of(emt, request)
        assert_same_band(ours, result, theirs, final)
        for image in result.images:
            np.testing.assert_array_equal(image.positions[9], images[0].positions[9])


def test_fixed_atoms_that_differ_by_rounding_stay_where_they_are() -> None:
    images = hop(5)
    for k, image in enumerate(images):
        image.positions[2] += 2e-4 * k
    fixed = np.array([False, False, True])
    (result,) = run(TwoWells(), [Band(images, fixed=fixed, steps=5)])
    for given, image in zip(images, result.images, strict=True):
        np.testing.assert_array_equal(image.positions[2], given.positions[2])


def test_forces_on_fixed_atoms_are_the_models() -> None:
    fixed = np.array([False, False, True])
    images = hop(seed=2)
    for image in images:
        image.positions[2] = HOMES[2] + 0.2
    (result,) = run(TwoWells(), [Band(images, fixed=fixed, steps=3)])
    assert np.abs(result.forces[:, 2]).min() > 0.5
    for k, fresh in enumerate(predict(TwoWells(), list(result.images))):
        np.testing.assert_array_equal(fresh.forces, result.forces[k])


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize("n", [5, 8])
def test_a_climbing_band_finds_a_known_saddle_point(n: int, wrap: bool) -> None:
    (result,) = run(TwoWells(), [Band(hop(n, seed=3, wrap=wrap), fmax=0.01, steps=2000)])
    assert result.converged
    forward, backward = barriers()
    assert result.forward_barrier == pytest.approx(forward, abs=1e-4)
    assert result.backward_barrier == pytest.approx(backward, abs=1e-4)
    assert result.kinetically_resolved_barrier == pytest.approx((forward + backward) / 2, abs=1e-4)
    x = result.images[result.saddle].positions[0, 0]
    assert x - EDGE * round(x / EDGE) == pytest.approx(TwoWells.stationary()[1], abs=0.02)
    # The force along the path vanishes there and at the minima, and is minus the slope elsewhere.
    np.testing.assert_allclose(result.tangential_forces[[0, result.saddle, -1]], 0, atol=0.02)
    assert (result.tangential_forces[1 : result.saddle] < 0).all()
    assert (result.tangential_forces[result.saddle + 1 : -1] > 0).all()
    work = np.trapezoid(result.tangential_forces, result.distances)
    assert -work == pytest.approx(result.energies[-1] - result.energies[0], abs=0.1)


def test_wrapping_changes_nothing() -> None:
    plain, wrapped = run(TwoWells(), [Band(hop(seed=3)), Band(hop(seed=3, wrap=True))])
    assert plain.steps == wrapped.steps
    np.testing.assert_allclose(plain.energies, wrapped.energies, atol=SAME)
    np.testing.assert_allclose(plain.distances, wrapped.distances, atol=SAME)
    moved = [w.positions - p.positions for p, w in zip(plain.images, wrapped.images, strict=True)]
    cells = np.array(moved) / EDGE
    np.testing.assert_allclose(cells, np.round(cells), atol=SAME)
    assert np.abs(cells).max() > 0.5


def test_without_climbing_the_band_stays_below_the_saddle_point() -> None:
    (result,) = run(TwoWells(), [Band(hop(6), climb=False, fmax=0.002, steps=2000)])
    assert result.converged
    assert barriers()[0] - 0.2 < result.forward_barrier < barriers()[0] - 1e-3
    # Springs space the images evenly.
    assert np.ptp(np.diff(result.distances)) < 0.05


def test_settling_before_climbing() -> None:
    def measure(images: list[Atoms]) -> Task[float]:
        settled = yield Band(images, climb=False, fmax=0.1)
        result = yield Band(settled.images, fmax=0.01, steps=1000)
        return result.forward_barrier

    (outcome,) = run_tasks(TwoWells(), [("a", measure(hop(seed=9)))])
    assert result_of(outcome) == pytest.approx(barriers()[0], abs=1e-4)


def test_a_barrierless_path() -> None:
    class Downhill(TwoWells):
        slope = -1.5

    images = hop(5, x=np.linspace(-1, 1, 5))
    (result,) = run(Downhill(), [Band(images, climb=False, steps=5)])
    assert result.saddle == 0
    assert result.forward_barrier == 0
    assert result.backward_barrier > 0


def toy_pool() -> list[Request]:
    requests: list[Request] = [Band(hop(n, seed=n), fmax=0.03) for n in (3, 5, 7, 9)]
    requests += [Band(hop(6, seed=1), climb=False), Band(hop(5), steps=3)]
    requests += [ApproxBand(hop(n, seed=n), moving=0) for n in (3, 5)]
    requests += [Relax(hop(seed=2)[k], fmax=0.01) for k in (1, 3)]
    requests += [Langevin(hop()[0], 200.0, 40, seed=4), Static(hop()[2])]
    return requests


def numbers(result: Answer) -> np.ndarray:
    """All that a request of the pools answered, as one array."""
    if isinstance(result, Prediction):
        return np.append(result.forces, result.energy)
    energies: float | np.ndarray
    if isinstance(result, Relaxed):
        atoms, energies = (result.atoms,), result.energy
    else:
        atoms = result.frames if isinstance(result, Trajectory) else result.images
        energies = result.energies
    places = np.array([a.positions for a in atoms])
    steps = 0 if isinstance(result, Trajectory) else result.steps
    return np.concatenate([np.ravel(x) for x in (places, energies, result.forces, steps)])


@pytest.fixture(scope="module")
def toy_alone() -> list[np.ndarray]:
    return [numbers(run(TwoWells(), [request])[0]) for request in toy_pool()]


@pytest.mark.seconds
@pytest.mark.parametrize(
    ("structures", "capacity", "in_flight"),
    [
        (1, 10**9, 1024),
        (7, 10**9, 1024),
        (64, 10**9, 3),
        (64, 10**9, 1024),
        (64, 10, 1024),
        (64, 64, 1024),
    ],
)
def test_results_do_not_depend_on_the_batch(
    toy_alone: list[np.ndarray], structures: int, capacity: int, in_flight: int
) -> None:
    model = TwoWells(3 * structures, capacity)
    found = [numbers(r) for r in run(model, toy_pool()[::-1], in_flight=in_flight)][::-1]
    for a, b in zip(found, toy_alone, strict=True):
        np.testing.assert_array_equal(a, b)
    if capacity == 10**9:
        assert max(model.calls) == structures or structures == 64
    else:
        assert 3 * max(model.calls) > capacity >= 3 * model.calls[-1]


def pool() -> list[Request]:
    images = lithium_hop()
    salt = bulk("NaCl", "rocksalt", a=5.6)
    salt.rattle(0.05, seed=0)
    return [
        Band(images, steps=2),
        Band(images[::-1], climb=False, steps=1),
        ApproxBand([images[0], images[2], images[-1]], moving=moving_of(images), steps=2),
        Relax(salt, cell=True, steps=4),
        Langevin(salt, 300.0, 5, seed=1, every=1),
    ]


def moving_of(images: list[Atoms]) -> int:
    moved = images[-1].positions - images[0].positions
    moved -= images[0].cell.cartesian_positions(np.round(images[0].cell.scaled_positions(moved)))
    return int(np.argmax(np.linalg.norm(moved, axis=1)))


@pytest.mark.parametrize(("in_flight", "capacity"), [(1, 64), (7, 64), (64, 64), (64, 3)])
def test_results_do_not_depend_on_the_batch_chgnet(
    chgnet: ChgnetPotential, alone: list[Answer], in_flight: int, capacity: int
) -> None:
    model = Fussy.of(chgnet, capacity, 10**9)
    found = run(model, pool()[::-1], in_flight=in_flight)[::-1]
    for a, b in zip(found, alone, strict=True):
        np.testing.assert_allclose(numbers(a), numbers(b), atol=SAME)
    assert max(model.calls) >= 3  # at least the images of a band go together


@pytest.fixture(scope="module")
def alone(chgnet: ChgnetPotential) -> list[Answer]:
    return [run(chgnet, [request])[0] for request in pool()]


def test_energies_and_forces_belong_to_the_images(
    chgnet: ChgnetPotential, alone: list[Answer]
) -> None:
    for result in alone[:3]:
        assert isinstance(result, BandResult | ApproxBandResult)
        for k, fresh in enumerate(predict(chgnet, list(result.images))):
            assert abs(fresh.energy - result.energies[k]) < SAME
            np.testing.assert_allclose(fresh.forces, result.forces[k], atol=SAME)


def test_all_images_of_all_paths_share_calls() -> None:
    model = TwoWells()
    run(model, [Band(hop(7), steps=4, fmax=1e-6) for _ in range(3)])
    assert model.calls == [21, 15, 15, 15, 15]
    model = TwoWells()
    run(model, [ApproxBand(hop(7), moving=0, steps=2, fmax=1e-6) for _ in range(3)])
    assert model.calls == [21, 15, 15]  # the end points are minima already


def test_the_structures_given_are_left_alone() -> None:
    images = hop(5, seed=1)
    before = [image.copy() for image in images]
    band, approx = run(TwoWells(), [Band(images), ApproxBand(images, moving=0)])
    assert images == before
    for result in (band, approx):
        assert all(a is not b for a, b in zip(result.images, images, strict=True))
    for k in (0, -1):
        np.testing.assert_array_equal(band.images[k].positions, before[k].positions)


def approx_images() -> list[Atoms]:
    """Images at places that include the saddle point; only the hopping atom has moved."""
    left, top, right = TwoWells.stationary()
    images = hop(x=[left, 0.5 * (left + top), top, 0.5 * (top + right), right])
    for image in images[1:-1]:
        image.positions[0, 1] += TwoWells.bend * (1 - (image.positions[0, 0] / WELL) ** 2)
    return images


@pytest.mark.parametrize("wrap", [False, True])
def test_an_approximate_band_has_the_known_barrier(wrap: bool) -> None:
    images = approx_images()
    if wrap:
        for image in images:
            image.wrap()
    (result,) = run(TwoWells(), [ApproxBand(images, moving=0, fmax=1e-3)])
    forward, backward = barriers()
    assert result.converged.all()
    assert result.saddle == 2
    assert result.forward_barrier == pytest.approx(forward, abs=1e-5)
    assert result.backward_barrier == pytest.approx(backward, abs=1e-5)
    assert result.kinetically_resolved_barrier == pytest.approx((forward + backward) / 2, abs=1e-5)
    assert (result.moving, result.reference) == (0, 2)
    for given, image in zip(images[1:-1], result.images[1:-1], strict=True):
        np.testing.assert_array_equal(image.positions[[0, 2]], given.positions[[0, 2]])
        assert np.abs(image.positions[1] - given.positions[1]).max() > 0.05


def test_fixed_geometry_energies_are_a_band_of_no_steps() -> None:
    images = approx_images()
    unrelaxed, ends_kept, relaxed = run(
        TwoWells(),
        [
            ApproxBand(images, moving=0, steps=0),
            ApproxBand(images, moving=0, relax_ends=False),
            ApproxBand(images, moving=0),
        ],
    )
    energies = [prediction.energy for prediction in predict(TwoWells(), images)]
    np.testing.assert_array_equal(unrelaxed.energies, energies)
    assert (unrelaxed.steps == 0).all()
    assert unrelaxed.converged.tolist() == [True, False, False, False, True]
    assert unrelaxed.forward_barrier > relaxed.forward_barrier + 0.1
    np.testing.assert_array_equal(ends_kept.energies[[0, -1]], [energies[0], energies[-1]])
    np.testing.assert_array_equal(ends_kept.energies[1:-1], relaxed.energies[1:-1])


def test_end_points_that_are_no_minima_are_relaxed_or_flagged() -> None:
    images = hop(x=[-1.2, 0.0, 1.2])
    relaxed, kept = run(
        TwoWells(),
        [
            ApproxBand(images, moving=0, fmax=0.005),
            ApproxBand(images, moving=0, fmax=0.005, relax_ends=False),
        ],
    )
    for k, image in ((0, 0), (-1, 2)):
        assert relaxed.images[k].positions[0, 0] == pytest.approx(
            TwoWells.stationary()[image], abs=0.01
        )
    assert relaxed.converged.all()
    assert not kept.converged[[0, -1]].any()


@pytest.mark.seconds
def test_approximate_bands_relax_as_ase_with_the_atoms_fixed(emt: Potential) -> None:
    images, mover = vacancy_hop(bulk("Cu", cubic=True).repeat((2, 2, 1)), 4)
    (result,) = run(emt, [ApproxBand(images, moving=mover, fmax=0.03)])
    assert result.reference != mover
    for k, image in enumerate(images):
        atoms = image.copy()
        atoms.calc = EMT()
        if k not in (0, 3):
            atoms.set_constraint(FixAtoms([mover, result.reference]))
        optimiser = FIRE(atoms, logfile=None)
        assert optimiser.run(fmax=0.03)
        assert result.converged[k]
        assert result.steps[k] == optimiser.nsteps
        np.testing.assert_allclose(result.images[k].positions, atoms.positions, atol=SAME)
        assert result.energies[k] == pytest.approx(atoms.get_potential_energy(), abs=SAME)


def test_the_reference_may_be_chosen_and_more_be_fixed() -> None:
    images = approx_images()
    fixed = np.array([False, False, True])
    (result,) = run(TwoWells(), [ApproxBand(images, moving=0, reference=1, fixed=fixed)])
    assert result.reference == 1
    for given, image in zip(images[1:-1], result.images[1:-1], strict=True):
        np.testing.assert_array_equal(image.positions, given.positions)


def test_the_reference_is_the_atom_farthest_from_the_whole_path() -> None:
    # Atom 2 is the farthest from the start, but the ion comes near it; atom 3 stays the farthest.
    images = []
    for x in (0.0, 3.0, 6.0):
        places = [[x, 0, 0], [1, 3, 0], [7, 2, 0], [3, 5, 0]]
        images.append(Atoms("LiO3", places, cell=[20.0] * 3, pbc=True))
    (result,) = run(Wells(), [ApproxBand(images, moving=0, steps=0)])
    assert result.reference == 3


def permuted() -> list[Atoms]:
    images = hop()
    images[2] = images[2][[1, 0, 2]]
    return images


def other_cell() -> list[Atoms]:
    images = hop()
    images[3].cell[0, 0] += 0.01
    return images


def coincident() -> list[Atoms]:
    images = hop()
    images[4] = images[3].copy()
    images[4].positions[0, 0] += EDGE
    return images


def not_finite() -> list[Atoms]:
    images = hop()
    images[2].positions[1, 1] = np.nan
    return images


def not_periodic() -> list[Atoms]:
    images = hop()
    images[1].pbc = False
    return images


def unlike_constraints() -> list[Atoms]:
    images = hop()
    images[3].set_constraint(FixAtoms([2]))
    return images


def moving_constraint() -> list[Atoms]:
    images = hop()
    for image in images:
        image.set_constraint(FixAtoms([0]))
    return images


def unknown_constraint() -> list[Atoms]:
    images = hop()
    for image in images:
        image.set_constraint(FixBondLength(0, 1))
    return images


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        (list, "the path has 0 images; it must have at least 3"),
        (lambda: hop()[:2], "the path has 2 images"),
        (permuted, r"image 2 \(AlLiO\) has other atoms than image 0 .* or in another order"),
        (other_cell, r"the cell of image 3 differs from that of image 0 by 0.01 Å"),
        (coincident, r"images 3 and 4 are .* Å apart and must be at least 0.001 Å"),
        (not_finite, "the position of atom 1 is"),
        (not_periodic, "periodicity is FFF"),
        (unlike_constraints, "images 1 and 3 fix different atoms"),
        (moving_constraint, "atom 0 is fixed but moves by"),
        (unknown_constraint, "FixBondLengths? cannot be kept"),
    ],
)
def test_images_that_make_no_path(images: Callable[[], list[Atoms]], reason: str) -> None:
    good, bad = run_requests(TwoWells(), [Band(hop(3)), Band(images())])
    good, bad = sorted((good, bad), key=lambda outcome: outcome.key)
    assert isinstance(good, Done)
    assert isinstance(bad, Failed)
    assert isinstance(bad.error, StructureError)
    with pytest.raises(StructureError, match=reason):
        raise bad.error


@pytest.mark.parametrize(
    ("images", "moving", "reason"),
    [
        (lambda: hop()[:2], 0, "the path has 2 images"),
        (permuted, 0, "has other atoms"),
        (hop, 2, r"atom 2 \(Al\), travels 0 Å along the path, but atom 0 \(Li\)"),
        (lambda: [chain(1, x) for x in (0.0, 1.0, 2.0)], 0, "the moving ion alone"),
    ],
)
def test_images_that_make_no_path_of_the_ion(
    images: Callable[[], list[Atoms]], moving: int, reason: str
) -> None:
    (outcome,) = run_requests(TwoWells(), [ApproxBand(images(), moving=moving)])
    assert isinstance(outcome, Failed)
    with pytest.raises(StructureError, match=reason):
        raise outcome.error


def test_failures_on_the_way_say_when() -> None:
    class Blinded(TwoWells):
        def _one(self, graph: Graph, stress: bool) -> Prediction:
            prediction = super()._one(graph, stress)
            if graph.positions[1, 1] > 2.6 and abs(graph.positions[0, 0]) < 0.5:
                return replace(prediction, forces=np.full_like(prediction.forces, np.nan))
            return prediction

    (outcome,) = run_requests(Blinded(), [Band(hop())])
    assert isinstance(outcome, Failed)
    assert "steps of the band: AlLiO: the model returned values that are not" in str(outcome.error)
    assert "after 0 steps" not in str(outcome.error)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"k": 0.0}, "k is 0.0 eV/Å²"),
        ({"fmax": 0.0}, "fmax is 0.0"),
        ({"steps": -1}, "steps is -1"),
        ({"fixed": np.zeros(2, dtype=bool)}, "fixed has shape"),
    ],
)
def test_arguments_of_a_band(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Band(hop(), **options)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"moving": 3}, "moving is 3; the images have atoms 0 to 2"),
        ({"moving": 0, "reference": -1}, "reference is -1"),
        ({"moving": 0, "reference": 0}, "moving and reference are both 0"),
        ({"moving": 0, "fmax": -1.0}, "fmax is -1.0"),
        ({"moving": 0, "fixed": np.zeros(2, dtype=bool)}, "fixed has shape"),
    ],
)
def test_arguments_of_an_approximate_band(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        ApproxBand(hop(), **options)
