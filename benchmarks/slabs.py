"""Geometry of slabs: faces, symmetry, how a slab lies in its crystal, and cutting new ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

import numpy as np
import spglib
from ase import Atoms
from ase.geometry import get_distances

from umlip_bench.ground.errors import DataError
from umlip_bench.ground.structures import describe
from umlip_bench.ground.symmetry import found_by

SYMMETRY = 0.05
"""Å; tolerance of symmetry. Relaxed coordinates of published sets are no better."""
ISOTROPIC = 1e-4
"""Largest deviation of a deformation from a multiple of the identity that is none."""
LENGTH, ANGLE = 0.025, 2.0
"""Relative and in degrees: how well edges of a slab match lattice vectors of its bulk. The slabs of
published sets are off by up to 1 % and 0.5°."""
MISFIT = 0.7
"""Å, root mean square of inner atoms from sites of the bulk; nearest neighbours are 2 Å apart or more."""

MIN_SLAB = MIN_VACUUM = 10.0
"""Å."""


# ---- faces


def normal_axis(slab: Atoms) -> int:
    """Index of the lattice vector across the vacuum: that with the widest layer free of atoms in Å."""
    heights = 1 / np.linalg.norm(slab.cell.reciprocal().array, axis=1)
    scaled = np.sort(slab.get_scaled_positions(wrap=True), axis=0)
    gaps = np.diff(np.vstack([scaled, scaled[:1] + 1]), axis=0).max(axis=0)
    return int(np.argmax(gaps * heights))


def face(slab: Atoms) -> np.ndarray:
    """The two lattice vectors in the plane, Å, shape (2, 3)."""
    return np.delete(slab.cell.array, normal_axis(slab), axis=0)


def area(slab: Atoms) -> float:
    """Area of one face in Å²."""
    first, second = face(slab)
    return float(np.linalg.norm(np.cross(first, second)))


def check_stoichiometry(slab: Atoms, bulk: Atoms) -> None:
    """Refuse a slab that is no multiple of its bulk: its energy would need chemical potentials.

    Raises
    ------
    DataError
        With both compositions.
    """
    atoms, formula = Counter(slab.symbols), Counter(bulk.symbols)
    if any(atoms[s] * len(bulk) != formula[s] * len(slab) for s in atoms | formula):
        raise DataError(
            f"{describe(slab)} is no multiple of {bulk.get_chemical_formula()}: the surface energy of a "
            "slab that is not stoichiometric depends on chemical potentials; use a stoichiometric one"
        )


def has_equal_faces(slab: Atoms) -> bool:
    """Whether a symmetry operation exchanges the two faces.

    Otherwise (E_slab - N e_bulk) / 2A is half the cleavage energy, the mean of two surfaces.
    """
    first, second = face(slab)
    normal = np.cross(first, second) / np.linalg.norm(np.cross(first, second))
    cell = (slab.cell.array, slab.get_scaled_positions(), slab.numbers)
    symmetry = found_by(spglib.get_symmetry, cell, symprec=SYMMETRY)
    if symmetry is None:
        return False
    lattice = slab.cell.array.T
    rotations = lattice @ symmetry["rotations"] @ np.linalg.inv(lattice)
    return bool(np.any(rotations @ normal @ normal < -0.99))


# ---- how a slab lies in its crystal


def primitive(bulk: Atoms) -> Atoms:
    """Primitive cell in the orientation of `bulk`, its sites as they are in the file."""
    cell = (bulk.cell.array, bulk.get_scaled_positions(), bulk.numbers)
    found = _primitive_of(*(np.ascontiguousarray(each).tobytes() for each in cell))
    if found is None:
        return bulk.copy()
    lattice, scaled, numbers = found
    return Atoms(numbers, cell=lattice, scaled_positions=scaled, pbc=True, info=dict(bulk.info))


# The orderings of a solid solution ask for the same two crystals, a twentieth of the time of all suites.
@lru_cache(maxsize=256)
def _primitive_of(
    lattice: bytes, scaled: bytes, numbers: bytes
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    cell = (
        np.frombuffer(lattice).reshape(3, 3),
        np.frombuffer(scaled).reshape(-1, 3),
        np.frombuffer(numbers, dtype=int),
    )
    return found_by(
        spglib.standardize_cell, cell, to_primitive=True, no_idealize=True, symprec=SYMMETRY
    )


def strained_like(slab: Atoms, bulk: Atoms, relaxed: Atoms) -> Atoms:
    """Deform a slab as its bulk was deformed by relaxing.

    The slab, relaxed or as cut, keeps its fractional coordinates, and its face becomes that of a
    slab cut from the relaxed bulk; the relaxation that follows is at this cell. Where the deformation is
    not isotropic, it is turned by the rotation from the slab to the bulk, which `orientation` finds.

    Parameters
    ----------
    slab
        Any slab of `bulk`.
    bulk, relaxed
        The bulk before and after; the deformation F takes the lattice (rows) of one to the other.

    Raises
    ------
    DataError
        As `orientation`.
    """
    deformation = np.linalg.solve(bulk.cell.array, relaxed.cell.array)
    scale = np.trace(deformation) / 3
    if np.abs(deformation - scale * np.eye(3)).max() > ISOTROPIC:
        rotation = orientation(slab, bulk)
        deformation = rotation @ deformation @ rotation.T
    out = slab.copy()
    out.set_cell(slab.cell.array @ deformation, scale_atoms=True)
    return out


def orientation(slab: Atoms, bulk: Atoms) -> np.ndarray:
    """Rotation Q, shape (3, 3), that turns vectors of a slab into the frame of its bulk: v_bulk = v Q.

    The edges of the face are lattice vectors of the bulk, in lengths and angle; of all pairs that fit,
    the one is taken that brings the inner atoms of the slab onto sites of the bulk.

    Raises
    ------
    DataError
        If no pair does.
    """
    first, second = face(slab)
    from_slab = _frame(first, second)
    misfits = [
        (_misfit(slab, bulk, rotation), k, rotation)
        for k, (v, w) in enumerate(_pairs_like(first, second, bulk))
        for rotation in [from_slab.T @ _frame(v, w)]
    ]
    if not misfits or min(misfits)[0] > MISFIT:
        raise DataError(
            f"{describe(slab)}: no way to cut it from {describe(bulk)} was found (edges within "
            f"{LENGTH:.1%} and {ANGLE}°, inner atoms within {MISFIT} Å of sites); its cell and the "
            "bulk's must be of one crystal"
        )
    return min(misfits)[2]


def _frame(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Right-handed orthonormal rows, the first along `first`, the third normal to both."""
    x = first / np.linalg.norm(first)
    normal = np.cross(first, second)
    z = normal / np.linalg.norm(normal)
    return np.array([x, np.cross(z, x), z])


