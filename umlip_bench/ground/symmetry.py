"""Calls of spglib that fail in one way, whatever else the process has imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from spglib.error import SpglibError


def found_by(
    search: Callable[..., Any], cell: tuple[Any, Any, Any], *, symprec: float, **options: Any
) -> Any:
    """What a function of spglib finds, or ``None`` where it finds nothing.

    spglib gives ``None`` of itself, but raises in a process in which phonopy was imported.

    Parameters
    ----------
    search
        A function of spglib.
    cell
        Lattice vectors as rows (Å), fractional coordinates and atomic numbers.
    symprec
        Å, by how much the cell may miss its symmetry.
    **options
        More for the function.
    """
    try:
        return search(cell, symprec=symprec, **options)
    except SpglibError:
        return None
