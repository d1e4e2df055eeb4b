"""Elements of what a case consists of."""

from __future__ import annotations

from collections.abc import Iterable

from ase import Atoms


def elements_of(structures: Iterable[Atoms]) -> tuple[str, ...]:
    """Chemical symbols of structures, each once, sorted."""
    return tuple(sorted({symbol for atoms in structures for symbol in atoms.symbols}))
