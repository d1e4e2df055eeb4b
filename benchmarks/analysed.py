"""What suites have in common: their results are what the analysis says of them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from umlip_bench.analysis.suites.base import SuiteAnalysis
from umlip_bench.analysis.tables import CaseTable, Presentation

R = TypeVar("R")


class AnalysedSuite(Generic[R]):
    """Half a `Suite`: what follows from results. Cases and measurement are its own.

    Attributes
    ----------
    analysis
        Of its results.
    """

    analysis: ClassVar[SuiteAnalysis[Any]]
    name: ClassVar[str]
    presentation: ClassVar[Presentation]

    def __init_subclass__(cls) -> None:
        cls.name = cls.analysis.name
        cls.presentation = cls.analysis.presentation

    def numbers(self, result: R) -> Mapping[str, float | int]:
        """The numbers of one case."""
        return self.analysis.numbers(result)

    def to_arrays(self, result: R) -> Mapping[str, np.ndarray]:
        """Everything the result consists of."""
        return self.analysis.to_arrays(result)

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> R:
        """The result again."""
        found: R = self.analysis.from_arrays(name, arrays)
        return found

    def rows(self, model: str, data: str, results: Sequence[R], n_failed: int) -> Sequence[Any]:
        """Summary over the cases that succeeded."""
        return self.analysis.rows(model, data, results, n_failed)

    @property
    def takes_structures(self) -> bool:
        """As of `Suite`."""
        return hasattr(self, "structure_cases")

    @property
    def constants(self) -> dict[str, object]:
        """As of `Suite`."""
        module = vars(sys.modules[type(self).__module__])
        plain = (bool, int, float, str, tuple, np.ndarray)
        return {k: v for k, v in module.items() if k.isupper() and isinstance(v, plain)}

    def case_table(self, results: Sequence[R]) -> CaseTable | None:
        """Cases of one model one by one, if they can be listed."""
        return self.analysis.case_table(results)
