"""What a benchmark suite is to the runner and the command line.

The suites themselves live in `umlip_bench.benchmarks`; nothing here knows their physics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np

from umlip_bench.engine.requests import Task

C = TypeVar("C", bound="Case")
R = TypeVar("R")


class Case(Protocol):
    """One thing to measure."""

    @property
    def name(self) -> str:
        """Unique within the suite and data set."""
        ...

    @property
    def fingerprint(self) -> str:
        """Digest of the structures that the case consists of."""
        ...


class SummaryRow(Protocol):
    """One line of summary.json."""

    def to_json(self) -> dict[str, Any]:
        """The JSON object of the row."""
        ...


class Suite(Protocol[C, R]):
    """A benchmark: which cases a data set holds, how one is measured, what follows from all.

    Parameters
    ----------
    name
        As given to ``umlip-bench run``.
    version
        Raised whenever a change would give other results, so that old cases are not reused.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    def cases(self, dataset: Any) -> Sequence[C]:
        """The cases that a data set holds for this suite."""
        ...

    def measure(self, case: C) -> Task[R]:
        """Measure one case."""
        ...

    def metrics(self, result: R) -> Mapping[str, float | int]:
        """The numbers of one case, for cases.jsonl."""
        ...

    def to_arrays(self, result: R) -> Mapping[str, np.ndarray]:
        """Everything the result consists of, for the run folder's predictions."""
        ...

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> R:
        """The result again."""
        ...

    def rows(self, model: str, data: str, results: Sequence[R], n_failed: int) -> Sequence[Any]:
        """Summary over the cases that succeeded."""
        ...
