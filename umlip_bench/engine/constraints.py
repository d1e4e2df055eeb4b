"""Which atoms may move: constraints of ASE and masks, as one array."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.constraints import FixAtoms, FixCartesian

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe


def check_fixed(fixed: np.ndarray | None, n_atoms: int) -> None:
    """Refuse a mask that does not belong to a structure of that many atoms.

    Raises
    ------
    ValueError
        If its shape is neither (N,) nor (N, 3).
    """
    if fixed is not None and np.shape(fixed) not in ((n_atoms,), (n_atoms, 3)):
        raise ValueError(
            f"fixed has shape {np.shape(fixed)}; for {n_atoms} atoms it must be ({n_atoms},) or "
            f"({n_atoms}, 3)"
        )


def free_components(atoms: Atoms, fixed: np.ndarray | None) -> np.ndarray:
    """Shape (N, 3): 1 for Cartesian components that may move, 0 for fixed ones.

    Parameters
    ----------
    atoms
        Its constraints are kept.
    fixed
        Atoms that do not move besides, boolean of shape (N,), or Cartesian components of them, (N, 3).

    Raises
    ------
    StructureError
        If `atoms` has constraints that do anything but fix atoms or Cartesian components of them.
    """
    free = np.ones((len(atoms), 3))
    if fixed is not None:
        free[np.asarray(fixed, dtype=bool)] = 0
    for constraint in atoms.constraints:
        if isinstance(constraint, FixAtoms):
            free[constraint.index] = 0
        elif isinstance(constraint, FixCartesian):
            free[constraint.index] *= ~np.broadcast_to(constraint.mask, (len(constraint.index), 3))
        else:
            raise StructureError(
                f"{describe(atoms)}: the constraint {type(constraint).__name__} cannot be kept; FixAtoms "
                "and FixCartesian can. Remove it with atoms.set_constraint()"
            )
    return free
