import multiprocessing
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from umlip_bench.engine.prediction import predict
from umlip_bench.engine.requests import Static, Task
from umlip_bench.engine.scheduler import Done, Failed, run_tasks
from umlip_bench.ground.errors import DeviceError, StructureError
from umlip_bench.potentials.graph import Graph, Prediction
from umlip_bench.potentials.loading import potential
from umlip_bench.potentials.protocol import Potential

from ..support.measuring import error_of, result_of
from ..support.potentials import Wells
from ..support.structures import chain, unpreparable

BUDGETS = (1, 3, 7, 4000)
IN_FLIGHT = (1, 2, 5, 1024)


def energy(atoms: Atoms) -> float:
    return predict(Wells(), atoms)[0].energy


def walk(start: Atoms, n_steps: int) -> Task[list[float]]:
    """Follow the forces downhill: what is asked next depends on the last answer."""
    atoms = start.copy()
    path = []
    for _ in range(n_steps):
        prediction = yield Static(atoms.copy(), stress=n_steps % 2 == 0)
        assert (prediction.stress is not None) == (n_steps % 2 == 0)
        path.append(prediction.energy)
        atoms.positions += 0.3 * prediction.forces
    pair = yield [Static(start), Static(atoms.copy())]
    return [*path, *(p.energy for p in pair)]


def outcomes(
    model: Potential, tasks: Iterable[tuple[Any, Task[Any]]], **options: Any
) -> dict[Any, Done[Any, Any] | Failed[Any]]:
    return {outcome.key: outcome for outcome in run_tasks(model, tasks, **options)}


def walks() -> list[tuple[int, Task[list[float]]]]:
    return [(k, walk(chain(1 + k % 4, 0.1 * k), k % 5)) for k in range(17)]


def results(
    model: Potential, tasks: Iterable[tuple[Any, Task[Any]]], **options: int
) -> dict[Any, Any]:
    return {key: result_of(outcome) for key, outcome in outcomes(model, tasks, **options).items()}


@pytest.mark.seconds
@pytest.mark.parametrize("in_flight", IN_FLIGHT)
@pytest.mark.parametrize("budget", BUDGETS)
def test_results_do_not_depend_on_how_calls_are_filled(budget: int, in_flight: int) -> None:
    expected: dict[int, list[float]] = {}
    for key, task in walks():
        expected |= results(Wells(), [(key, task)])
    found = results(Wells(budget), walks(), in_flight=in_flight)
    assert found == expected
    assert results(Wells(budget), walks()[::-1], in_flight=in_flight) == expected


@pytest.mark.seconds
def test_results_do_not_depend_on_how_calls_are_filled_lennard_jones() -> None:
    model = potential("ase:ase.calculators.lj:LennardJones", device="cpu")

    def structures() -> Iterator[tuple[int, Atoms]]:
        for k in range(6):
            atoms = bulk("Ar", "fcc", a=1.6 + 0.02 * k, cubic=True)
            atoms.rattle(0.05, seed=k)
            yield k, atoms

    def measure(atoms: Atoms) -> Task[np.ndarray]:
        first = yield Static(atoms, stress=True)
        moved = atoms.copy()
        moved.positions += 0.01 * first.forces
        second, again = yield [Static(moved), Static(atoms)]
        return np.vstack([first.stress, second.forces, again.forces])

    def run(in_flight: int, reverse: bool) -> dict[Any, Any]:
        tasks = [(k, measure(atoms)) for k, atoms in structures()]
        return results(model, tasks[::-1] if reverse else tasks, in_flight=in_flight)

    expected = run(1, False)
    assert len(expected) == 6
    for in_flight, reverse in ((1, True), (3, False), (1024, True)):
        found = run(in_flight, reverse)
        # LennardJones keeps its neighbour list, so the order of its sums has a history.
        for key, value in expected.items():
            np.testing.assert_allclose(found[key], value, rtol=1e-12, atol=1e-12)


def test_calls_are_shared() -> None:
    model = Wells()
    results(model, [(k, walk(chain(2), 4)) for k in range(10)])
    assert model.calls == [10, 10, 10, 10, 20]


def refused() -> Atoms:
    return chain(2, symbol="Po")


def not_finite() -> Atoms:
    return chain(2, symbol="Rn")


