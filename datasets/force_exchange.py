"""Forces of atoms that were exchanged, found by a fit of force constants.

Force constants of the supercell's symmetry explain the forces of all displaced supercells at once, but not
those that are given for another atom: these look like what is expected of that one.
"""

from __future__ import annotations

import numpy as np
from phonopy import Phonopy
from phonopy.structure.cells import Supercell
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

LARGEST = 256
"""Atoms of a supercell, beyond which a fit takes minutes."""
CLEARER = 2.0
"""Times by which the forces that a fit leaves unexplained become smaller once an exchange is undone. In clean
sets another order leaves more."""
UNEXPLAINED = 0.5
"""Part of the forces that force constants may leave unexplained: 0.05 of displacements by 0.03 Å, and more of
large ones."""
NAMED = 6
"""Atoms that are named; the others are counted."""


def exchanged(
    supercell: Supercell, displacements: np.ndarray, forces: np.ndarray, symprec: float
) -> str:
    """Which atoms' forces were exchanged.

    Parameters
    ----------
    supercell
        That the forces are said to be of.
    displacements
        Å, of all atoms of each set, shape (D, N, 3).
    forces
        eV/Å, shape (D, N, 3).
    symprec
        Å, for the supercell's symmetry.

    Returns
    -------
    str
        The figures; empty if force constants explain the forces, and no exchange does so better, or there
        are too few to tell.
    """
    if len(supercell) > LARGEST:
        return ""
    expected = _explained(supercell, displacements, forces, symprec)
    if expected is None:
        return ""
    size, left = np.linalg.norm(forces), np.linalg.norm(forces - expected)
    given, belongs = _most_alike(np.array(supercell.symbols), forces, expected)
    ordered = np.empty_like(forces)
    ordered[:, belongs] = forces[:, given]
    moved = np.flatnonzero(given != belongs)
    again = _explained(supercell, displacements, ordered, symprec) if len(moved) else None
    left_then = np.inf if again is None else np.linalg.norm(ordered - again)
    if left >= CLEARER * left_then:
        named = ", on ".join(
            f"{k + 1} ({supercell.symbols[k]}) look like those of {belongs[k] + 1}"
            for k in moved[:NAMED]
        )
        more = f" and {len(moved) - NAMED} more" if len(moved) > NAMED else ""
        return (
            f"the forces on atom {named}{more}: force constants leave {100 * left / size:.0f} % of the "
            f"forces unexplained, and {100 * left_then / size:.0f} % once these are exchanged"
        )
    if left > UNEXPLAINED * size:
        return (
            f"force constants leave {100 * left / size:.0f} % of the forces unexplained, allowed are "
            f"{100 * UNEXPLAINED:.0f} %"
        )
    return ""


def _most_alike(
    symbols: np.ndarray, forces: np.ndarray, expected: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which forces that are given look most like those expected of which atom of their element."""
    of_atoms, of_fit = (x.transpose(1, 0, 2).reshape(len(symbols), -1) for x in (forces, expected))
    apart = cdist(of_atoms, of_fit, "sqeuclidean")
    # More than all forces together.
    apart[symbols[:, None] != symbols[None]] = 10 * (forces**2).sum() + 1.0
    given, belongs = linear_sum_assignment(apart)
    return given, belongs


def _explained(
    supercell: Supercell, displacements: np.ndarray, forces: np.ndarray, symprec: float
) -> np.ndarray | None:
    """Forces by the force constants that fit best, shape (D, N, 3); ``None`` where there are too few."""
    phonon = Phonopy(supercell, np.eye(3, dtype=int), np.eye(3), symprec=symprec, log_level=0)
    phonon.dataset = {"displacements": displacements, "forces": forces}
    try:
        phonon.produce_force_constants(fc_calculator="symfc", show_drift=False)
    # Their own words for "cannot be solved".
    except (RuntimeError, ValueError, np.linalg.LinAlgError):
        return None
    return np.asarray(-np.einsum("ijab,djb->dia", phonon.force_constants, displacements))