def _pairs_like(
    first: np.ndarray, second: np.ndarray, bulk: Atoms
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Pairs of lattice vectors with lengths and angle of two given ones."""
    lengths = np.linalg.norm(first), np.linalg.norm(second)
    heights = 1 / np.linalg.norm(bulk.cell.reciprocal().array, axis=1)
    reach = np.ceil((1 + LENGTH) * max(lengths) / heights).astype(int)
    integers = np.array(list(product(*(range(-n, n + 1) for n in reach))))
    vectors = integers @ bulk.cell.array
    norms = np.linalg.norm(vectors, axis=1)
    like_first, like_second = (
        vectors[np.abs(norms - length) < LENGTH * length] for length in lengths
    )
    angle = _angle(first, second)
    for v, w in product(like_first, like_second):
        if abs(_angle(v, w) - angle) < ANGLE:
            yield v, w


def _angle(v: np.ndarray, w: np.ndarray) -> float:
    """In degrees."""
    cosine = v @ w / np.linalg.norm(v) / np.linalg.norm(w)
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _misfit(slab: Atoms, bulk: Atoms, rotation: np.ndarray) -> float:
    """Root mean square distance in Å of the slab's inner half from sites of the bulk."""
    axis = normal_axis(slab)
    normal = slab.cell.reciprocal().array[axis]
    height = _unwrapped(slab, axis) @ normal
    inner = np.argsort(np.abs(height - np.median(height)))[: max(2, len(slab) // 2)]
    positions = _unwrapped(slab, axis)[inner] @ rotation
    numbers = slab.numbers[inner]
    best = np.inf
    for site in np.flatnonzero(bulk.numbers == numbers[0]):
        moved = positions - positions[0] + bulk.positions[site]
        _, distances = get_distances(moved, bulk.positions, cell=bulk.cell, pbc=True)
        distances[numbers[:, None] != bulk.numbers] = np.inf
        best = min(best, float(np.sqrt((distances.min(axis=1) ** 2).mean())))
    return best


def _unwrapped(slab: Atoms, axis: int) -> np.ndarray:
    """Positions in Å of a slab in one piece across the boundary of the cell."""
    scaled = slab.get_scaled_positions(wrap=True)
    height = np.sort(scaled[:, axis])
    gaps = np.diff(np.append(height, height[0] + 1))
    start = height[(int(np.argmax(gaps)) + 1) % len(height)]
    scaled[:, axis] = (scaled[:, axis] - start + 1e-9) % 1
    return scaled @ slab.cell.array


# ---- cutting


@dataclass(frozen=True, eq=False)
class Cut:
    """A slab cut from a crystal.

    Parameters
    ----------
    miller_index
        In the conventional cell.
    termination
        From 1, among those of the index that are kept.
    slab
        As cut.
    """

    miller_index: tuple[int, int, int]
    termination: int
    slab: Atoms


@dataclass(frozen=True, eq=False)
class Cuts:
    """All that a crystal can be cut into.

    Parameters
    ----------
    kept
        Symmetric and stoichiometric slabs.
    left_out
        Others by their faces, in words: each has a surface energy only for given chemical potentials, or
        only together with another one.
    """

    kept: tuple[Cut, ...]
    left_out: tuple[str, ...]


def conventional(crystal: Atoms) -> Atoms:
    """The conventional standard cell, which Miller indices refer to."""
    from pymatgen.io.ase import AseAtomsAdaptor
    from pymatgen.symmetry.analyzer import SpacegroupAnalyzer

    structure = AseAtomsAdaptor.get_structure(crystal)
    standard = SpacegroupAnalyzer(structure).get_conventional_standard_structure()
    return _atoms(standard, crystal.info)


def cut(crystal: Atoms, max_index: int) -> Cuts:
    """All slabs up to a Miller index, at least 10 Å thick, with at least 10 Å of vacuum.

    Parameters
    ----------
    crystal
        Conventional cell.
    max_index
        Highest Miller index.
    """
    from pymatgen.core.surface import generate_all_slabs
    from pymatgen.io.ase import AseAtomsAdaptor

    structure = AseAtomsAdaptor.get_structure(crystal)
    found = generate_all_slabs(
        structure,
        max_index=max_index,
        min_slab_size=MIN_SLAB,
        min_vacuum_size=MIN_VACUUM,
        center_slab=True,
    )
    kept: list[Cut] = []
    left_out: Counter[str] = Counter()
    numbers: Counter[tuple[int, ...]] = Counter()
    for each in found:
        slab = _atoms(each, {})
        index = tuple(int(i) for i in each.miller_index)
        if each.composition.reduced_formula != structure.composition.reduced_formula:
            left_out[f"{_named(index)}: not stoichiometric"] += 1
        elif not has_equal_faces(slab):
            left_out[f"{_named(index)}: two different faces"] += 1
        else:
            numbers[index] += 1
            slab.info["system"] = f"{describe(crystal)} {_named(index)}"
            h, k, m = index
            kept.append(Cut((h, k, m), numbers[index], slab))
    return Cuts(tuple(kept), tuple(left_out))


def _named(index: tuple[int, ...]) -> str:
    return f"({' '.join(map(str, index))})"


def _atoms(structure: object, info: dict[str, object]) -> Atoms:
    from pymatgen.io.ase import AseAtomsAdaptor

    converted = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    return Atoms(
        converted.numbers,
        positions=converted.positions,
        cell=converted.cell,
        pbc=True,
        info=dict(info),
    )
