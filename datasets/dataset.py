"""Reference data in one form: cases with the level of theory that their labels were computed at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from umlip_bench.datasets.cases import ReferenceCase
from umlip_bench.datasets.frame import Frame
from umlip_bench.datasets.teacher import Teacher
from umlip_bench.ground.level_of_theory import LevelOfTheory


@dataclass(frozen=True)
class Manifest:
    """Where a data set comes from and how its labels were computed.

    Parameters
    ----------
    id
        Short name, as given to ``--data``.
    title
        What it is, in a line.
    level_of_theory
        Of the labels.
    settings
        Code, cutoff, k-points and the like.
    source, licence, citation
        Who made it and under what terms it may be used.
    caveats
        What a reader of the numbers must know.
    teacher
        The potential that gave the labels; ``None`` for DFT's.
    mu
        Chemical potentials of elements that defects are counted at, eV/atom; empty where none are given.
    """

    id: str
    title: str
    level_of_theory: LevelOfTheory
    settings: str
    source: str
    licence: str
    citation: str
    caveats: tuple[str, ...] = ()
    teacher: Teacher | None = None
    mu: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Understood:
    """One thing that reading a user's files has to say of how it took them.

    Parameters
    ----------
    text
        A sentence.
    expected
        Whether it is what anyone would expect: said where one asks, not by every command.
    """

    text: str
    expected: bool


@dataclass(frozen=True, eq=False)
class Dataset:
    """The cases of one data set.

    Parameters
    ----------
    manifest
        What it is.
    cases
        Of all tasks, in the order of the source.
    sha256
        Of the files that the cases were read from.
    understood
        How a user's files were understood; nothing for other sets.
    """

    manifest: Manifest
    cases: tuple[ReferenceCase, ...]
    sha256: str
    understood: tuple[Understood, ...] = ()

    def of_task(self, task: str) -> tuple[ReferenceCase, ...]:
        """Usable cases of one task, e.g. ``"surfaces"``."""
        return tuple(c for c in self.cases if c.task == task and c.unusable is None)

    def unusable(self, task: str) -> tuple[ReferenceCase, ...]:
        """Cases of one task that must not enter statistics; each says why."""
        return tuple(c for c in self.cases if c.task == task and c.unusable is not None)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Tasks that the set has usable cases for."""
        return tuple(dict.fromkeys(str(c.task) for c in self.cases if c.unusable is None))

    @property
    def frames(self) -> tuple[Frame, ...]:
        """All labelled frames of the task ``high-energy``, in the order of the source."""
        found = [frame for frames in self.by_system().values() for frame in frames]
        return tuple(sorted(found, key=lambda frame: frame.index))

    def by_system(self) -> dict[str, tuple[Frame, ...]]:
        """Labelled frames of each usable material."""
        return {case.name: getattr(case, "frames", ()) for case in self.of_task("high-energy")}
