"""Running requests and suites on a potential, where every one must come to its end."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import pytest

from umlip_bench.benchmarks.suite import Suite
from umlip_bench.datasets import Dataset, catalogue, load
from umlip_bench.datasets.store import DataStore
from umlip_bench.engine import Done, Failed, Request, Task, run_requests, run_tasks
from umlip_bench.ground.errors import StructureError, UmlipBenchError
from umlip_bench.potentials.protocol import Potential

K = TypeVar("K")
R = TypeVar("R")


def result_of(outcome: Done[K, R] | Failed[K]) -> R:
    """The result of a measurement that must have come to its end."""
    assert isinstance(outcome, Done), outcome
    return outcome.result


def error_of(outcome: Done[K, R] | Failed[K]) -> UmlipBenchError:
    """The error of a measurement that must have failed."""
    assert isinstance(outcome, Failed), outcome
    return outcome.error


def run(model: Potential, requests: Iterable[Request], **options: Any) -> list[Any]:
    """Answers to requests, in their order."""
    found = {}
    for outcome in run_requests(model, requests, **options):
        found[outcome.key] = result_of(outcome)
    return [found[k] for k in range(len(found))]


def measured(suite: Suite, model: Potential, cases: Sequence[Any]) -> dict[str, Any]:
    """Results by name; every case must have one."""
    outcomes = list(run_tasks(model, ((case.name, suite.measure(case)) for case in cases)))
    found = {}
    for outcome in outcomes:
        found[outcome.key] = result_of(outcome)
    return found


def results(model: Potential, suite: Suite, cases: Sequence[Any]) -> list[Any]:
    """Results of cases, in their order, through files and back."""
    found = measured(suite, model, cases)
    for name, result in found.items():
        suite.metrics(result)
        found[name] = suite.from_arrays(name, suite.to_arrays(result))
    return [found[case.name] for case in cases]


def single_points(task: Task[Any]) -> Any:
    """A measurement of single points and a relaxation, without the latter."""
    answers = yield next(task)
    task.send(answers)
    try:
        task.throw(StructureError("not relaxed here"))
    except StopIteration as stop:
        return stop.value
    raise AssertionError("asked for more")


def published(name: str) -> Dataset:
    """A data set, or a reason to skip."""
    if DataStore().locate(catalogue.card(name)) is None:
        pytest.skip(f"{name} is not on this machine: run `umlip-bench data fetch {name}`")
    return load(name)
