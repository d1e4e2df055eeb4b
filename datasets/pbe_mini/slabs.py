"""Slabs as cut from the bulk, and the bulk in a cell with the same face."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
from ase import Atoms
from ase.build import bulk, fcc111, hcp0001
from structures import (  # type: ignore[import-not-found]
    CRYSTALS,
    MAGNESIUM,
    METALS,
    Point,
    bare,
    crystal,
    fine_mesh,
    point,
)

LAYERS = 5
VACUUM = 10.0
"""Å between the outermost planes of a slab and its image."""


def surfaces() -> Iterator[Point]:
    """Slabs of five layers as cut from the bulk, and the bulk in a cell with the same face.

    Faces of crystals of two elements have both in each layer. Nothing is reconstructed: those of diamond,
    cubic BN and SiC are the (110) faces, along which BN cleaves.
    """
    faces: tuple[tuple[str, str, Callable[[], tuple[Atoms, Atoms]]], ...] = (
        ("Al", "111", _aluminium_111),
        *((system, "100", lambda s=system: _rocksalt_100(s)) for system in ROCKSALT),
        ("Mg", "0001", _magnesium_0001),
        *((system, "110", lambda s=system: _zincblende_110(s)) for system in ZINCBLENDE),
    )
    for system, miller, build in faces:
        slab, cell = build()
        name = f"surface-{system}-{miller}"
        # A thin metal needs more than its bulk does, and these cells are small.
        factor = 2.0 if system in METALS else 1.0
        mesh = fine_mesh(cell, system, factor)
        # Four digits with blanks between: as one they would be read as a number.
        index = miller if len(miller) == 3 else " ".join(miller)
        yield point(f"{name}-bulk", cell, mesh, system=system, miller=index, role="bulk")
        mesh = (mesh[0], mesh[1], 1)
        yield point(f"{name}-slab", slab, mesh, system=system, miller=index, role="slab")


ROCKSALT = ("LiF", "MgO", "NaCl", "CaO", "MgS")
ZINCBLENDE = ("C", "BN", "SiC")


def _aluminium_111() -> tuple[Atoms, Atoms]:
    constant = CRYSTALS["Al"][1]
    cell = fcc111("Al", (1, 1, 3), a=constant, periodic=True)
    slab = fcc111("Al", (1, 1, LAYERS), a=constant)
    slab.positions -= slab.positions[LAYERS // 2]
    slab.cell[2] = [0, 0, np.ptp(slab.positions[:, 2]) + VACUUM]
    slab.wrap(pbc=True)
    return bare(slab), bare(cell)


def _rocksalt_100(system: str) -> tuple[Atoms, Atoms]:
    """Cells of two atoms per layer; their axes are at 45° to the cubic ones."""
    constant = CRYSTALS[system][1]
    cubic = crystal(system, cubic=True)
    cation, anion = cubic.numbers[:2]

    def layers(indices: Iterable[int], height: float) -> Atoms:
        side = constant / np.sqrt(2)
        atoms = Atoms(cell=[side, side, height], pbc=True)
        for index in indices:
            numbers = (cation, anion) if index % 2 == 0 else (anion, cation)
            z = index * constant / 2
            atoms += Atoms(numbers, positions=[[0, 0, z], [side / 2, side / 2, z]])
        atoms.wrap()
        return atoms

    half = LAYERS // 2
    slab = layers(range(-half, half + 1), (LAYERS - 1) * constant / 2 + VACUUM)
    return slab, layers(range(2), constant)


def _magnesium_0001() -> tuple[Atoms, Atoms]:
    a, c = MAGNESIUM
    cell = bulk("Mg", "hcp", a=a, c=c)
    slab = hcp0001("Mg", (1, 1, LAYERS), a=a, c=c)
    slab.positions -= slab.positions[LAYERS // 2]
    slab.cell[2] = [0, 0, np.ptp(slab.positions[:, 2]) + VACUUM]
    slab.wrap(pbc=True)
    cell.set_cell(np.array([slab.cell[0], slab.cell[1], [0, 0, c]]))
    return bare(slab), bare(cell)


def _zincblende_110(system: str) -> tuple[Atoms, Atoms]:
    """Cells of two atoms per layer; the axes are [001], [1-10] and [110] of the crystal."""
    constant = CRYSTALS[system][1]
    first, second = crystal(system).numbers
    step = constant / np.sqrt(8)

    def layers(indices: Iterable[int], height: float) -> Atoms:
        atoms = Atoms(cell=[constant, 2 * step, height], pbc=True)
        for index in indices:
            shift, z = index % 2, index * step
            places = np.array(
                [[0.5 * shift, step * shift], [0.75 - 0.5 * shift, step * (1 - shift)]]
            )
            places[:, 0] *= constant
            atoms += Atoms([first, second], positions=[[x, y, z] for x, y in places])
        atoms.wrap()
        return atoms

    half = LAYERS // 2
    slab = layers(range(-half, half + 1), (LAYERS - 1) * step + VACUUM)
    return slab, layers(range(2), 2 * step)
