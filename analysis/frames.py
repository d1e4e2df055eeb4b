"""Forces, energies and stresses of frames, a model's beside DFT's.

Energies are compared only among frames of equal composition, per atom. Stress is never pooled with forces.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.label_suspicion import label_suspicion
from umlip_bench.analysis.softening import (
    Softening,
    StressSoftening,
    component_sums,
    energy_slope,
    softening,
    stress_softening,
)
from umlip_bench.analysis.under_factor import Energies, Power
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Geometry(ReadOnlyArrays):
    """Where the atoms of a frame are.

    Parameters
    ----------
    numbers
        Shape (n_atoms,), atomic numbers.
    positions
        Shape (n_atoms, 3), Å.
    cell
        Shape (3, 3), Å, vectors in rows; periodic in all directions.
    """

    numbers: NDArray[np.int64]
    positions: FloatArray
    cell: FloatArray


@dataclass(frozen=True, eq=False)
class FrameComparison(ReadOnlyArrays):
    """DFT's and the model's results for one frame.

    Parameters
    ----------
    composition
        Key of the composition, e.g. the reduced formula; energies are compared only among equal
        keys, per atom.
    energy_reference, energy_model
        Energies of the cell in eV; a reference of nan means that DFT's is not known.
    forces_reference, forces_model
        Shape (n_atoms, 3), in eV/Å.
    stress_reference, stress_model
        Shape (3, 3), in eV/Å^3, both with the same sign convention; both ``None`` if either side
        has none.
    geometry
        For what is told by element or coordination; ``None`` if it is not known.

    Raises
    ------
    DataError
        If shapes do not match or only one side has a stress.
    """

    composition: str
    energy_reference: float
    energy_model: Annotated[float, Power(1.0)]
    forces_reference: FloatArray
    forces_model: Energies
    stress_reference: FloatArray | None = None
    stress_model: Energies | None = None
    geometry: Geometry | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = np.shape(self.forces_reference)
        if len(shape) != 2 or shape[0] == 0 or shape[1] != 3:
            raise DataError(f"reference forces of shape {shape}: (n_atoms, 3) is needed")
        if np.shape(self.forces_model) != shape:
            raise DataError(
                f"model forces of shape {np.shape(self.forces_model)} for reference forces of "
                f"shape {shape}"
            )
        if (self.stress_reference is None) != (self.stress_model is None):
            raise DataError("only one side has a stress: give both or neither")
        for stress in (self.stress_reference, self.stress_model):
            if stress is not None and np.shape(stress) != (3, 3):
                raise DataError(f"stress of shape {np.shape(stress)}: (3, 3) is needed")

    @property
    def n_atoms(self) -> int:
        """Number of atoms."""
        return len(self.forces_reference)


@dataclass(frozen=True, eq=False)
class MaterialComparison(ReadOnlyArrays):
    """All frames of one material, the independent unit of every interval.

    Parameters
    ----------
    name
        Unique name of the material.
    frames
        At least one.
    system
        What it clusters with: its formula, or its element; empty if it is alone.

    Raises
    ------
    DataError
        If there is no frame.
    """

    name: str
    frames: tuple[FrameComparison, ...]
    system: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.frames:
            raise DataError(f"material {self.name!r} has no frame")


@dataclass(frozen=True, eq=False)
class Compared:
    """A model compared with DFT over all frames of one material.

    Raises
    ------
    DataError
        If values are not finite or the forces of one side are zero everywhere; names the material.
    """

    material: MaterialComparison

    @cached_property
    def forces(self) -> Softening:
        """Of the force components."""
        frames = self.material.frames
        try:
            return softening(
                np.concatenate([frame.forces_reference for frame in frames]),
                np.concatenate([frame.forces_model for frame in frames]),
            )
        except DataError as error:
            raise self._named(error) from error

    @cached_property
    def frame_sums(self) -> FloatArray:
        """Sums over the force components of each frame, shape (frames, 5), as of `component_sums`."""
        assert self.forces.n
        frames = self.material.frames
        return np.array([component_sums(f.forces_reference, f.forces_model) for f in frames])

    @cached_property
    def energy_slope(self) -> float:
        """Of energy differences per atom among frames of equal composition.

        nan if no two frames share a composition or their reference energies are equal.
        """
        # Some published sets have forces only: their energies are nan.
        known = [f for f in self.material.frames if not np.isnan(f.energy_reference)]
        try:
            return energy_slope(
                [frame.energy_reference / frame.n_atoms for frame in known],
                [frame.energy_model / frame.n_atoms for frame in known],
                [frame.composition for frame in known],
            )
        except DataError as error:
            raise self._named(error) from error

    @cached_property
    def stress(self) -> StressSoftening | None:
        """With an isotropic intercept; ``None`` if no frame has a stress."""
        pairs = [
            (_voigt(frame.stress_reference), _voigt(frame.stress_model))
            for frame in self.material.frames
            if frame.stress_reference is not None and frame.stress_model is not None
        ]
        if not pairs:
            return None
        try:
            return stress_softening([x for x, _ in pairs], [y for _, y in pairs])
        except DataError as error:
            raise self._named(error) from error

    @property
    def stress_slope(self) -> float:
        """Dimensionless; nan without stresses, or if the reference is one constant pressure throughout."""
        return float("nan") if self.stress is None else self.stress.slope

    @property
    def stress_mae(self) -> float:
        """eV/Å^3; nan without stresses."""
        return float("nan") if self.stress is None else self.stress.mae

    @property
    def suspicion(self) -> str | None:
        """Why the labels are probably mistaken; ``None`` where nothing speaks for that."""
        return label_suspicion(self.forces.slope, self.forces.r2)

    def _named(self, error: DataError) -> DataError:
        return DataError(f"material {self.material.name!r}: {error}")


def _voigt(stress: FloatArray) -> FloatArray:
    # xx, yy, zz, yz, xz, xy. Codes print one triangle or both; the mean of the two is taken so
    # that numerical asymmetry does not depend on that choice.
    symmetric = 0.5 * (np.asarray(stress) + np.asarray(stress).T)
    return np.asarray(symmetric[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]])
