"""Phonons of which a source has no force sets: force constants, or frequencies alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar

import numpy as np
from ase import Atoms

from umlip_bench.datasets.cases import ReferenceCase
from umlip_bench.datasets.tasks import Task


@dataclass(frozen=True, eq=False, kw_only=True)
class ForceConstantsCase(ReferenceCase):
    """Force constants of a supercell.

    Parameters
    ----------
    unitcell, supercell_matrix, primitive_matrix, symprec, notes
        As of `umlip_bench.datasets.cases.PhononCase`.
    force_constants
        eV/Å², shape (N, N, 3, 3) of the N atoms of phonopy's supercell, or (n, N, 3, 3) with a row for each
        atom of phonopy's primitive cell.
    displaced_atoms, displacements
        As of `PhononCase`, of the supercells that they were made from; ``None`` where the source does not
        have them: models then have those that symmetry needs.
    """

    task: ClassVar[Task] = Task.PHONONS

    unitcell: Atoms
    supercell_matrix: np.ndarray
    primitive_matrix: np.ndarray
    force_constants: np.ndarray
    displaced_atoms: np.ndarray | None = None
    displacements: np.ndarray | None = None
    symprec: float = 1e-5
    notes: tuple[str, ...] = ()


class WaveVectors(StrEnum):
    """What the wave vectors of given frequencies are."""

    MESH = "mesh"
    """Points of a mesh, with weights: sums over them are those of the crystal."""
    PATH = "path"
    """Points of bands."""
    SINGLE = "single points"


@dataclass(frozen=True, eq=False, kw_only=True)
class FrequencyCase(ReferenceCase):
    """Frequencies at wave vectors, without force constants.

    Parameters
    ----------
    atoms
        The cell that the wave vectors refer to, with its masses.
    kind
        What the wave vectors are.
    qpoints
        Shape (Q, 3), in units of the cell's reciprocal vectors.
    weights
        Shape (Q,), multiplicities.
    frequencies
        Shape (Q, B), THz, sorted at each, imaginary ones negative; B is three times the atoms.
    distances, segments, labels
        Of a path as in `umlip_bench.benchmarks.phonons.result.BandPath`; empty for others.
    supercell_matrix
        Shape (3, 3), integers, of the supercell that they are interpolated in; ``None`` where the source does
        not say.
    notes
        What should be known of a set as it was read.
    """

    task: ClassVar[Task] = Task.PHONONS

    atoms: Atoms
    kind: WaveVectors
    qpoints: np.ndarray
    weights: np.ndarray
    frequencies: np.ndarray
    distances: np.ndarray = field(default_factory=lambda: np.zeros(0))
    segments: np.ndarray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    labels: tuple[tuple[str, str], ...] = ()
    supercell_matrix: np.ndarray | None = None
    notes: tuple[str, ...] = ()
