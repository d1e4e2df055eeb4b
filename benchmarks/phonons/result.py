"""What a model says of one material's phonons, beside DFT.

Frequencies are in THz, imaginary ones negative, sorted at each q-point.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.softening import Softening, softening
from umlip_bench.analysis.suite import NO_RESULT
from umlip_bench.analysis.under_factor import OF_DFT, Energies, Frequencies
from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.benchmarks.phonons.anharmonicity import Anharmonicity
from umlip_bench.benchmarks.phonons.harmonic import Thermodynamics, overlap, thermodynamics
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

FIXED = "fixed-geometry"
RELAXED = "relaxed"
NAN = float("nan")

IMAGINARY = 0.1
"""THz; a mode is imaginary below minus this, which is beyond rounding."""
TEMPERATURE = 300.0
"""K."""
AMPLITUDES = (0.003, 0.01, 0.03, 0.1)
"""Å, at which the model alone is measured, but in quick runs and of tables of heat capacities."""
RIPPLE = (0.003, 0.03)
"""Å, between which the ripple is taken."""


@dataclass(frozen=True, eq=False)
class BandPath(ReadOnlyArrays):
    """Lines between points of high symmetry.

    Parameters
    ----------
    qpoints
        Shape (P, 3), in units of the primitive cell's reciprocal vectors.
    distances
        Shape (P,), 1/Å along the path.
    segments
        Shape (P,), number of the segment that each point lies on.
    labels
        Of the two ends of each segment, shape (segments, 2).
    """

    qpoints: FloatArray
    distances: FloatArray
    segments: NDArray[np.int64]
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class FrequencySampling(ReadOnlyArrays):
    """Where frequencies are compared.

    Parameters
    ----------
    weights
        Shape (Q,), multiplicities of the q-points of the mesh.
    path
        For the bands.
    commensurate
        Shape (C, 3), the wave vectors of `Phonons.commensurate`, in units as those of the path; ``None``
        where they were not kept.
    is_mesh
        Whether the mesh is one: sums over single wave vectors, or those of bands, are not the crystal's.
    """

    weights: FloatArray
    path: BandPath
    commensurate: FloatArray | None = None
    is_mesh: bool = True


@dataclass(frozen=True, eq=False)
class Phonons(ReadOnlyArrays):
    """One side of a comparison.

    Parameters
    ----------
    mesh
        Shape (Q, B), THz, sorted at each q-point.
    bands
        Shape (P, B), THz, along the path.
    commensurate
        Shape (C, B), THz, at the wave vectors that fit into the supercell. There finite displacements are
        exact; elsewhere frequencies are interpolated, and may dip below zero near the zone centre.
    force_constants
        Shape (n, N, 3, 3), eV/Å², of the n atoms of the primitive cell with the N of the supercell; ``None``
        where frequencies alone are known, which `bands` may then lack: nan.
    modes
        Shape (C, B), THz²: curvature along each of DFT's modes at the wave vectors of `commensurate`, for DFT
        itself its signed ω²; ``None`` where DFT's force constants are not known.
    """

    mesh: Frequencies
    bands: Frequencies
    commensurate: Frequencies
    force_constants: Energies | None
    modes: Energies | None = None

    @property
    def highest(self) -> float:
        """Highest frequency on the mesh, THz."""
        return float(self.mesh.max())

    @property
    def lowest(self) -> float:
        """Lowest frequency anywhere, THz."""
        lowest = [self.mesh.min(), self.bands.min(), self.commensurate.min()]
        return float(np.fmin.reduce(lowest))

    @property
    def imaginary(self) -> float:
        """Share of the modes that fit into the supercell that are imaginary."""
        return float((self.commensurate < -IMAGINARY).mean())

    @property
    def is_stable(self) -> bool:
        """Whether no mode that fits into the supercell is imaginary."""
        return self.imaginary == 0.0

    @property
    def dips(self) -> bool:
        """Whether modes are imaginary by interpolation alone, in a supercell too small to tell."""
        return self.is_stable and self.lowest < -IMAGINARY


@dataclass(frozen=True, eq=False)
class PhononComparison(ReadOnlyArrays):
    """What a model says of one material, beside DFT.

    Parameters
    ----------
    name
        Unique name of the material.
    sampling
        Where all sides were evaluated.
    reference
        DFT; ``None`` where there are no forces.
    reference_heat_capacity
        DFT's at 300 K in J/(mol K) per mole of atoms; ``None`` where only forces are known.
    fixed
        The model at DFT's geometry, or at that given.
    relaxed
        The model at its own; ``None`` if it is not comparable or could not be relaxed.
    not_comparable
        Why DFT's geometry is not one that the model may be relaxed from; empty if it is.
    not_relaxed
        Why the relaxation failed; empty if it did not.
    displacement
        Å, root mean square length of the displacements that both sides were measured at.
    scan
        The model at the fixed geometry and at other displacements: mean ω² (THz², signed) and, where there
        is a reference, slope of ω² over DFT's; ``None`` if it was not measured.
    anharmonicity
        Along one displacement, beside DFT's own; ``None`` where that is not known.
    system
        What it clusters with: its formula, or its element; empty if it is alone.
    """

    name: str
    sampling: FrequencySampling
    reference: Annotated[Phonons | None, OF_DFT]
    reference_heat_capacity: float | None
    fixed: Phonons
    relaxed: Phonons | None
    not_comparable: str = ""
    not_relaxed: str = ""
    displacement: float = NAN
    scan: AmplitudeScan | None = None
    anharmonicity: Anharmonicity | None = None
    system: str = ""

    def side(self, variant: str) -> Phonons | None:
        """The model's in a variant."""
        return self.fixed if variant == FIXED else self.relaxed


