"""Whether what a set is to judge was seen in training: structures of a set against those of another."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.datasets import embedded, published
from umlip_bench.datasets.fingerprint import SAME_BELOW, Fingerprint, distances, fingerprint
from umlip_bench.datasets.frame import composition
from umlip_bench.datasets.labels import SYSTEM
from umlip_bench.datasets.overview import structures as structures_of_case
from umlip_bench.datasets.readers import RefusedResult, code_of, read_labels
from umlip_bench.datasets.readers.result import Code
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.files import files_below
from umlip_bench.ground.structures import RefusedStructure, scan_structures

IDENTIFIER = re.compile(r"\b(?:mp|mvc)-\d+\b|\bJVASP-\d+\b|\bagm\d+\b")
"""Of materials in public databases."""
VOLUME_WITHIN = 0.05
"""Volumes of an atom that differ by less than this share count as one volume."""
BLOCK = 2000
"""Structures of a composition that are compared at once."""


@dataclass(frozen=True, eq=False)
class Seen:
    """A structure of the other set.

    Parameters
    ----------
    atoms
        It.
    where
        File, and place in it.
    """

    atoms: Atoms
    where: str

    @property
    def identifiers(self) -> frozenset[str]:
        """Of public databases, in what it is called."""
        return identifiers_of(self.atoms, self.where)


@dataclass(frozen=True)
class MaterialLeak:
    """What of a composition is in the other set.

    Parameters
    ----------
    formula
        Reduced.
    n
        Structures of the set that is checked.
    n_seen
        Structures of the other set with the formula.
    n_volume
        Of the n, how many have one of the formula within `VOLUME_WITHIN` of their volume per atom.
    n_same
        Of the n, how many are nearer than `fingerprint.SAME_BELOW` to one of them, at any volume.
    nearest
        Smallest distance of fingerprints; infinite without a structure of the formula.
    identifiers
        Of public databases, that both name.
    example
        Where the nearest structure of the other set is.
    """

    formula: str
    n: int
    n_seen: int
    n_volume: int
    n_same: int
    nearest: float
    identifiers: tuple[str, ...]
    example: str


@dataclass(frozen=True)
class Leakage:
    """A set against another.

    Parameters
    ----------
    against
        What the other set is called.
    n_read, n_refused
        Structures of it that were read, and entries that could not be.
    materials
        Each composition of the set that is checked.
    """

    against: str
    n_read: int
    n_refused: int
    materials: tuple[MaterialLeak, ...]

    @property
    def n_same(self) -> int:
        """Structures that are in the other set."""
        return sum(each.n_same for each in self.materials)

    @property
    def n(self) -> int:
        """Structures that were checked."""
        return sum(each.n for each in self.materials)


def identifiers_of(atoms: Atoms, where: str = "") -> frozenset[str]:
    """Names of public databases in what a structure is called."""
    texts = [where, *(str(value) for value in atoms.info.values() if isinstance(value, str))]
    return frozenset(name for text in texts for name in IDENTIFIER.findall(text))


def seen_in(name: str) -> Iterator[Seen | RefusedStructure]:
    """Structures of a file, a folder or a data set, with labels in any form or without, one by one.

    Raises
    ------
    DataError
        If there is nothing of that name.
    """
    if name in (*embedded.names(), *published.names()):
        known = embedded.read(name) if name in embedded.names() else published.read(name)
        for case in known.cases:
            yield from (Seen(atoms, f"{name}, {case.name}") for atoms in structures_of_case(case))
        return
    path = Path(name)
    if not path.exists():
        raise DataError(f"{name}: no such file, folder or data set to check against")
    root = path.parent if path.is_file() else path
    files = [path] if path.is_file() else files_below(path)
    for file in files:
        code = code_of(file)
        for each in _labelled(file, code) if code is not None else _unlabelled(file):
            if isinstance(each, RefusedStructure):
                yield each
            else:
                # Where it is on this machine is nobody's matter.
                yield Seen(each.atoms, each.where.removeprefix(f"{root}/"))


def _labelled(file: Path, code: Code) -> Iterator[Seen | RefusedStructure]:
    for result in read_labels(file, code):
        if isinstance(result, RefusedResult):
            yield RefusedStructure(result.where, result.reason)
        else:
            yield Seen(result.atoms, result.where)


def _unlabelled(file: Path) -> Iterator[Seen | RefusedStructure]:
    try:
        for number, each in enumerate(scan_structures(file)):
            if isinstance(each, RefusedStructure):
                yield each
            else:
                yield Seen(each, f"{file}, structure {number}")
    except DataError as error:
        yield RefusedStructure(str(file), str(error))


def leakage(
    structures: Sequence[Atoms], seen: Iterable[Seen | RefusedStructure], against: str
) -> Leakage:
    """Look for structures of a set in another.

    Only structures of the same reduced formula are compared, so that a large set costs little more than
    reading it.

    Parameters
    ----------
    structures
        Of the set that is checked.
    seen
        As `seen_in` gives them.
    against
        What the other set is called.

    Raises
    ------
    DataError
        If none of its structures could be read.
    """
    own: dict[str, list[Atoms]] = defaultdict(list)
    for atoms in structures:
        own[composition(atoms)].append(atoms)
    groups = {formula: _Group(members) for formula, members in own.items()}
    n_read = n_refused = 0
    first_refused = ""
    for each in seen:
        if isinstance(each, RefusedStructure):
            n_refused += 1
            first_refused = first_refused or f"; {each.where}: {each.reason}"
            continue
        n_read += 1
        group = groups.get(composition(each.atoms))
        if group is not None:
            group.add(each)
    # To have found nothing in what was not read would be no answer.
    if not n_read:
        raise DataError(
            f"{against} holds no structure that can be read, so that nothing can be said of it{first_refused}"
        )
    materials = tuple(group.leak(formula) for formula, group in sorted(groups.items()))
    return Leakage(against, n_read, n_refused, materials)


class _Group:
    """Structures of a formula, and what is known of them as those of the other set come."""

    def __init__(self, members: Sequence[Atoms]) -> None:
        self._own: list[Fingerprint] = [fingerprint(atoms) for atoms in members]
        self._volumes = np.array([atoms.get_volume() / len(atoms) for atoms in members])
        self._named = frozenset(
            name for a in members for name in identifiers_of(a, str(a.info.get(SYSTEM, "")))
        )
        self._nearest = np.full(len(members), np.inf)
        self._at_volume = np.zeros(len(members), dtype=bool)
        self._both: set[str] = set()
        self._waiting: list[tuple[Fingerprint, str]] = []
        self._n_seen = 0
        self._example = ""

    def add(self, seen: Seen) -> None:
        volume = seen.atoms.get_volume() / len(seen.atoms)
        self._n_seen += 1
        self._at_volume |= np.abs(volume / self._volumes - 1.0) < VOLUME_WITHIN
        self._both |= self._named & seen.identifiers
        self._waiting.append((fingerprint(seen.atoms), seen.where))
        if len(self._waiting) == BLOCK:
            self._compare()

    def _compare(self) -> None:
        if not self._waiting:
            return
        found = distances(self._own, [each for each, _ in self._waiting])
        if found.min() < self._nearest.min():
            self._example = self._waiting[int(np.argmin(found.min(axis=0)))][1]
        self._nearest = np.minimum(self._nearest, found.min(axis=1))
        self._waiting.clear()

    def leak(self, formula: str) -> MaterialLeak:
        self._compare()
        return MaterialLeak(
            formula=formula,
            n=len(self._own),
            n_seen=self._n_seen,
            n_volume=int(self._at_volume.sum()),
            n_same=int((self._nearest < SAME_BELOW).sum()),
            nearest=float(self._nearest.min()),
            identifiers=tuple(sorted(self._both)),
            example=self._example,
        )
