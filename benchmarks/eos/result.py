"""What a model says of one material's equation of state, beside DFT."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.softening import energy_slope
from umlip_bench.analysis.suite import NO_RESULT
from umlip_bench.analysis.under_factor import OF_DFT, Energies
from umlip_bench.benchmarks.amplitudes import AmplitudeScan
from umlip_bench.ground.birch_murnaghan import BirchMurnaghan, Equilibrium, delta, nu
from umlip_bench.ground.conventional_cell import ConventionalCell
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.units import GPA

FloatArray = NDArray[np.float64]

FIXED = "fixed-geometry"
RELAXED = "relaxed"
NAN = float("nan")
AMPLITUDES = (0.01, 0.06)
"""Relative volumes, of both signs, at which the model alone is measured; the ripple is between them."""


@dataclass(frozen=True, eq=False)
class EnergyCurve(ReadOnlyArrays):
    """Energies of one crystal at several volumes.

    Parameters
    ----------
    volumes
        Shape (P,), Å³ of the cell.
    energies
        Shape (P,), eV of the cell.
    """

    volumes: FloatArray
    energies: Energies

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.ndim(self.volumes) != 1 or np.shape(self.volumes) != np.shape(self.energies):
            raise DataError(
                f"volumes of shape {np.shape(self.volumes)} and energies of shape "
                f"{np.shape(self.energies)}: one energy per volume is needed"
            )

    @property
    def fit(self) -> BirchMurnaghan:
        """Birch-Murnaghan curve through the points."""
        return BirchMurnaghan.fit(self.volumes, self.energies)

    @property
    def equilibrium(self) -> Equilibrium | None:
        """Minimum of the fit; ``None`` if it is not among the volumes."""
        return self.fit.equilibrium(float(self.volumes.min()), float(self.volumes.max()))


@dataclass(frozen=True, eq=False)
class EosComparison(ReadOnlyArrays):
    """What a model says of one material, beside DFT.

    Parameters
    ----------
    name
        Unique name of the material.
    n_atoms
        Atoms in the cell that all volumes and energies belong to.
    reference
        DFT's curve; ``None`` for a structure without reference.
    reference_points
        The points that DFT's curve was fitted to; ``None`` where only the fit is known.
    fixed
        The model at DFT's geometries; ``None`` without reference.
    relaxed
        The model around its own minimum; ``None`` if the relaxation failed.
    note
        Why something is missing; empty if nothing is.
    scan
        Bulk modulus of the model at the cell given, GPa, from pressures at other volumes than the curve's,
        and over DFT's; ``None`` if the model has no stress.
    system
        What it clusters with: its formula, or its element; empty if it is alone.
    own_cell
        The model's conventional cell at the minimum of its curve; ``None`` if there is none.
    """

    name: str
    n_atoms: int
    reference: Annotated[Equilibrium | None, OF_DFT]
    reference_points: Annotated[EnergyCurve | None, OF_DFT]
    fixed: EnergyCurve | None
    relaxed: EnergyCurve | None
    note: str = ""
    scan: AmplitudeScan | None = None
    system: str = ""
    own_cell: ConventionalCell | None = None

    def curve(self, variant: str) -> EnergyCurve | None:
        """The model's in a variant."""
        return self.fixed if variant == FIXED else self.relaxed


def is_lost(material: EosComparison, variant: str) -> bool:
    """Whether the curve of a variant is missing; without a reference none is to be had at DFT's geometry."""
    wanted = variant == RELAXED or material.reference is not None
    return wanted and material.curve(variant) is None


def faults(material: EosComparison, variant: str) -> tuple[str, ...]:
    """Curves that are missing, or have no minimum."""
    curve = material.curve(variant)
    if curve is None:
        return (NO_RESULT,) if is_lost(material, variant) else ()
    return ("no minimum",) if curve.equilibrium is None else ()