def signed_squares(frequencies: FloatArray) -> FloatArray:
    """ω² with the sign of the eigenvalue that it is; THz², of the shape of the frequencies."""
    return np.asarray(frequencies * np.abs(frequencies))


def is_lost(material: PhononComparison, variant: str) -> bool:
    """Whether the model could not be relaxed, though its geometry would be comparable."""
    return variant == RELAXED and bool(material.not_relaxed)


def faults(material: PhononComparison, variant: str) -> tuple[str, ...]:
    """Modes that are imaginary, at wave vectors of the supercell or by interpolation alone."""
    side = material.side(variant)
    if side is None:
        return (NO_RESULT,) if material.not_relaxed else ()
    if not side.is_stable:
        return ("imaginary modes",)
    return ("imaginary modes by interpolation alone",) if side.dips else ()


@dataclass(frozen=True, eq=False)
class JudgedPhonons:
    """A model's phonons of one material beside DFT's; numbers are nan where there is nothing to compare with.

    Raises
    ------
    DataError
        If frequencies are not finite or DFT's are all zero; names the material.
    """

    material: PhononComparison
    variant: str
    model: Phonons

    def __post_init__(self) -> None:
        if not (np.isfinite(self.model.mesh).all() and np.isfinite(self.model.bands).all()):
            raise DataError(
                f"material {self.material.name!r}: the model's frequencies are not finite"
            )

    @property
    def dft(self) -> Phonons | None:
        """DFT's; ``None`` where there are no forces."""
        return self.material.reference

    @property
    def weights(self) -> FloatArray:
        """Of the q-points of the mesh."""
        return self.material.sampling.weights

    def against_dft(self, number: Callable[[Phonons, Phonons], float]) -> float:
        """From DFT's phonons and the model's."""
        return NAN if self.dft is None else float(number(self.dft, self.model))

    @cached_property
    def curvature(self) -> Softening | None:
        """Of signed ω² on the mesh, sorted at each q-point, each as often as the q-point counts."""
        if self.dft is None:
            return None
        root = np.sqrt(self.weights)[:, None]
        return self._softening(
            root * signed_squares(self.dft.mesh), root * signed_squares(self.model.mesh)
        )

    @cached_property
    def along_modes(self) -> Softening | None:
        """Of the curvature along DFT's own eigenvectors, which sorting cannot mix up."""
        if self.dft is None or self.dft.modes is None or self.model.modes is None:
            return None
        return self._softening(self.dft.modes, self.model.modes)

    @cached_property
    def constants(self) -> Softening | None:
        """Of the elements of the force constants; only at DFT's geometry."""
        if self.dft is None or self.variant != FIXED or self.dft.force_constants is None:
            return None
        assert self.model.force_constants is not None
        return self._softening(self.dft.force_constants, self.model.force_constants)

    @cached_property
    def own(self) -> Thermodynamics | None:
        """The model's at 300 K; ``None`` with imaginary modes, interpolated ones included."""
        return self._thermodynamics(self.model)

    @cached_property
    def theirs(self) -> Thermodynamics | None:
        """DFT's, likewise."""
        return None if self.dft is None else self._thermodynamics(self.dft)

    def changes(self, of: Callable[[Anharmonicity], float]) -> float:
        """A number of the anharmonicity; nan where it is not known."""
        found = self.material.anharmonicity
        return NAN if found is None else of(found)

    def heat_capacity_error(self) -> float:
        """Minus DFT's, or the one that the data state; J/(mol K) per mole of atoms."""
        if self.own is None:
            return NAN
        if self.theirs is not None:
            return self.own.heat_capacity - self.theirs.heat_capacity
        stated = self.material.reference_heat_capacity
        return NAN if stated is None else self.own.heat_capacity - stated

    def too_soft(self) -> float:
        """Whether the model has imaginary modes and DFT none; nan without anything of DFT's.

        A mode that goes to zero takes heat capacity and entropy to their largest, and the free energy to
        minus infinity, so that the material ranks there.
        """
        if self.dft is not None:
            return float(self.theirs is not None and self.own is None)
        if self.material.reference_heat_capacity is None:
            return NAN
        # Without DFT's cells, modes that are imaginary by interpolation tell of the supercell.
        return float(not self.model.is_stable)

    def above_all(self) -> float:
        """Rank of a heat capacity that there is not."""
        return np.inf if self.too_soft() == 1.0 else NAN

    def above_all_of_cells(self) -> float:
        """Rank of an entropy, which needs DFT's cells."""
        return NAN if self.dft is None else self.above_all()

    def below_all_of_cells(self) -> float:
        """Rank of a free energy, likewise."""
        return -self.above_all_of_cells()

    def dos_overlap(self) -> float:
        """What densities of states share; of a mesh alone."""
        if not self.material.sampling.is_mesh:
            return NAN
        return self.against_dft(lambda dft, own: overlap(dft.mesh, own.mesh, self.weights))

    def frequency_mae(self) -> float:
        """On the mesh, THz."""
        weights = self.weights
        return self.against_dft(
            lambda dft, own: weights @ np.abs(own.mesh - dft.mesh).mean(axis=1) / weights.sum()
        )

    def mean_ratio(self) -> float:
        """Mean frequency over DFT's, imaginary ones negative."""
        weights = self.weights
        return self.against_dft(
            lambda dft, own: (weights @ own.mesh).sum() / (weights @ dft.mesh).sum()
        )

    def _softening(self, reference: FloatArray, model: FloatArray) -> Softening:
        try:
            return softening(reference, model)
        except DataError as error:
            raise DataError(f"material {self.material.name!r}: {error}") from error

    def _thermodynamics(self, side: Phonons) -> Thermodynamics | None:
        if not self.material.sampling.is_mesh:
            return None
        if not side.is_stable or float(side.mesh.min()) < -IMAGINARY:
            return None
        return thermodynamics(side.mesh, self.weights, TEMPERATURE)


def amplitude(materials: Sequence[JudgedPhonons]) -> str:
    """Displacements, in words."""
    found = [each.material.displacement for each in materials]
    lengths = sorted({f"{length:.2g}" for length in found if not np.isnan(length)})
    ends = " to ".join(dict.fromkeys((lengths[0], lengths[-1]))) if lengths else ""
    return f"displacements of {ends} Å" if lengths else ""


def scan(seen: JudgedPhonons) -> AmplitudeScan | None:
    """Of the fixed geometry."""
    return seen.material.scan if seen.variant == FIXED else None


def judged(material: PhononComparison, variant: str) -> JudgedPhonons | None:
    """What metrics are made of; ``None`` for a variant that there is not."""
    side = material.side(variant)
    return None if side is None else JudgedPhonons(material, variant, side)
