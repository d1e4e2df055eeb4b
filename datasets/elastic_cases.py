"""Moduli from stresses of a strained crystal, as a user's own calculations give them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pymatgen.analysis.elasticity import ElasticTensor, Strain, Stress
from pymatgen.io.ase import AseAtomsAdaptor
from pymatgen.symmetry.analyzer import SpacegroupAnalyzer
from scipy.linalg import polar

from umlip_bench.datasets.cases import ElasticCase, Preparation
from umlip_bench.datasets.part_cases import LabelledPoint, named
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.level_of_theory import LevelOfTheory

LARGEST = 0.1
"""Strain above which stresses are no longer linear in it."""
SMALLEST = 1e-5
"""Strain below which it is none."""
SYMPREC = 1e-3
"""Å; tolerance of the crystal's symmetry."""


def elastic_case(
    system: str, bulk: LabelledPoint, strained: Sequence[LabelledPoint], level: LevelOfTheory
) -> ElasticCase:
    """Voigt-Reuss-Hill moduli of a crystal, by least squares over its strains and their symmetric images.

    Parameters
    ----------
    system
        The material.
    bulk
        Unstrained; its stress, if it has one, is subtracted.
    strained
        With stresses, the atoms in the same order; what is not strain in a cell, a rotation, is taken back.
    level
        Of the stresses.

    Raises
    ------
    DataError
        If a stress is missing, a strain is none or too large, or they do not determine all constants.
    """
    rest = np.zeros((3, 3)) if bulk.frame.stress is None else bulk.frame.stress
    pairs = [_strain_and_stress(bulk, each, rest) for each in strained]
    structure = AseAtomsAdaptor.get_structure(bulk.atoms)
    group = SpacegroupAnalyzer(structure, SYMPREC).get_point_group_operations(cartesian=True)
    rotations = [operation.rotation_matrix for operation in group]
    strains = [Strain(r @ strain @ r.T) for strain, _ in pairs for r in rotations]
    stresses = [Stress(r @ stress @ r.T) for _, stress in pairs for r in rotations]
    rank = np.linalg.matrix_rank(np.array([each.voigt for each in strains]), tol=1e-8)
    if rank < 6:
        raise DataError(
            f"its {len(strained)} strains, with the crystal's symmetry, span {rank} of six directions; add "
            "cells with other strains, shear among them"
        )
    tensor = ElasticTensor.from_pseudoinverse(strains, stresses)
    return ElasticCase(
        name=system,
        system=system,
        level_of_theory=level,
        preparation=Preparation.RELAXED,
        atoms=named(bulk.atoms, system),
        bulk_modulus=float(tensor.k_vrh),
        shear_modulus=float(tensor.g_vrh),
    )


def _strain_and_stress(
    bulk: LabelledPoint, strained: LabelledPoint, rest: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Symmetric strain and the stress that it makes, in the axes of the unstrained crystal, (3, 3) each."""
    if (bulk.atoms.numbers.shape != strained.atoms.numbers.shape) or (
        bulk.atoms.numbers != strained.atoms.numbers
    ).any():
        raise DataError("a strained cell has other atoms than the bulk, or in another order")
    if strained.frame.stress is None:
        raise DataError("a strained cell has no stress")
    deformation = np.linalg.solve(bulk.atoms.cell.array, strained.atoms.cell.array).T
    rotation, stretch = polar(deformation)
    strain = stretch - np.eye(3)
    largest = np.abs(strain).max()
    if not SMALLEST < largest <= LARGEST:
        raise DataError(
            f"a cell is strained by {largest:.2g}; allowed are {SMALLEST} to {LARGEST}: is it of "
            "another crystal?"
        )
    return strain, rotation.T @ strained.frame.stress @ rotation - rest
