"""A structure with its DFT labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.ground.readonly import ReadOnlyArrays


def composition(atoms: Atoms) -> str:
    """Reduced formula of a structure."""
    return str(atoms.symbols.formula.reduce()[0].format("metal"))


@dataclass(frozen=True, eq=False)
class Frame(ReadOnlyArrays):
    """One structure with its DFT labels.

    Parameters
    ----------
    atoms
        The geometry; ``info`` and ``arrays`` carry no labels.
    energy
        Total energy in eV; nan where the source has none.
    forces
        Shape (N, 3), eV/Å.
    stress
        Shape (3, 3), eV/Å³, with pressure = -trace/3; ``None`` if the source has none.
    system
        Name of the material that the frame belongs to.
    index
        Position in the source, from 0, for messages.
    """

    atoms: Atoms
    energy: float
    forces: np.ndarray
    stress: np.ndarray | None
    system: str
    index: int

    @property
    def composition(self) -> str:
        """Reduced formula; energies are comparable only among frames of the same."""
        return composition(self.atoms)
