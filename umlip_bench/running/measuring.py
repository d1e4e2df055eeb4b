"""Measuring cases with one model: from tasks of suites to records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from umlip_bench.analysis.run_files import DONE, FAILED, CaseRecord
from umlip_bench.benchmarks.suite import AnyBenchmark, Case
from umlip_bench.engine.scheduler import Done, run_tasks
from umlip_bench.ground.errors import UmlipBenchError
from umlip_bench.potentials.protocol import Potential


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


def measured(
    potential: Potential, left: Iterable[CaseLeft], data: str
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
    """
    tasks = ((one, one.suite.measure(one.case)) for one in left)
    for outcome in run_tasks(potential, tasks):
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
