"""Reference data in one form: labelled frames with the level of theory they were computed at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms

from umlip_bench.potentials.card import LevelOfTheory


@dataclass(frozen=True, eq=False)
class Frame:
    """One structure with its DFT labels.

    Parameters
    ----------
    atoms
        The geometry; ``info`` and ``arrays`` carry no labels.
    energy
        Total energy in eV.
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
        return self.atoms.symbols.formula.reduce()[0].format("metal")


@dataclass(frozen=True)
class Manifest:
    """Where a data set comes from and how its labels were computed.

    Parameters
    ----------
    id
        Short name, as given to ``--data``.
    title
        What it is, in a line.
    level_of_theory
        Of the labels.
    settings
        Code, cutoff, k-points and the like.
    source, licence, citation
        Who made it and under what terms it may be used.
    caveats
        What a reader of the numbers must know.
    """

    id: str
    title: str
    level_of_theory: LevelOfTheory
    settings: str
    source: str
    licence: str
    citation: str
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Dataset:
    """A set of labelled frames.

    Parameters
    ----------
    manifest
        What it is.
    frames
        In the order of the source.
    sha256
        Of the file the frames were read from.
    """

    manifest: Manifest
    frames: tuple[Frame, ...]
    sha256: str

    def by_system(self) -> dict[str, tuple[Frame, ...]]:
        """Frames of each material, materials in order of first appearance."""
        groups: dict[str, list[Frame]] = {}
        for frame in self.frames:
            groups.setdefault(frame.system, []).append(frame)
        return {system: tuple(frames) for system, frames in groups.items()}
