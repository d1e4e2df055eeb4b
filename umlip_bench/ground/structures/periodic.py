"""Making open structures periodic, and bringing atoms back into their cell."""

from __future__ import annotations

import numpy as np
from ase import Atoms

from umlip_bench.ground.errors import StructureError

FAR_OUTSIDE = 1
"""Cells; atoms up to this far outside their own stay where they are when neighbours are searched."""

BOXES = 1e7
"""Most boxes that a search for neighbours divides space into; of eight bytes or so each."""


def make_periodic(atoms: Atoms, vacuum: float) -> Atoms:
    """Copy of a slab or molecule, periodic in all directions, with vacuum along the open ones.

    Periodic directions keep their lattice vectors. Along every other direction the lattice vector is
    set so that the atoms and their nearest images are `vacuum` apart, perpendicular to the periodic
    ones, and the atoms are centred.

    Parameters
    ----------
    atoms
        A structure as `ase.build` makes them, with any periodicity.
    vacuum
        Distance in Å between the outermost atoms and their periodic images; at least the
        cutoff radius of the potential (5 to 6 Å for most) for images not to interact.

    Returns
    -------
    Atoms
        With ``pbc`` true in all three directions; calculator and constraints are not copied.

    Raises
    ------
    StructureError
        If `vacuum` is not positive and finite, a periodic direction has no lattice vector, or there are
        no atoms.
    """
    if len(atoms) == 0:
        raise StructureError("the structure has no atoms")
    if not 0 < vacuum < np.inf:
        raise StructureError(f"vacuum is {vacuum} Å; it must be positive and finite, e.g. 10.0")
    out = Atoms(
        numbers=atoms.numbers,
        positions=atoms.positions,
        cell=atoms.cell,
        pbc=atoms.pbc,
        info=dict(atoms.info),
        masses=atoms.get_masses() if atoms.has("masses") else None,
        magmoms=atoms.get_initial_magnetic_moments() if atoms.has("initial_magmoms") else None,
    )
    periodic = [k for k in range(3) if out.pbc[k]]
    lengths = out.cell.lengths()
    missing = [k for k in periodic if lengths[k] < 1e-8]
    if missing:
        raise StructureError(f"direction {missing[0]} is periodic but its lattice vector is zero")
    open_axes = [k for k in range(3) if not out.pbc[k]]
    if open_axes:
        cell = out.cell.array.copy()
        cell[open_axes] = 0.0
        # Cell.complete() fills the open directions with unit vectors normal to the rest.
        normals = Atoms(cell=cell).cell.complete().array
        for k in open_axes:
            height = np.ptp(out.positions @ normals[k])
            cell[k] = normals[k] * (height + vacuum)
        out.set_cell(cell, scale_atoms=False)
        out.center(axis=open_axes)
        out.pbc = True
    return out


def brought_near(positions: np.ndarray, cell: np.ndarray) -> np.ndarray:
    """Positions with atoms that have wandered far brought back into the cell.

    What looks for neighbours takes memory as the cube of the atoms' extent. Atoms up to `FAR_OUTSIDE` cells
    outside stay, so that nothing changes for them, not even by rounding.

    Parameters
    ----------
    positions
        Shape (N, 3), Å.
    cell
        Shape (3, 3), Å, with a volume.

    Returns
    -------
    ndarray
        Shape (N, 3), Å: each atom where it was or at a periodic image of that place.
    """
    positions = np.ascontiguousarray(positions, dtype=float)
    cells = np.floor(positions @ np.linalg.inv(cell))
    far = (np.abs(cells + 0.5) > FAR_OUTSIDE + 0.5).any(axis=1)
    if not far.any():
        return positions
    return np.asarray(positions - np.where(far[:, None], cells, 0.0) @ cell)


def search_radius(positions: np.ndarray, cell: np.ndarray, cutoff: float) -> float:
    """Radius to search neighbours with, of which those within a cutoff are kept.

    A search divides the space that atoms and images take into boxes of this radius, of which a cell that is
    mostly vacuum has more than there is memory.

    Parameters
    ----------
    positions, cell
        Å, shapes (N, 3) and (3, 3).
    cutoff
        Å.

    Returns
    -------
    float
        The cutoff, or more where that would be too many boxes.
    """
    extent = np.ptp(np.concatenate([positions, positions + cell.sum(axis=0)]), axis=0)
    return max(cutoff, float(np.prod(extent + cutoff) / BOXES) ** (1 / 3))
