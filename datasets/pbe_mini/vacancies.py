"""Vacancies, Schottky pairs and hops, in small supercells at ideal sites."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk, make_supercell
from structures import (  # type: ignore[import-not-found]
    CRYSTALS,
    MAGNESIUM,
    TWICE_PRIMITIVE,
    Point,
    bare,
    crystal,
    fine_mesh,
    point,
)

PAIRS = ("LiF", "NaCl", "CaO", "MgS")
"""Rocksalt crystals with a Schottky pair in one cell."""


def defects() -> Iterator[Point]:
    """Vacancies at ideal sites and their hosts, then Schottky pairs and theirs."""
    yield from _vacancies()
    for system in PAIRS:
        yield from _schottky_pair(system)


def _vacancies() -> Iterator[Point]:
    """Vacancies at the origin; in MgO also one of Mg, beside the origin."""
    for system, host in (
        ("Al", make_supercell(crystal("Al", cubic=True), TWICE_PRIMITIVE)),
        ("Mg", _magnesium()),
        ("Si", make_supercell(crystal("Si", cubic=True), TWICE_PRIMITIVE)),
        ("MgO", make_supercell(crystal("MgO", cubic=True), TWICE_PRIMITIVE)),
    ):
        removed = "O" if system == "MgO" else system
        vacancy = next(i for i, symbol in enumerate(host.symbols) if symbol == removed)
        host.positions -= host.positions[vacancy]
        host.wrap()
        info = {"system": system, "removed": removed}
        mesh = fine_mesh(host, system)
        yield point(f"vacancy-{system}-host", host, mesh, role="host", **info)
        yield point(f"vacancy-{system}", _without(host, vacancy), mesh, role="defective", **info)
        if system == "MgO":
            cation = _at(host, CRYSTALS["MgO"][1] / 2 * np.array([1.0, 0.0, 0.0]))
            info["removed"] = "Mg"
            defective = _without(host, cation)
            yield point("vacancy-MgO-Mg", defective, mesh, role="defective", **info)


def _schottky_pair(system: str) -> Iterator[Point]:
    """Neutral pair of vacancies in one cell of 16 sites, which keeps the composition and the gap.

    The vacancy of the cation is at the origin. That of the anion is at the site farthest from it and its
    images, (1/2, 1/2, 1/2) of the cubic lattice constant: both together have the rotations of a tetrahedron.
    """
    host = make_supercell(crystal(system, cubic=True), TWICE_PRIMITIVE)
    cation, anion = crystal(system, cubic=True).symbols[:2]
    host.positions -= host.positions[next(i for i, s in enumerate(host.symbols) if s == cation)]
    host.wrap()
    far = CRYSTALS[system][1] / 2 * np.ones(3)
    defective = host.copy()
    del defective[[_at(host, np.zeros(3)), _at(host, far)]]
    info = {"system": system, "removed": f"{cation} {anion}"}
    mesh = fine_mesh(host, system)
    yield point(f"schottky-{system}-host", host, mesh, role="host", **info)
    yield point(f"schottky-{system}", defective, mesh, role="defective", **info)


def _without(host: Atoms, site: int) -> Atoms:
    """Copy of a crystal less one atom."""
    defective = host.copy()
    del defective[site]
    return defective


def _magnesium() -> Atoms:
    """Hexagonal cell of eight sites."""
    a, c = MAGNESIUM
    return bare(bulk("Mg", "hcp", a=a, c=c).repeat((2, 2, 1)))


def migration() -> Iterator[Point]:
    """Hops of a neighbour into the vacancy at the origin: the first three of five images on a straight line.

    Nothing else moves. The first image is the vacancy of `defects`. The last two images mirror the first two
    in the plane half-way.
    """
    for system in ("Al", "Mg"):
        vacancy = next(p for p in defects() if p.name == f"vacancy-{system}")
        site = {"Al": [0.5, 0.5, 0.0], "Mg": [1.0, 0.0, 0.0]}[system]
        constant = {"Al": CRYSTALS["Al"][1], "Mg": MAGNESIUM[0]}[system]
        path = -constant * np.array(site)
        moving = _at(vacancy.atoms, -path)
        for image in range(3):
            atoms = vacancy.atoms.copy()
            atoms.positions[moving] += path * image / 4
            name = f"hop-{system}-{image}" if image else vacancy.name
            info: dict[str, Any] = {"image": image, "moving": moving, "path": path}
            yield point(name, atoms, vacancy.mesh, system=system, **info)


def _at(atoms: Atoms, position: np.ndarray) -> int:
    """Index of the atom at a position or an image of it."""
    fractional = atoms.cell.scaled_positions(atoms.positions - position)
    distance = np.abs(fractional - np.round(fractional)).max(axis=1)
    return int(np.argmin(distance))
