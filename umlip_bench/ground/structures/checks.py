"""Which structures can be evaluated, and which are worth it."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import minkowski_reduce

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures.periodic import search_radius

COINCIDENT_BELOW = 1e-3
"""Å; two atoms closer than this are taken for one atom entered twice."""
LARGEST = 1e6
"""Å; coordinates and lattice vectors beyond this are no structure but a damaged number."""
SHORTEST = 0.5
"""Å; no bond is as short, not even of H2 (0.74 Å) under pressure."""
SHORTEST_SHARE = 0.4
"""Share of the sum of two covalent radii (B. Cordero et al., Dalton Trans. 2832 (2008)) that no bond falls
short of. Caesium at 200 GPa has 0.6, N2 has 0.8, H2 has 1.2."""
FULL = 1e-6
"""By which an occupancy may miss 1."""


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
        For an empty structure, positions or cell that are not finite or of absurd size, partial or no
        periodicity, a cell without volume, or an element that the potential does not know.
    """
    if len(atoms) == 0:
        raise StructureError("the structure has no atoms")
    _check_numbers(atoms)
    _check_periodicity(atoms)
    if elements:
        _check_elements(atoms, elements)


def check_input(atoms: Atoms) -> None:
    """Refuse a structure that nothing should be measured on; for structures as they come in.

    Beyond `check_structure` these are checks that cost a neighbour search or matter once only.

    Parameters
    ----------
    atoms
        The structure, with ``info`` and ``arrays`` as it was read.

    Raises
    ------
    StructureError
        As `check_structure` without elements, `check_occupancy` and `check_distances`; for atoms of no
        element or without a positive mass.
    """
    check_structure(atoms, ())
    _check_nuclei(atoms)
    check_occupancy(atoms)
    check_distances(atoms)


def _check_nuclei(atoms: Atoms) -> None:
    strange = np.flatnonzero((atoms.numbers < 1) | (atoms.numbers >= len(covalent_radii)))
    if len(strange):
        raise StructureError(
            f"atom {strange[0]} has the atomic number {atoms.numbers[strange[0]]}, which is no element "
            f"({len(strange)} of {len(atoms)} atoms are affected)"
        )
    masses = atoms.get_masses()
    # Not a number compares false.
    strange = np.flatnonzero(~((masses > 0) & (masses < np.inf)))
    if len(strange):
        raise StructureError(
            f"{describe(atoms)}: the mass of atom {strange[0]} is {masses[strange[0]]:g} u; masses must be "
            f"positive and finite ({len(strange)} of {len(atoms)} atoms are affected)"
        )


def check_occupancy(atoms: Atoms) -> None:
    """Refuse sites that are partly occupied: what would be measured is one of the ordered structures.

    Parameters
    ----------
    atoms
        With ``info["occupancy"]`` as ASE's reader of CIF leaves it (site to element to share), or an array
        ``occupancy`` or ``occupancies``, as PDB and MUSTEM files give it.

    Raises
    ------
    StructureError
        Names the first site.
    """
    named = ""
    found = atoms.info.get("occupancy")
    for site in found.values() if isinstance(found, dict) else ():
        shares = {s: x for s, x in site.items() if isinstance(x, int | float)}
        if any(abs(share - 1) > FULL for share in shares.values()):
            named = ", ".join(f"{symbol} {share:g}" for symbol, share in shares.items())
            break
    for key in ("occupancy", "occupancies"):
        shares_of = np.asarray(atoms.arrays.get(key, np.ones(len(atoms))))
        if not named and shares_of.shape == (len(atoms),) and shares_of.dtype.kind in "fi":
            for atom in np.flatnonzero(np.abs(shares_of - 1) > FULL)[:1]:
                named = f"{atoms.symbols[atom]} {shares_of[atom]:g}"
    if named:
        raise StructureError(
            f"{describe(atoms)}: a site is occupied by {named}; an ordered structure is needed: choose one "
            "ordering, or several for a solid solution"
        )