@dataclass(frozen=True, eq=False)
class JudgedCurve:
    """A model's curve of one material beside DFT's; numbers are nan where DFT's or the minimum is missing.

    Raises
    ------
    DataError
        If a curve has too few points; names the material.
    """

    material: EosComparison
    variant: str
    curve: EnergyCurve

    @cached_property
    def fit(self) -> BirchMurnaghan:
        """Of the model."""
        try:
            return self.curve.fit
        except DataError as error:
            raise DataError(f"material {self.material.name!r}: {error}") from error

    @cached_property
    def minimum(self) -> Equilibrium | None:
        """Of the model, if it is among the volumes."""
        volumes = self.curve.volumes
        return self.fit.equilibrium(float(volumes.min()), float(volumes.max()))

    def bulk_modulus_scale(self) -> float:
        """B over B₀ of DFT: at DFT's equilibrium volume, or B₀ of the model at its own."""
        dft = self.material.reference
        if dft is None:
            return NAN
        if self.variant == FIXED:
            return float(self.fit.bulk_modulus(dft.volume)) / dft.bulk_modulus
        return NAN if self.minimum is None else self.minimum.bulk_modulus / dft.bulk_modulus

    def bulk_moduli(self) -> tuple[FloatArray, FloatArray] | None:
        """DFT's and the model's, GPa."""
        scale = self.bulk_modulus_scale()
        if self.material.reference is None or np.isnan(scale):
            return None
        dft = np.array([self.material.reference.bulk_modulus / GPA])
        return dft, scale * dft

    def pressure(self) -> float:
        """Of the model at DFT's equilibrium volume, GPa."""
        dft = self.material.reference
        return NAN if dft is None else float(self.fit.pressure(dft.volume)) / GPA

    def energy_slope(self) -> float:
        """Of the model's energy differences against DFT's, where DFT's points are known."""
        points = self.material.reference_points
        if self.material.reference is None or points is None:
            return NAN
        # Equal compositions all: one group.
        return energy_slope(points.energies, self.curve.energies, [""] * len(points.energies))

    def has_no_minimum(self) -> float:
        """Whether there is none among the volumes."""
        return float(self.minimum is None)

    def softest(self) -> float:
        """Rank of a bulk modulus that there is not, for want of a minimum."""
        return NAN if self.material.reference is None else -np.inf

    def farthest(self) -> float:
        """Rank of a distance from DFT's curve that there is not, likewise."""
        return NAN if self.material.reference is None else np.inf

    def volume_rank(self) -> float:
        """Of a volume that there is not: on the side that the energy falls to."""
        expands = self.curve.energies[-1] < self.curve.energies[0]
        return self.farthest() if expands else self.softest()

    def volume_error(self) -> float:
        """Equilibrium volume relative to DFT's, minus one."""
        return self._between(lambda model, dft: model.volume / dft.volume - 1.0)

    def derivative_error(self) -> float:
        """B₀' minus DFT's."""
        return self._between(
            lambda model, dft: model.bulk_modulus_derivative - dft.bulk_modulus_derivative
        )

    def delta(self) -> float:
        """meV/atom; see `umlip_bench.ground.birch_murnaghan.delta`."""

        def per_atom(e: Equilibrium) -> Equilibrium:
            volume = e.volume / self.material.n_atoms
            return Equilibrium(volume, e.bulk_modulus, e.bulk_modulus_derivative)

        return self._between(lambda model, dft: 1000.0 * delta(per_atom(model), per_atom(dft)))

    def nu(self) -> float:
        """Percent; see `umlip_bench.ground.birch_murnaghan.nu`."""
        return self._between(nu)

    def _between(self, difference: Callable[[Equilibrium, Equilibrium], float]) -> float:
        dft = self.material.reference
        return NAN if dft is None or self.minimum is None else difference(self.minimum, dft)


def amplitude(materials: Sequence[JudgedCurve]) -> str:
    """Largest relative volume of the curves, in words."""
    found = {f"{50 * np.ptp(e.curve.volumes) / np.mean(e.curve.volumes):.2g}" for e in materials}
    ends = sorted(found, key=float)
    return f"volumes within {' to '.join(dict.fromkeys((ends[0], ends[-1])))} %" if ends else ""


def scan(seen: JudgedCurve) -> AmplitudeScan | None:
    """Of the cell given."""
    return seen.material.scan if seen.variant == FIXED else None


def judged(material: EosComparison, variant: str) -> JudgedCurve | None:
    """What metrics are made of; ``None`` for a curve that is missing."""
    curve = material.curve(variant)
    return None if curve is None else JudgedCurve(material, variant, curve)


def _own(material: EosComparison) -> Equilibrium | None:
    view = judged(material, RELAXED)
    return None if view is None else view.minimum


def own_volume(material: EosComparison) -> float:
    """The model's own, Å³/atom."""
    own = _own(material)
    return NAN if own is None else own.volume / material.n_atoms


def own_bulk_modulus(material: EosComparison) -> float:
    """The model's own, GPa."""
    own = _own(material)
    return NAN if own is None else own.bulk_modulus / GPA


def own_derivative(material: EosComparison) -> float:
    """The model's own pressure derivative of the bulk modulus."""
    own = _own(material)
    return NAN if own is None else own.bulk_modulus_derivative
