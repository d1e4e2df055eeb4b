"""What phonopy and the libraries beside it raise, as errors of one crystal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from ase import Atoms
from seekpath.hpkot import SymmetryDetectionError
from spglib.error import SpglibError

from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.structures import describe


@contextmanager
def phonopys_failures(unitcell: Atoms) -> Iterator[None]:
    """Make what phonopy, symfc, spglib and seekpath raise on a crystal an error of that crystal.

    Raises
    ------
    StructureError
        Names the crystal and what was said.
    """
    try:
        yield
    # Their own word for "cannot be done": too few displacements, no symmetry, atoms on each other.
    except (
        RuntimeError,
        ValueError,
        np.linalg.LinAlgError,
        SpglibError,
        SymmetryDetectionError,
    ) as error:
        raise StructureError(
            f"{describe(unitcell)}: phonopy fails ({type(error).__name__}: "
            f"{' '.join(str(error).split())}); check that displacements, supercell and tolerance of "
            "symmetry belong together"
        ) from error