def check_distances(atoms: Atoms) -> None:
    """Refuse atoms that are nearer to each other than any bond is long.

    That is nearer than `SHORTEST`, or than `SHORTEST_SHARE` of the sum of their covalent radii. Dense states
    at hundreds of GPa and hydrogen molecules pass.

    Parameters
    ----------
    atoms
        That passes `check_structure`.

    Raises
    ------
    StructureError
        Names the two atoms and their distance.
    """
    # Slow to import, and not needed where no structure comes in.
    from pymatgen.optimization.neighbors import find_points_in_spheres

    # The same lattice in its shortest vectors: a skewed cell would be searched far and wide.
    cell, _ = minkowski_reduce(atoms.cell.array)
    lengths = np.linalg.norm(cell, axis=1)
    if lengths.min() < SHORTEST:
        raise StructureError(
            f"{describe(atoms)}: each atom is {lengths.min():.3g} Å away from its own periodic image, nearer "
            f"than any bond ({SHORTEST} Å); is the cell in another unit?"
        )
    scaled = atoms.positions @ np.linalg.inv(cell)
    positions = np.ascontiguousarray((scaled - np.floor(scaled)) @ cell)
    radii = covalent_radii[atoms.numbers]
    first, second, _, distances = find_points_in_spheres(
        positions,
        positions,
        r=search_radius(positions, cell, max(SHORTEST, 2 * SHORTEST_SHARE * float(radii.max()))),
        pbc=np.ones(3, dtype=np.int64),
        lattice=np.ascontiguousarray(cell),
        tol=1e-8,
    )
    pairs = (first != second) | (distances > 1e-8)
    first, second, distances = first[pairs], second[pairs], distances[pairs]
    allowed = np.maximum(SHORTEST, SHORTEST_SHARE * (radii[first] + radii[second]))
    near = distances < allowed
    if not near.any():
        return
    k = int(np.where(near, distances, np.inf).argmin())
    a, b = sorted((int(first[k]), int(second[k])))
    pair = f"atoms {a} ({atoms.symbols[a]}) and {b} ({atoms.symbols[b]})"
    n_atoms = len(set(first[near]))
    raise StructureError(
        f"{describe(atoms)}: {pair} are nearer than any bond: "
        f"{distances[k]:.3g} Å apart, at least {allowed[k]:.2f} Å are expected ({n_atoms} of {len(atoms)} "
        "atoms are affected). Is an atom entered twice, a coordinate rounded (0.333 for 1/3), or the cell "
        "in another unit?"
    )


def _check_numbers(atoms: Atoms) -> None:
    # A cell that is not finite makes positions so, which files give as fractions of it.
    if not np.isfinite(atoms.cell.array).all():
        raise StructureError(
            f"{describe(atoms)}: the cell is not finite: {atoms.cell.array.tolist()}"
        )
    if np.abs(atoms.cell.array).max() >= LARGEST:
        raise StructureError(
            f"{describe(atoms)}: the cell is {atoms.cell.array.tolist()}; lattice vectors must be below "
            f"{LARGEST:.0e} Å"
        )
    # Not a number compares false: only what is finite and of a sensible size passes.
    bad = np.flatnonzero(~(np.abs(atoms.positions) < LARGEST).all(axis=1))
    if len(bad):
        raise StructureError(
            f"{describe(atoms)}: the position of atom {bad[0]} is {atoms.positions[bad[0]]}; positions must "
            f"be finite and below {LARGEST:.0e} Å ({len(bad)} of {len(atoms)} atoms are affected)"
        )


def _check_periodicity(atoms: Atoms) -> None:
    if not atoms.pbc.all():
        periodic = "".join("T" if p else "F" for p in atoms.pbc)
        what = f"periodicity is {periodic}, but it must be TTT"
        if not atoms.pbc.any() and not atoms.cell.array.any():
            what = f"not periodic, no cell ({periodic}), but periodicity must be TTT"
        raise StructureError(
            f"{describe(atoms)}: {what}: several potentials treat "
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


def _check_elements(atoms: Atoms, elements: Collection[str]) -> None:
    unknown = sorted(set(atoms.symbols) - set(elements))
    if unknown:
        where = [i for i, s in enumerate(atoms.get_chemical_symbols()) if s == unknown[0]]
        raise StructureError(
            f"{describe(atoms)}: the potential was not trained on {', '.join(unknown)} "
            f"({unknown[0]} is atom {', '.join(map(str, where[:5]))}"
            f"{' ...' if len(where) > 5 else ''}); it knows {len(elements)} elements, "
            "listed by `umlip-bench models`"
        )
