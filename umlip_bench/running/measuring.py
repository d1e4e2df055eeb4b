"""Measuring cases with one model: from tasks of suites to records."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from umlip_bench.analysis.run_files import DONE, FAILED, CaseRecord
from umlip_bench.benchmarks.suite import AnyBenchmark, Case
from umlip_bench.engine.scheduler import Done, run_tasks
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.protocol import Potential
from umlip_bench.running.case_order import size_of


@dataclass(frozen=True, eq=False)
class CaseLeft:
    """A case that is still to be measured.

    Parameters
    ----------
    suite, case
        What is measured.
    key
        Of its entry in the journal.
    """

    suite: AnyBenchmark
    case: Case
    key: str

    @property
    def group(self) -> str:
        """Cases of a suite have their share together."""
        return self.suite.name

    @cached_property
    def size(self) -> float:
        """Atoms."""
        return float(size_of(self.case))


def measured(
    potential: Potential,
    left: Iterable[CaseLeft],
    data: str,
    stop: Callable[[], bool] | None = None,
) -> Iterator[tuple[CaseRecord, Mapping[str, np.ndarray] | None]]:
    """Records and arrays of cases as they end.

    Parameters
    ----------
    potential
        The model.
    left
        Taken one by one, as there is room for them.
    data
        Name of the reference data.
    stop
        As of `umlip_bench.engine.scheduler.run_tasks`.
    """
    tasks = ((one, one.suite.measure(one.case)) for one in left)
    for outcome in run_tasks(potential, tasks, stop=stop):
        one = outcome.key
        error: UmlipBenchError | None = None
        metrics: Mapping[str, int | float] = {}
        arrays = None
        if isinstance(outcome, Done):
            try:
                metrics = one.suite.numbers(outcome.result)
                arrays = one.suite.to_arrays(outcome.result)
            except UmlipBenchError as caught:
                error = caught
        else:
            error = outcome.error
        yield (
            CaseRecord(
                key=one.key,
                model=potential.card.name,
                data=data,
                suite=one.suite.name,
                case=one.case.name,
                elements=one.case.elements,
                status=DONE if error is None else FAILED,
                reason=None if error is None else str(error),
                metrics=metrics if error is None else {},
            ),
            arrays if error is None else None,
        )
