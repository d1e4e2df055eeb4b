"""Paths of images: the way from each to the next, and what makes a path that can be measured."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from umlip_bench.engine.constraints import free_components
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import COINCIDENT_BELOW, check_structure, describe

_SAME_CELL = 1e-6
"""Å; cells that differ by less differ by how they were written to a file."""


def steps_between(images: Sequence[Atoms]) -> np.ndarray:
    """Shape (n - 1, N, 3), Å: shortest way of every atom from each image to the next."""
    positions = np.array([image.positions for image in images])
    steps = np.diff(positions, axis=0)
    shortest, _ = find_mic(steps.reshape(-1, 3), images[0].cell)
    return np.asarray(shortest).reshape(steps.shape)


def check_limits(fmax: float, steps: int) -> None:
    """Refuse limits that no relaxation along a path can have."""
    if not fmax > 0:
        raise ValueError(f"fmax is {fmax} eV/Å; it must be positive, e.g. 0.05")
    if steps < 0:
        raise ValueError(f"steps is {steps}; it must not be negative")


def check_path(images: Sequence[Atoms]) -> None:
    """Refuse images that are too few or not of the same atoms and cell."""
    if len(images) < 3:
        raise StructureError(
            f"the path has {len(images)} images; it must have at least 3, the end points and one between"
        )
    first = images[0]
    for k, image in enumerate(images):
        check_structure(image, ())
        if not np.array_equal(image.numbers, first.numbers):
            raise StructureError(
                f"image {k} ({describe(image)}) has other atoms than image 0 ({describe(first)}), or in "
                "another order; all images must list the same atoms in the same order"
            )
        difference = np.abs(image.cell.array - first.cell.array).max()
        if difference > _SAME_CELL:
            raise StructureError(
                f"{describe(image)}: the cell of image {k} differs from that of image 0 by "
                f"{difference:.2g} Å; all images must have the same cell, e.g. by "
                "image.set_cell(images[0].cell, scale_atoms=True)"
            )


def free_on_path(images: Sequence[Atoms], fixed: np.ndarray | None) -> np.ndarray:
    """Shape (N, 3): 1 for components that may move in the intermediate images, 0 for fixed ones."""
    free = free_components(images[1], fixed)
    for k, image in enumerate(images[2:-1], start=2):
        if not np.array_equal(free_components(image, fixed), free):
            raise StructureError(
                f"{describe(image)}: images 1 and {k} fix different atoms; set the same constraints on all "
                "intermediate images"
            )
    moved = np.linalg.norm(steps_between(images) * (1 - free), axis=2)
    k, atom = np.unravel_index(moved.argmax(), moved.shape)
    if moved[k, atom] > COINCIDENT_BELOW:
        raise StructureError(
            f"{describe(images[0])}: atom {atom} is fixed but moves by {moved[k, atom]:.3g} Å from image {k} "
            f"to image {k + 1}; a fixed atom must be at the same place in all images, or must not be fixed"
        )
    return free


def check_distinct(images: Sequence[Atoms], free: np.ndarray) -> None:
    """Refuse neighbouring images that are the same: there is no direction from one to the other."""
    lengths = np.linalg.norm(steps_between(images) * free, axis=(1, 2))
    k = int(lengths.argmin())
    if lengths[k] < COINCIDENT_BELOW:
        raise StructureError(
            f"{describe(images[0])}: images {k} and {k + 1} are {lengths[k]:.2g} Å apart and must be at "
            f"least {COINCIDENT_BELOW} Å for the path to have a direction there; leave one of them out or "
            "interpolate again"
        )


def check_moving(images: Sequence[Atoms], moving: int) -> None:
    """Refuse a path on which another atom than the one named is the one that migrates."""
    ways = np.linalg.norm(steps_between(images), axis=2).sum(axis=0)
    farthest = int(ways.argmax())
    if ways[moving] < max(0.5 * ways[farthest], COINCIDENT_BELOW):
        raise StructureError(
            f"{describe(images[0])}: the moving ion, atom {moving} ({images[0].symbols[moving]}), travels "
            f"{ways[moving]:.3g} Å along the path, but atom {farthest} ({images[0].symbols[farthest]}) "
            f"{ways[farthest]:.3g} Å; name the atom that migrates (atoms count from 0)"
        )


def farthest_from_path(images: Sequence[Atoms], moving: int) -> int:
    """Atom whose smallest distance to the moving ion over all images is the largest."""
    if len(images[0]) < 2:
        raise StructureError(
            f"{describe(images[0])}: the cell holds the moving ion alone; the other atoms can only relax "
            "around it if there are any"
        )
    from_ion = np.array([image.positions - image.positions[moving] for image in images])
    _, lengths = find_mic(from_ion.reshape(-1, 3), images[0].cell)
    nearest = np.asarray(lengths).reshape(len(images), -1).min(axis=0).round(3)
    nearest[moving] = -1
    return int(nearest.argmax())
