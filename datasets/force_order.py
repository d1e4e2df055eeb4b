"""Whether forces are in the order of the supercell that they are said to be of.

A file of forces says nothing of the atoms that they act on. An atom that is displaced from rest is pulled
back, by about the largest force of all (by the acoustic sum rule it is minus the sum of all others), and
operations of symmetry that leave the displacement as it is leave the forces as they are. Forces of other
atoms do neither.
"""

from __future__ import annotations

import numpy as np
from phonopy.structure.cells import Supercell
from phonopy.structure.symmetry import Symmetry

from umlip_bench.datasets.force_exchange import exchanged

LARGE = 0.5
"""Part of the largest force that the one on the displaced atom has at least; 1 in all published sets."""
AT_REST = 1e-3
"""eV/Å; larger forces without displacement are worth a note."""
IMAGES = 8
"""Of an atom in the supercell, from which on the median of the forces on them is that at rest."""
ASYMMETRY = 0.3
"""Part of the forces on all other atoms that may break the symmetry; 0.13 at most in published sets, where
coarse convergence is the cause."""
SURE = 8.0
"""Times the error of a median that forces at rest are, to be taken for some."""
PULL = 0.1
"""Of random displacements: -cos of the angle between all displacements and all forces, at least. It is the
mean over the root mean square of the eigenvalues of the force constants: 0.6 or so."""


def misfit(
    supercell: Supercell,
    atoms: np.ndarray | None,
    displacements: np.ndarray,
    forces: np.ndarray,
    symprec: float,
) -> str:
    """What speaks against the order of forces.

    Parameters
    ----------
    supercell
        That the forces are said to be of.
    atoms
        Shape (D,), the displaced atom of each set; ``None`` where all are displaced.
    displacements
        Å, shape (D, 3), or (D, N, 3) where all atoms are displaced.
    forces
        eV/Å, shape (D, N, 3).
    symprec
        Å, for the supercell's symmetry.

    Returns
    -------
    str
        The figures of the first set that does not fit; empty if all do.
    """
    if atoms is None:
        without_rest = forces - _residual(supercell, None, forces)
        return _pull_of_all(displacements, without_rest) or exchanged(
            supercell, displacements, forces - _at_rest_for_sure(supercell, forces), symprec
        )
    symmetry = Symmetry(supercell, symprec=symprec)
    # In a small supercell no image is far enough away to show the forces at rest: there it is enough that
    # forces fit without their mean, which should be zero.
    sides = (
        forces - _residual(supercell, atoms, forces),
        forces - forces.mean(axis=1, keepdims=True),
    )
    for number, (atom, vector, *on_atoms) in enumerate(
        zip(atoms, displacements, *sides, strict=True), start=1
    ):
        found = [
            _pull(atom, vector, side) or _asymmetry(supercell, symmetry, atom, vector, side)
            for side in on_atoms
        ]
        if all(found):
            symbol = supercell.symbols[atom]
            return f"set {number}, in which atom {atom + 1} ({symbol}) is displaced: {found[0]}"
    kept = (_keeping(supercell, symmetry, *each) for each in zip(atoms, displacements, strict=True))
    if any(len(rotations) > 1 for rotations in kept):
        return ""
    # No operation but the identity keeps any displacement, so that none has shown the order.
    moves = np.zeros_like(forces)
    moves[np.arange(len(atoms)), atoms] = displacements
    return exchanged(supercell, moves, sides[0], symprec)


def at_rest(supercell: Supercell, atoms: np.ndarray | None, forces: np.ndarray) -> float:
    """Largest force without displacement, eV/Å; nan in a supercell too small to tell, or below `AT_REST`.

    Parameters as of `misfit`.
    """
    if np.bincount(supercell.s2u_map).max() < IMAGES:
        return float("nan")
    largest = float(np.linalg.norm(_residual(supercell, atoms, forces), axis=1).max())
    return largest if largest > AT_REST else float("nan")


