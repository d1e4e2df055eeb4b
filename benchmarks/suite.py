"""What a benchmark suite is to the runner and the command line.

The suites themselves live in `umlip_bench.benchmarks`; nothing here knows their physics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np
from ase import Atoms

from umlip_bench.engine.requests import Task

C = TypeVar("C", bound="Case")
R = TypeVar("R")


class Mode(StrEnum):
    """How many cases are run; it never changes how one is measured."""

    QUICK = "quick"
    """A few cheap ones: minutes on a CPU."""
    STANDARD = "standard"
    """All usable ones, but those that take hours on a CPU."""
    FULL = "full"
    """All usable ones."""


@dataclass(frozen=True, eq=False)
class StructureRequest:
    """A structure to be measured without reference values.

    Parameters
    ----------
    atoms
        The structure.
    name
        Its name.
    max_index
        Highest Miller index of surfaces.
    ion
        Chemical symbol of the ion that migrates; ``None`` if the user named none.
    mode
        How many cases may be made of it.
    """

    atoms: Atoms
    name: str
    max_index: int
    ion: str | None
    mode: Mode = Mode.STANDARD


class Case(Protocol):
    """One thing to measure: a frozen dataclass, all of which decides on the result."""

    @property
    def name(self) -> str:
        """Unique within the suite and data set."""
        ...

    @property
    def elements(self) -> tuple[str, ...]:
        """Chemical symbols of its structures, sorted."""
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
    presentation: ClassVar[Any]
    """How its rows are shown, a `umlip_bench.analysis.tables.Presentation`."""

    def cases(self, dataset: Any, mode: Mode) -> Sequence[C]:
        """The cases that a data set holds for this suite, or a few of them."""
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

    def case_table(self, results: Sequence[R]) -> Any:
        """A `umlip_bench.analysis.tables.CaseTable` of one model's results; ``None`` if there is none."""
        ...


@runtime_checkable
class StructureSuite(Suite[C, R], Protocol[C, R]):
    """A suite that also measures structures for which there are no reference values."""

    def structure_cases(self, request: StructureRequest) -> Sequence[C]:
        """The cases that follow from a structure.

        Raises
        ------
        UmlipBenchError
            If there are none, with the reason.
        """
        ...
