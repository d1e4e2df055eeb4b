"""In which order cases are measured, and how large each is.

Intervals are over materials, and shrink with the number of them. So each material has its first case
measured before any has its second, and materials come in an order that has nothing to do with what they are:
whenever a run ends, what it has measured is a random sample of them.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import TypeVar

from ase import Atoms

from umlip_bench.benchmarks.suite import Case

C = TypeVar("C", bound=Case)

DEEPEST = 6
"""Levels of a case that are searched for structures."""


def across_materials(cases: Sequence[C]) -> list[C]:
    """Cases in the order in which intervals shrink fastest; the same for the same cases, in any order."""
    shuffled = sorted(cases, key=lambda case: _shuffled(case.name))
    seen: Counter[str] = Counter()
    rounds: list[tuple[int, str, str, C]] = []
    for case in shuffled:
        material = material_of(case)
        rounds.append((seen[material], _shuffled(material), case.name, case))
        seen[material] += 1
    return [case for *_, case in sorted(rounds, key=lambda each: each[:3])]


def material_of(case: Case) -> str:
    """Name of a case's material: what it, or a case of the data within it, calls its system."""
    for owner in (case, *_within(case)):
        system = getattr(owner, "system", None)
        if isinstance(system, str) and system:
            return system
    return case.name


def size_of(case: object) -> int:
    """Atoms of all structures of a case, at least 1."""
    return max(1, sum(map(len, _structures(case, DEEPEST))))


def _within(case: object) -> Iterator[object]:
    if is_dataclass(case):
        for each in fields(case):
            value = getattr(case, each.name)
            if is_dataclass(value):
                yield value


def _structures(value: object, depth: int) -> Iterator[Atoms]:
    if isinstance(value, Atoms):
        yield value
    elif depth and is_dataclass(value):
        for each in fields(value):
            yield from _structures(getattr(value, each.name), depth - 1)
    elif depth and isinstance(value, tuple | list):
        for entry in value:
            yield from _structures(entry, depth - 1)
    elif depth and isinstance(value, Mapping):
        for entry in value.values():
            yield from _structures(entry, depth - 1)


def _shuffled(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
