"""Structures to label: reading them, and telling whether a result is one of them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ase.io
import numpy as np
from ase import Atoms
from ase.io.formats import UnknownFileTypeError

from umlip_bench.ground.errors import LabelError
from umlip_bench.ground.structures import check_structure, describe

TOLERANCE = 1e-3
"""Å. Codes print positions to 1e-6 Å or better; a step of a relaxation is larger than this."""


def read_structures(path: Path) -> list[Atoms]:
    """Read all structures of a file that ASE knows.

    Raises
    ------
    LabelError
        If it cannot be read, is empty, or a structure is not periodic in all directions.
    """
    try:
        found = ase.io.read(path, index=":")
    except FileNotFoundError:
        raise LabelError(f"{path}: no such file") from None
    # What ASE's readers raise on content that is not what the file's name promises.
    except (
        AssertionError,
        OSError,
        ValueError,
        KeyError,
        IndexError,
        TypeError,
        RuntimeError,
        UnknownFileTypeError,
    ) as error:
        raise LabelError(
            f"{path} cannot be read ({type(error).__name__}: {error}); expected a structure file that ASE "
            "knows, such as extended XYZ, CIF or POSCAR"
        ) from error
    if not found:
        raise LabelError(f"{path} holds no structure")
    for atoms in found:
        check_structure(atoms, ())
    return list(found)


def read_structure(path: Path) -> Atoms:
    """Read the one structure of a file.

    Raises
    ------
    LabelError
        As `read_structures`, if there are several, or sites are partly occupied.
    """
    found = read_structures(path)
    if len(found) > 1:
        raise LabelError(f"{path} holds {len(found)} structures; give a file with one of them")
    (atoms,) = found
    occupancy = atoms.info.get("occupancy", {})
    shared = [site for site in occupancy.values() if any(abs(x - 1) > 1e-6 for x in site.values())]
    if shared:
        named = ", ".join(f"{symbol} {share:g}" for symbol, share in shared[0].items())
        raise LabelError(
            f"{path}: a site is occupied by {named}; DFT needs an ordered structure: choose one ordering"
        )
    return atoms


@dataclass(frozen=True, eq=False)
class Match:
    """The same structure, its atoms perhaps in another order and other periodic images.

    Parameters
    ----------
    order
        Shape (N,): atom k of the reference is atom ``order[k]`` of the other.
    deviation
        Largest distance between the two, Å.
    """

    order: np.ndarray
    deviation: float


@dataclass(frozen=True)
class Mismatch:
    """Another structure.

    Parameters
    ----------
    reason
        What differs first: composition, cell or positions.
    deviation
        How far it is off, Å; infinite for another composition.
    """

    reason: str
    deviation: float


def compare(reference: Atoms, other: Atoms, tolerance: float = TOLERANCE) -> Match | Mismatch:
    """Tell whether two structures are the same up to order of atoms and lattice translations of each.

    Parameters
    ----------
    reference, other
        Fully periodic structures.
    tolerance
        Å, of components of lattice vectors and of distances between corresponding atoms.
    """
    if sorted(reference.numbers) != sorted(other.numbers):
        return Mismatch(
            f"its composition is {describe(other)}, not {describe(reference)}", float("inf")
        )
    cell = float(np.abs(reference.cell.array - other.cell.array).max())
    if cell > tolerance:
        return Mismatch(f"its cell differs by {cell:.4f} Å", cell)
    order = np.full(len(reference), -1)
    deviation = np.zeros(len(reference))
    here, there = (atoms.cell.scaled_positions(atoms.positions) for atoms in (reference, other))
    for number in np.unique(reference.numbers):
        mine = np.flatnonzero(reference.numbers == number)
        theirs = np.flatnonzero(other.numbers == number)
        apart = here[mine][:, None] - there[theirs]
        # Exact for atoms that lie close, which are the only ones of interest.
        apart -= np.round(apart)
        distances = np.linalg.norm(apart @ reference.cell.array, axis=2)
        nearest = distances.argmin(axis=1)
        order[mine] = theirs[nearest]
        deviation[mine] = distances[np.arange(len(mine)), nearest]
    worst = int(deviation.argmax())
    if deviation[worst] > tolerance or len(set(order)) < len(order):
        return Mismatch(
            f"atom {worst} ({reference.symbols[worst]}) is {deviation[worst]:.4f} Å away from where it "
            "should be",
            float(deviation[worst]),
        )
    return Match(order, float(deviation[worst]))