@pytest.mark.parametrize("bad", [unpreparable, refused, not_finite])
@pytest.mark.parametrize("budget", BUDGETS)
def test_a_failing_request_is_thrown_into_its_measurement(
    bad: Callable[[], Atoms], budget: int
) -> None:
    def careful(k: float) -> Task[tuple[str, float]]:
        try:
            yield Static(bad())
        except StructureError as error:
            prediction = yield Static(chain(1, k))
            return str(error), prediction.energy
        raise AssertionError("nothing was thrown")

    found = results(Wells(budget), [(k, careful(float(k))) for k in range(5)])
    for k in range(5):
        reason, value = found[k]
        assert reason
        assert value == energy(chain(1, float(k)))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (unpreparable, "the position of atom 0 is"),
        (refused, "the call was refused"),
        (not_finite, "not finite (energy nan eV)"),
    ],
)
@pytest.mark.parametrize("budget", BUDGETS)
def test_an_unhandled_failure_ends_one_measurement_only(
    bad: Callable[[], Atoms], reason: str, budget: int
) -> None:
    def measure(atoms: Atoms) -> Task[float]:
        return (yield Static(atoms)).energy

    structures = [chain(1, 1.0), bad(), chain(2, 2.0), bad(), chain(3, 3.0)]
    found = outcomes(Wells(budget), [(k, measure(a)) for k, a in enumerate(structures)])
    assert set(found) == set(range(5))
    for k in (1, 3):
        assert reason in str(error_of(found[k]))
    for k in (0, 2, 4):
        assert found[k] == Done(k, energy(structures[k]))


@pytest.mark.parametrize("name", ["forces", "stress"])
def test_not_a_number_anywhere_in_a_prediction_is_a_failure(name: str) -> None:
    class Faulty(Wells):
        def _one(self, graph: Graph, stress: bool) -> Prediction:
            prediction = super()._one(graph, stress)
            spoilt = getattr(prediction, name).copy()
            spoilt[0, 1] = np.inf
            return replace(prediction, **{name: spoilt})

    def measure() -> Task[Prediction]:
        return (yield Static(chain(2), stress=True))

    (outcome,) = run_tasks(Faulty(), [("a", measure())])
    assert isinstance(outcome, Failed)
    assert "finite" in str(outcome.error)


@pytest.mark.seconds
@pytest.mark.parametrize("bad", [unpreparable, refused, not_finite])
@pytest.mark.parametrize("budget", range(1, 12))
@pytest.mark.parametrize("place", range(4))
def test_answers_of_a_failed_list_do_not_leak_into_the_next(
    bad: Callable[[], Atoms], budget: int, place: int
) -> None:
    # The rest of the list is still queued when the failure is handed back, whatever the budget.
    first = [chain(1, 10.0 + k) for k in range(4)]
    first[place] = bad()
    second = [chain(1, 20.0 + k) for k in range(4)]

    def measure() -> Task[list[float]]:
        try:
            yield [Static(atoms) for atoms in first]
        except StructureError:
            predictions = yield [Static(atoms) for atoms in second]
            last = yield Static(first[(place + 1) % 4])
            return [p.energy for p in (*predictions, last)]
        raise AssertionError("nothing was thrown")

    tasks = [(k, measure()) for k in range(3)]
    found = results(Wells(budget), tasks)
    expected = [energy(atoms) for atoms in (*second, first[(place + 1) % 4])]
    assert found == dict.fromkeys(range(3), expected)


def test_the_failure_of_a_list_is_thrown_once() -> None:
    thrown = []

    def measure() -> Task[str]:
        try:
            yield [Static(refused()), Static(unpreparable()), Static(refused())]
        except StructureError as error:
            thrown.append(error)
        try:
            yield Static(chain(1))
        except StructureError as error:
            thrown.append(error)
        return "end"

    assert results(Wells(), [("a", measure())]) == {"a": "end"}
    assert len(thrown) == 1


def test_a_measurement_may_fail_by_itself() -> None:
    def measure() -> Task[None]:
        yield Static(chain(1))
        raise DeviceError("by itself")

    found = outcomes(Wells(), [("a", measure()), ("b", walk(chain(1), 2))])
    assert str(error_of(found["a"])) == "by itself"
    assert isinstance(found["b"], Done)


def test_a_bug_propagates() -> None:
    def buggy() -> Task[float]:
        prediction = yield Static(chain(1))
        return prediction.energy / 0

    def buggy_at_once() -> Task[float]:
        raise ZeroDivisionError
        yield

    for task in (buggy, buggy_at_once):
        with pytest.raises(ZeroDivisionError):
            list(run_tasks(Wells(), [("a", walk(chain(1), 2)), ("b", task())]))


def test_a_bug_of_the_potential_propagates() -> None:
    class Broken(Wells):
        def evaluate(self, graphs: Sequence[Graph], *, stress: bool = True) -> list[Prediction]:
            raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(run_tasks(Broken(), [("a", walk(chain(1), 2))]))


def test_an_empty_list_is_answered_by_an_empty_list() -> None:
    def measure() -> Task[tuple[Any, ...]]:
        nothing = yield []
        also_nothing = yield ()
        prediction = yield Static(chain(1, 2.0))
        last = yield []
        return nothing, also_nothing, prediction.energy, last

    assert results(Wells(), [("a", measure())]) == {"a": ([], [], 2.0, [])}


