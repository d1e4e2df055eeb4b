"""What a measurement may ask of a potential, and how it asks.

A measurement is a generator: it yields a request, or a list of requests, and is sent the results.
It sees one structure at a time; batches are the scheduler's business.

>>> def vacancy_energy(host, vacancy):
...     perfect, defective = yield [Static(host), Relax(vacancy, fmax=0.05)]
...     n = len(host)
...     return defective.energy - (n - 1) / n * perfect.energy

`Static` is the only request that reaches the model; `About` asks what the model is, `Rounding` how finely it
computes. Everything longer
(a relaxation, a band, a trajectory) is a `Procedure`: itself a measurement, made of requests, of which
any number are under way at once. A new kind of work is a new `Procedure`; the scheduler does not change.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ase import Atoms

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


@dataclass(frozen=True, eq=False)
class Static:
    """Energy and forces, and stress if asked for, at a fixed geometry; answered by a `Prediction`.

    The structure must not be changed before the answer has come.

    Parameters
    ----------
    atoms
        The structure.
    stress
        Whether its stress is wanted.
    held
        Whether a structure is refused in which nothing holds an atom (`umlip_bench.engine.free_atoms`):
        there it has no curvature, and no property of a solid.
    """

    atoms: Atoms
    stress: bool = False
    held: bool = False


@dataclass(frozen=True)
class About:
    """What is being measured, e.g. which corrections its energies contain; answered by its `ModelCard`."""


@dataclass(frozen=True, eq=False)
class Rounding:
    """How finely the model computes; answered by the machine epsilon of its number format, a float."""


class Procedure(ABC, Generic[R_co]):
    """A request that takes more than one call to the model, answered by what its task returns."""

    @abstractmethod
    def task(self) -> Task[R_co]:
        """The steps, as a measurement of its own; a new one at every call."""


Request = Static | About | Rounding | Procedure[Any]
"""Anything a measurement can ask for."""

Task = Generator[Request | Sequence[Request], Any, R]
"""A measurement that ends with a result of type R. A list of requests is answered by a list.

What it is sent is of the type that answers what it yielded last, which no annotation can say."""
