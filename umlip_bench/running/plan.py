"""What is to be run, and what each result depends on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from umlip_bench.benchmarks.suite import AnyBenchmark, Case
from umlip_bench.ground.identity import identity
from umlip_bench.ground.level_of_theory import LevelOfTheory


@dataclass(frozen=True)
class DataIdentity:
    """What a run needs to know of its reference data.

    Parameters
    ----------
    id
        Name.
    sha256
        Digest of the labels.
    level_of_theory
        Of the labels.
    notes
        What a reader of the numbers must know of them.
    has_reference
        Whether there are any; a structure alone has none.
    """

    id: str
    sha256: str
    level_of_theory: LevelOfTheory
    notes: tuple[str, ...] = ()
    has_reference: bool = True


@dataclass(frozen=True, eq=False)
class SuitePlan:
    """A suite and the cases of it that are to be run; at least one."""

    suite: AnyBenchmark
    cases: Sequence[Case]


def case_key(
    suite: AnyBenchmark,
    settings: Mapping[str, str],
    case: str,
    content: str,
    model: tuple[str, int],
    level: LevelOfTheory,
) -> str:
    """Digest of all that a case's result depends on.

    Parameters
    ----------
    suite
        With its name, version and the constants of its module.
    settings
        What a user can set that changes results.
    case, content
        Its name, and the identity of its structures and labels.
    model
        Identity of its weights, and how often it was measured anew.
    level
        Level of theory of the labels.
    """
    return identity(
        suite.name, suite.version, suite.constants, settings, case, content, model, level
    )
