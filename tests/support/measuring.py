"""Running requests and suites on a potential, where every one must come to its end."""

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from umlip_bench.analysis.suite import AnySuite
from umlip_bench.benchmarks.suite import AnyBenchmark
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


def measured(suite: AnyBenchmark, model: Potential, cases: Sequence[Any]) -> dict[str, Any]:
    """Results by name; every case must have one."""
    outcomes = list(run_tasks(model, ((case.name, suite.measure(case)) for case in cases)))
    found = {}
    for outcome in outcomes:
        found[outcome.key] = result_of(outcome)
    return found


def results(model: Potential, suite: AnyBenchmark, cases: Sequence[Any]) -> list[Any]:
    """Results of cases, in their order, through files and back."""
    found = measured(suite, model, cases)
    for name, result in found.items():
        suite.numbers(result)
        found[name] = suite.from_arrays(suite.to_arrays(result))
    return [found[case.name] for case in cases]


def by_variant(suite: AnySuite, result: Any) -> dict[str, SimpleNamespace]:
    """Numbers of a result by variant, without its prefix; of the variants that it has."""
    numbers = suite.numbers(result)
    found = {}
    for variant in suite.variants:
        own = {
            key.removeprefix(variant.prefix): value
            for key, value in numbers.items()
            if key.startswith(variant.prefix)
        }
        if own:
            found[variant.name] = SimpleNamespace(**own)
    return found


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
