"""Which structures can be evaluated, and how to make one that can."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from ase import Atoms

from umlip_bench.ground.errors import StructureError

COINCIDENT_BELOW = 1e-3
"""Å; two atoms closer than this are taken for one atom entered twice."""


def describe(atoms: Atoms) -> str:
    """Short name of a structure for messages: its label if it has one, and its formula."""
    formula = atoms.get_chemical_formula()
    label = atoms.info.get("system", atoms.info.get("name"))
    return f"{label} ({formula})" if label else formula


def check_structure(atoms: Atoms, elements: Collection[str]) -> None:
    """Refuse a structure that no periodic potential should be asked about.

    Parameters
    ----------
    atoms
        The structure.
    elements
        Chemical symbols that the potential knows; empty for no such check.

    Raises
    ------
    StructureError
        For an empty structure, positions or cell that are not finite, partial or no periodicity, a
        cell without volume, or an element that the potential does not know.
    """
    if len(atoms) == 0:
        raise StructureError("the structure has no atoms")
    bad = np.flatnonzero(~np.isfinite(atoms.positions).all(axis=1))
    if len(bad):
        raise StructureError(
            f"{describe(atoms)}: the position of atom {bad[0]} is {atoms.positions[bad[0]]}; "
            f"positions must be finite ({len(bad)} of {len(atoms)} atoms are affected)"
        )
    if not np.isfinite(atoms.cell.array).all():
        raise StructureError(
            f"{describe(atoms)}: the cell is not finite: {atoms.cell.array.tolist()}"
        )
    if not atoms.pbc.all():
        periodic = "".join("T" if p else "F" for p in atoms.pbc)
        raise StructureError(
            f"{describe(atoms)}: periodicity is {periodic}, but it must be TTT: several potentials treat "
            "anything else as a molecule without saying so. For a slab or a molecule use "
            "umlip_bench.make_periodic(atoms, vacuum=10.0), which adds vacuum in the open directions"
        )
    # Relative to the edges, so that neither tiny nor huge cells are misjudged.
    volume = abs(np.linalg.det(atoms.cell.array))
    if volume < 1e-6 * np.prod(atoms.cell.lengths()) or volume == 0:
        raise StructureError(
            f"{describe(atoms)}: the cell has no volume (lengths {atoms.cell.lengths().tolist()} Å); all "
            "three lattice vectors are needed. For a slab or a molecule use "
            "umlip_bench.make_periodic(atoms, vacuum=10.0)"
        )
    if elements:
        unknown = sorted(set(atoms.symbols) - set(elements))
        if unknown:
            where = [i for i, s in enumerate(atoms.get_chemical_symbols()) if s == unknown[0]]
            raise StructureError(
                f"{describe(atoms)}: the potential was not trained on {', '.join(unknown)} "
                f"({unknown[0]} is atom {', '.join(map(str, where[:5]))}"
                f"{' ...' if len(where) > 5 else ''}); it knows {len(elements)} elements, "
                "listed by `umlip-bench models`"
            )


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
