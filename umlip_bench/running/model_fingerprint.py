"""What a model gives for a few structures, to know it again when its name and files say nothing new.

A catalogued model is its weights. Anything else can change behind its name: a parameter, a helper module,
an installed version. So a run folder keeps energies and forces of three small structures from the first
time that a model was loaded there, and every later load is held against them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from umlip_bench.analysis.run_files import MODELS
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.errors import StructureError
from umlip_bench.ground.journal import Journal
from umlip_bench.potentials.protocol import Potential
from umlip_bench.potentials.small_structures import small_structures

N_STRUCTURES = 3
MAX_ENERGY = 1e-5
"""eV/atom; a larger difference is another model's."""
MAX_FORCE = 1e-4
"""eV/Å, of any component."""


@dataclass(frozen=True)
class ModelFingerprint:
    """What was asked; structures and answers are the entry's arrays.

    Parameters
    ----------
    model
        Its name.
    identity
        Of its weights, or of what stands for them.
    dtype
        Number format that it was evaluated in.
    n_structures
        Number of structures.
    """

    model: str
    identity: str
    dtype: str
    n_structures: int


@dataclass(frozen=True)
class FingerprintDifference:
    """How far a model is from what it gave when it was first loaded.

    Parameters
    ----------
    energy
        Largest difference, eV/atom.
    force
        Largest difference of a component, eV/Å.
    """

    energy: float
    force: float

    @property
    def same(self) -> bool:
        """Whether both are within `MAX_ENERGY` and `MAX_FORCE`; not-a-number never is."""
        return self.energy <= MAX_ENERGY and self.force <= MAX_FORCE

    def __str__(self) -> str:
        return f"{self.energy:.2g} eV/atom and {self.force:.2g} eV/Å"


def open_fingerprints(folder: Path) -> Journal[ModelFingerprint]:
    """Fingerprints in a run folder, by name of the model."""
    return Journal(folder / MODELS, ModelFingerprint)


def take_fingerprint(
    potential: Potential, own: Sequence[Atoms]
) -> tuple[ModelFingerprint, dict[str, np.ndarray]]:
    """Evaluate a few structures.

    Parameters
    ----------
    potential
        The model.
    own
        Structures of the run, for a model that does not say which elements it knows.

    Returns
    -------
    ModelFingerprint, dict
        The arrays are ``numbers0``, ``positions0``, ``cell0``, ``energy0``, ``forces0`` and so on. A
        structure that the model refuses is left out.
    """
    known = potential.card.elements
    candidates = small_structures(known) if known else list(own[:N_STRUCTURES])
    arrays: dict[str, np.ndarray] = {}
    n = 0
    for atoms in candidates:
        try:
            (prediction,) = predict(potential, [atoms], stress=False)
        except StructureError:
            continue
        arrays |= {
            f"numbers{n}": atoms.numbers,
            f"positions{n}": atoms.positions,
            f"cell{n}": atoms.cell.array,
            f"energy{n}": np.array(prediction.energy),
            f"forces{n}": prediction.forces,
        }
        n += 1
    dtype = str(potential.dtype).removeprefix("torch.")
    return ModelFingerprint(potential.card.name, potential.weights.sha256, dtype, n), arrays


def difference_from(
    potential: Potential, before: ModelFingerprint, arrays: dict[str, np.ndarray]
) -> FingerprintDifference:
    """Evaluate the structures of an earlier fingerprint again.

    Parameters
    ----------
    potential
        The model as it is now.
    before, arrays
        As of `take_fingerprint`.

    Returns
    -------
    FingerprintDifference
        Infinite where the model now refuses a structure.
    """
    energies, forces = [0.0], [0.0]
    for k in range(before.n_structures):
        atoms = Atoms(
            arrays[f"numbers{k}"],
            positions=arrays[f"positions{k}"],
            cell=arrays[f"cell{k}"],
            pbc=True,
        )
        try:
            (now,) = predict(potential, [atoms], stress=False)
        except StructureError:
            return FingerprintDifference(np.inf, np.inf)
        energies.append(abs(now.energy - float(arrays[f"energy{k}"])) / len(atoms))
        forces.append(float(np.abs(now.forces - arrays[f"forces{k}"]).max()))
    # max() would pass over a nan.
    return FingerprintDifference(float(np.max(energies)), float(np.max(forces)))
