"""Digests of what a case consists of, and its elements."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
from ase import Atoms
from ase.data import atomic_masses


def digest(structures: Iterable[Atoms], *arrays: np.ndarray | None) -> str:
    """Digest of structures and of any further arrays, ``None`` among them included.

    Parameters
    ----------
    structures
        Elements, positions, cell, periodicity and masses, where they are not the natural ones, enter.
    arrays
        Of any shape; shape and number format enter as well.
    """
    found = hashlib.sha256()
    for atoms in structures:
        for array in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc):
            found.update(np.ascontiguousarray(array).tobytes())
        masses = atoms.get_masses()
        if not np.array_equal(masses, atomic_masses[atoms.numbers]):
            found.update(b"masses" + masses.tobytes())
    for extra in arrays:
        if extra is None:
            found.update(b"none")
        else:
            found.update(f"{extra.dtype}{extra.shape}".encode())
            found.update(np.ascontiguousarray(extra).tobytes())
    return found.hexdigest()


def elements_of(structures: Iterable[Atoms]) -> tuple[str, ...]:
    """Chemical symbols of structures, each once, sorted."""
    return tuple(sorted({symbol for atoms in structures for symbol in atoms.symbols}))
