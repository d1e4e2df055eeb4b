"""Calls of spglib that fail in one way, whatever else the process has imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from spglib.error import SpglibError

Found = TypeVar("Found")
SpglibCell = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Lattice vectors as rows (Å), fractional coordinates and atomic numbers, as spglib takes them."""


def found_by(
    search: Callable[..., Found | None], cell: SpglibCell, *, symprec: float, **options: object
) -> Found | None:
    """What a function of spglib finds, or ``None`` where it finds nothing.

    spglib gives ``None`` of itself, but raises in a process in which phonopy was imported.

    Parameters
    ----------
    search
        A function of spglib.
    cell
        The crystal.
    symprec
        Å, by how much the cell may miss its symmetry.
    **options
        More for the function.
    """
    try:
        return search(cell, symprec=symprec, **options)
    except SpglibError:
        return None
