"""What a measurement may ask of a potential, and how it asks.

A measurement is a generator: it yields a request, or a list of requests, and is sent the results.
It sees one structure at a time; batches are the scheduler's business.

>>> def energy_difference(a, b):
...     first, second = yield [Static(a), Static(b)]
...     return second.energy - first.energy
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ase import Atoms

R = TypeVar("R")


@dataclass(frozen=True, eq=False)
class Static:
    """Energy and forces, and stress if asked for, at a fixed geometry; answered by a `Prediction`."""

    atoms: Atoms
    stress: bool = False


Request = Static
"""All kinds of request; relaxations and bands join here."""

Task = Generator[Request | Sequence[Request], Any, R]
"""A measurement that ends with a result of type R. A list of requests is answered by a list."""
