"""What a suite is to the runner and the command line: what it declares, its cases, and how one is measured.

The suites themselves live in folders beside this file, and in anyone's packages; nothing here knows their
physics.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeAlias, TypeVar, cast

import numpy as np
from ase import Atoms

from umlip_bench.analysis.suite import DeclaredSuite, R, V

if TYPE_CHECKING:
    from umlip_bench.datasets import Dataset
    from umlip_bench.engine.requests import Task

R_co = TypeVar("R_co", covariant=True)


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


class Measuring(Protocol[R_co]):
    """The module of a suite that finds cases and measures them.

    It may also have ``structure_cases(request: StructureRequest) -> Sequence[Case]``: the cases that follow
    from a structure without reference values, or an `UmlipBenchError` that says why there are none.
    """

    def cases(self, dataset: Dataset, mode: Mode) -> Sequence[Case]:
        """The cases that a data set holds for this suite, or a few of them."""
        ...

    def measure(self, case: Case) -> Task[R_co]:
        """Measure one case, one of its own."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class Suite(DeclaredSuite[R, V], Generic[R, V]):
    """A benchmark.

    Parameters
    ----------
    version
        Raised whenever a change would give other results, so that old cases are not reused.
    measured_by
        Import path of a `Measuring` module: models are needed there, and are slow to import.
    """

    version: int
    measured_by: str

    @cached_property
    def _measuring(self) -> Measuring[R]:
        return cast("Measuring[R]", import_module(self.measured_by))

    @property
    def about(self) -> str:
        """What it measures, in plain text: what its package, where it is declared, says of itself."""
        package = self.measured_by.rpartition(".")[0]
        text = inspect.getdoc(import_module(package)) or self.title
        return text.replace("``", "")

    def cases(self, dataset: Dataset, mode: Mode) -> Sequence[Case]:
        """The cases that a data set holds for this suite, or a few of them."""
        return self._measuring.cases(dataset, mode)

    def measure(self, case: Case) -> Task[R]:
        """Measure one case."""
        return self._measuring.measure(case)

    @property
    def takes_structures(self) -> bool:
        """Whether it also measures structures for which there are no reference values."""
        return hasattr(self._measuring, "structure_cases")

    def structure_cases(self, request: StructureRequest) -> Sequence[Case]:
        """The cases that follow from a structure.

        Raises
        ------
        UmlipBenchError
            If there are none, with the reason.
        """
        found: Sequence[Case] = self._measuring.structure_cases(request)  # type: ignore[attr-defined]
        return found

    @property
    def constants(self) -> dict[str, object]:
        """Numbers and texts in capitals where it is measured: strains, displacements, criteria."""
        plain = (bool, int, float, str, tuple, np.ndarray)
        functions = (self._measuring.measure, self._measuring.cases)
        modules = dict.fromkeys([self.measured_by, *(each.__module__ for each in functions)])
        return {
            name: value
            for module in modules
            for name, value in vars(sys.modules[module]).items()
            if name.isupper() and isinstance(value, plain)
        }


AnyBenchmark: TypeAlias = Suite[Any, Any]
"""A suite of whatever cases."""
