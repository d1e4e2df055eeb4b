"""The conventional axes of a crystal, in which tensors are tabulated, and its point group in them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import spglib
from ase import Atoms
from numpy.typing import NDArray

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.structures import describe
from umlip_bench.ground.symmetry import found_by

FloatArray = NDArray[np.float64]

_TRICLINIC, _MONOCLINIC, _ORTHORHOMBIC = 2, 15, 74
"""Numbers of the last space group of a crystal system."""


@dataclass(frozen=True, eq=False)
class CrystalAxes(ReadOnlyArrays):
    """How a crystal lies in its file.

    Parameters
    ----------
    axes
        Unit vectors x1, x2, x3 as rows, in the file's Cartesian axes; right-handed, shape (3, 3).
    rotations
        The operations of the point group in x1, x2, x3, shape (R, 3, 3).
    """

    axes: FloatArray
    rotations: FloatArray

    def to_file(self, tensor: FloatArray) -> FloatArray:
        """Tensor of shape (3, 3) in the file's axes, from one in the crystal's."""
        return np.asarray(self.axes.T @ tensor @ self.axes)

    def to_crystal(self, tensor: FloatArray) -> FloatArray:
        """Tensor of shape (3, 3) in the crystal's axes, from one in the file's."""
        return np.asarray(self.axes @ tensor @ self.axes.T)


def crystal_axes(atoms: Atoms, symprec: float) -> CrystalAxes:
    """Axes of IEEE Std 176-1987, section 3.2, and the point group.

    Both follow from spglib's idealised cell, where the operations are a group to rounding: those of the
    cell as it is miss that by as much as the cell misses its symmetry. The signs of single constants
    that depend on more than the lattice, such as C14 of quartz, are those of spglib's setting.

    Parameters
    ----------
    atoms
        The crystal, in any cell and orientation.
    symprec
        Å, by how much it may miss its symmetry.

    Raises
    ------
    StructureError
        If no symmetry is found, as when atoms lie on each other.
    """
    cell = (atoms.cell.array, atoms.get_scaled_positions(), atoms.numbers)
    found = found_by(spglib.get_symmetry_dataset, cell, symprec=symprec)
    if found is None:
        raise StructureError(
            f"{describe(atoms)}: no symmetry found within {symprec} Å; check for atoms entered twice"
        )
    ideal, change = found.std_lattice.T, found.transformation_matrix
    to_ideal = ideal @ change
    rotations = [
        to_ideal @ each @ np.linalg.inv(to_ideal) for each in np.unique(found.rotations, axis=0)
    ]
    # The nearest rotation to the one from the cell as it is to the ideal one.
    left, _, right = np.linalg.svd(found.std_rotation_matrix)
    turn = left @ right
    standard = _standard_axes(found.std_lattice, found.number, found.pointgroup)
    axes = standard @ turn
    return CrystalAxes(
        # A left-handed cell differs by an inversion, which tensors of even rank do not see.
        axes=axes * np.sign(np.linalg.det(axes)),
        rotations=standard @ np.array(rotations) @ standard.T,
    )


def _standard_axes(lattice: FloatArray, number: int, pointgroup: str) -> FloatArray:
    """x1, x2, x3 as rows, in the axes of spglib's standard lattice: a along x, b in the plane of x and y."""
    if number > _ORTHORHOMBIC:
        return np.eye(3)
    by_length = lattice[np.argsort(np.linalg.norm(lattice, axis=1), kind="stable")]
    if number > _MONOCLINIC:
        # c < a < b; the polar axis is c whatever its length.
        c, a = by_length[:2]
        if pointgroup == "mm2":
            c = lattice[2]
            a = min(lattice[:2], key=np.linalg.norm)
        return _right_handed(c, a)
    if number > _TRICLINIC:
        # b along the twofold axis, c < a, β obtuse.
        c, a = sorted((lattice[0], lattice[2]), key=np.linalg.norm)
        return _right_handed(c, _obtuse(a, c))
    # c < a < b, α and β obtuse, x2 normal to a and c.
    c, a, b = by_length
    a, b = _obtuse(a, c), _obtuse(b, c)
    if np.linalg.det([a, b, c]) < 0:
        a, c = -a, -c
    return _right_handed(c, a)


def _obtuse(vector: FloatArray, c: FloatArray) -> FloatArray:
    return -vector if vector @ c > 0 else vector


def _right_handed(c: FloatArray, a: FloatArray) -> FloatArray:
    """x3 along c, x2 normal to both, x1 on the side of a."""
    x3 = c / np.linalg.norm(c)
    x2 = np.cross(c, a)
    x2 /= np.linalg.norm(x2)
    return np.array([np.cross(x2, x3), x2, x3])