def _residual(supercell: Supercell, atoms: np.ndarray | None, forces: np.ndarray) -> np.ndarray:
    """Forces that are there without displacement, shape (N, 3): the median over an atom's images.

    Displaced atoms are left out; an atom that has no other image in any set is taken to be at rest.
    """
    resting = np.ones(forces.shape[:2], dtype=bool)
    if atoms is not None:
        resting[np.arange(len(atoms)), atoms] = False
    residual = np.zeros(forces.shape[1:])
    for atom in np.unique(supercell.s2u_map):
        images = supercell.s2u_map == atom
        of_all = forces[:, images][resting[:, images]]
        if len(of_all):
            residual[images] = np.median(of_all, axis=0)
    return residual


def _at_rest_for_sure(supercell: Supercell, forces: np.ndarray) -> np.ndarray:
    """Forces at rest of random displacements, shape (N, 3); zero where they are lost in the scatter."""
    residual = _residual(supercell, None, forces)
    for atom in np.unique(supercell.s2u_map):
        images = supercell.s2u_map == atom
        about = forces[:, images] - residual[images]
        error = np.median(np.abs(about)) / np.sqrt(about.shape[0] * about.shape[1])
        if np.abs(residual[images]).max() < SURE * error:
            residual[images] = 0.0
    return residual


def _pull(atom: int, vector: np.ndarray, forces: np.ndarray) -> str:
    """Whether the displaced atom is not pulled back, by about the largest force."""
    sizes = np.linalg.norm(forces, axis=1)
    along = float(forces[atom] @ vector / np.linalg.norm(vector))
    if along < 0 and sizes[atom] >= LARGE * sizes.max():
        return ""
    where = "back" if along < 0 else "on" if along > 0 else "nowhere"
    return (
        f"the force on it, {sizes[atom]:.4f} eV/Å without what acts at rest, pulls it {where} "
        f"({along:+.4f} along its displacement); the largest on any atom is {sizes.max():.4f}, and "
        f"{int((sizes > sizes[atom]).sum())} of {len(sizes)} are larger"
    )


def _asymmetry(
    supercell: Supercell, symmetry: Symmetry, atom: int, vector: np.ndarray, forces: np.ndarray
) -> str:
    """Whether operations that keep the displacement do not keep the forces on all other atoms."""
    lattice, positions = supercell.cell, supercell.scaled_positions
    from_atom = positions - positions[atom]
    others = np.arange(len(positions)) != atom
    size = np.linalg.norm(forces[others])
    worst = 0.0
    for rotation in _keeping(supercell, symmetry, atom, vector):
        cartesian = np.linalg.inv(lattice) @ rotation.T @ lattice
        apart = (from_atom @ rotation.T)[:, None] - from_atom[None]
        apart -= np.rint(apart)
        image = np.linalg.norm(apart @ lattice, axis=-1).argmin(axis=1)
        broken = forces[image] - forces @ cartesian
        worst = max(worst, float(np.linalg.norm(broken[others])))
    if worst <= ASYMMETRY * size:
        return ""
    return (
        f"operations of symmetry that keep this displacement change the forces on the other atoms by "
        f"{100 * worst / size:.0f} % (up to {100 * ASYMMETRY:.0f} % are put down to convergence)"
    )


def _keeping(
    supercell: Supercell, symmetry: Symmetry, atom: int, vector: np.ndarray
) -> list[np.ndarray]:
    """Rotations about an atom that leave its displacement as it is; the identity is one."""
    lattice, near = supercell.cell, 1e-3 * np.linalg.norm(vector)
    scaled = vector @ np.linalg.inv(lattice)
    return [
        rotation
        for rotation in symmetry.get_site_symmetry(atom)
        if np.abs(scaled @ rotation.T @ lattice - vector).max() <= near
    ]


def _pull_of_all(displacements: np.ndarray, forces: np.ndarray) -> str:
    """Whether atoms that are all displaced at random are not pulled back on the whole."""
    pulls = -np.einsum("dni,dni->d", displacements, forces)
    sizes = np.linalg.norm(displacements, axis=(1, 2)) * np.linalg.norm(forces, axis=(1, 2))
    cosine = float(pulls.sum() / sizes.sum()) if sizes.sum() > 0 else 0.0
    if cosine >= PULL and (pulls > 0).all():
        return ""
    return (
        f"forces point against the displacements with a cosine of {cosine:.2f}, needed is {PULL} at "
        f"least, and in {int((pulls <= 0).sum())} of {len(pulls)} sets they do not on the whole"
    )