def test_a_list_of_one_is_answered_by_a_list() -> None:
    def measure() -> Task[float]:
        (prediction,) = yield [Static(chain(1, 2.0))]
        return prediction.energy

    assert results(Wells(), [("a", measure())]) == {"a": 2.0}


def test_measurements_that_ask_nothing() -> None:
    def silent(k: int) -> Task[int]:
        return k
        yield

    model = Wells()
    assert results(model, [(k, silent(k)) for k in range(5)], in_flight=1) == {
        k: k for k in range(5)
    }
    assert list(run_tasks(model, [])) == []
    assert model.calls == []


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_measurements_are_taken_from_the_source_as_there_is_room(in_flight: int) -> None:
    taken = ended = 0

    def source() -> Iterator[tuple[int, Task[list[float]]]]:
        nonlocal taken
        for k in range(30):
            taken += 1
            assert taken - ended <= in_flight
            # A third of them end at once, a third fail.
            yield k, walk(chain(2) if k % 3 else unpreparable(), k % 3)

    model = Wells()
    for _ in run_tasks(model, source(), in_flight=in_flight):
        ended += 1
    assert ended == 30
    assert max(model.calls) <= 2 * in_flight


def test_graphs_are_made_when_they_are_needed() -> None:
    def measure() -> Task[None]:
        yield [Static(chain(1)) for _ in range(100)]

    model = Wells(edges_per_cpu_batch=10)
    tasks = run_tasks(model, [("short", walk(chain(1), 0)), ("long", measure())])
    next(tasks)
    assert model.prepared <= 11


def test_nothing_is_computed_for_a_list_that_has_failed() -> None:
    def measure() -> Task[None]:
        yield [Static(unpreparable()), *(Static(chain(1)) for _ in range(50))]

    model = Wells(edges_per_cpu_batch=10)
    (outcome,) = run_tasks(model, [("a", measure())])
    assert isinstance(outcome, Failed)
    assert (model.calls, model.prepared) == ([], 1)


def test_outcomes_come_in_the_order_in_which_measurements_end() -> None:
    lengths = {"long": 4, "short": 1, "middle": 2}
    tasks = [(key, walk(chain(1), n)) for key, n in lengths.items()]
    assert [o.key for o in run_tasks(Wells(), tasks)] == ["short", "middle", "long"]


@pytest.mark.parametrize("in_flight", [0, -1])
def test_no_measurement_is_dropped_silently(in_flight: int) -> None:
    with pytest.raises(ValueError, match="in_flight"):
        list(run_tasks(Wells(), walks(), in_flight=in_flight))


@pytest.mark.parametrize("capacity", [4, 5, 9, 33])
def test_results_after_running_out_of_memory(capacity: int) -> None:
    model = Wells(capacity=capacity)
    assert results(model, walks()) == results(Wells(), walks())
    assert max(model.calls) > 1


def test_one_structure_too_large_for_the_device() -> None:
    def measure(atoms: Atoms) -> Task[float]:
        return (yield Static(atoms)).energy

    sizes = [3, 4, 50, 5, 6]
    found = outcomes(Wells(capacity=10), [(n, measure(chain(n))) for n in sizes])
    assert isinstance(error_of(found[50]), DeviceError)
    assert "50 atoms" in str(error_of(found[50]))
    for n in (3, 4, 5, 6):
        assert found[n] == Done(n, energy(chain(n)))


def test_workers_make_the_same_graphs() -> None:
    def tasks() -> Iterator[tuple[Any, Task[list[float]]]]:
        yield from walks()
        yield "bad", walk(unpreparable(), 2)

    expected = outcomes(Wells(), tasks())
    for budget in (3, 4000):
        found = outcomes(Wells(budget), tasks(), workers=2)
        assert isinstance(found.pop("bad"), Failed)
        assert found == {key: value for key, value in expected.items() if key != "bad"}


@pytest.mark.seconds
def test_workers_run_ahead_of_the_model() -> None:
    """While a call is computed, the graphs of the next are in the making, and no more than those."""
    model = Wells(edges_per_cpu_batch=200)
    taken = 0

    def tasks() -> Iterator[tuple[Any, Task[list[float]]]]:
        nonlocal taken
        for k in range(2000):
            taken += 1
            yield k, walk(chain(1), 0)

    # Each is two evaluations of weight 1, so that a call takes a hundred.
    run = run_tasks(model, tasks(), workers=2)
    for _ in range(500):
        next(run)
    assert model.calls[-1] == 200
    assert 100 < taken - 500 <= 100 + 100 + 100 + 16
    assert isinstance(run, Generator)
    run.close()
    assert not multiprocessing.active_children()


def test_nothing_is_taken_up_without_a_budget() -> None:
    model = Wells(edges_per_cpu_batch=0)
    found = results(model, [(k, walk(chain(2, float(k)), 2)) for k in range(3)])
    assert len(found) == 3
    assert max(model.calls) == 1
