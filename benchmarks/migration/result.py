"""Migration barriers: profiles along paths, beside DFT's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.energies import EnergyComparison, EnergyVariant
from umlip_bench.analysis.softening import energy_slope
from umlip_bench.analysis.under_factor import OF_DFT, Energies, Power
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

VARIANTS = (EnergyVariant.FIXED, EnergyVariant.APPROX_NEB, EnergyVariant.NEB)
SAME_STORY = 0.1
"""Slopes of energies and of forces along a path that differ by no more than this agree."""


def has_barrier(energies: FloatArray) -> bool:
    """Whether some image of a path is higher than both end points; energies of shape (n,)."""
    return bool(energies.max() > max(energies[0], energies[-1]))


@dataclass(frozen=True, eq=False)
class Profile(ReadOnlyArrays):
    """Energy along a path.

    Parameters
    ----------
    of
        Variant, or ``"DFT"``.
    distances
        Shape (n,), Å: length of the path up to each image, over all atoms.
    energies
        Shape (n,), eV, above the first image.
    ion
        Shape (n, 3), Å: where the migrating ion is in each image, not wrapped into the cell; of one path,
        all profiles begin next to each other.
    """

    of: str
    distances: FloatArray
    energies: Energies
    ion: FloatArray

    @property
    def saddle(self) -> int:
        """Index of the highest image."""
        return int(np.argmax(self.energies))

    @property
    def saddle_position(self) -> float:
        """Where the highest image is on the path, as a fraction of its length."""
        return float(self.distances[self.saddle] / self.distances[-1])

    @property
    def has_barrier(self) -> bool:
        """Whether some image is higher than both end points."""
        return has_barrier(self.energies)

    @property
    def forward_barrier(self) -> float:
        """Highest image above the first, eV."""
        return float(self.energies.max() - self.energies[0])

    @property
    def backward_barrier(self) -> float:
        """Highest image above the last, eV."""
        return float(self.energies.max() - self.energies[-1])


@dataclass(frozen=True, eq=False)
class MigrationComparison(ReadOnlyArrays):
    """All that was found of one path.

    Parameters
    ----------
    energies
        Kinetically resolved barriers by variant, in eV.
    reference
        DFT's profile; ``None`` if there is none.
    profiles
        The model's, of the variants that did not fail.
    force_slope
        Slope through the origin of the model's force components on DFT's, over all atoms of all images
        given; nan without DFT's.
    """

    energies: EnergyComparison
    reference: Annotated[Profile | None, OF_DFT]
    profiles: tuple[Profile, ...]
    force_slope: Annotated[float, Power(1.0)] = float("nan")

    @property
    def comparison(self) -> EnergyComparison:
        """The barriers."""
        return self.energies

    @property
    def name(self) -> str:
        """Of the path."""
        return self.energies.name

    @property
    def system(self) -> str:
        """The material."""
        return self.energies.system

    def profile(self, variant: str) -> Profile | None:
        """The model's in a variant; ``None`` if it failed or was not measured."""
        return next((each for each in self.profiles if each.of == variant), None)

    @property
    def energy_slope(self) -> float:
        """Slope of the model's energies on DFT's at the images given, about their means; nan without."""
        fixed = self.profile(EnergyVariant.FIXED)
        if self.reference is None or fixed is None:
            return float("nan")
        energies = self.reference.energies
        return energy_slope(energies, fixed.energies, [""] * len(energies))

    @property
    def slopes_known(self) -> bool:
        """Whether DFT has energies and forces of all images."""
        return bool(np.isfinite(self.energy_slope) and np.isfinite(self.force_slope))

    @property
    def stories_differ(self) -> bool:
        """Whether energies along the path are softened otherwise than forces."""
        return abs(self.energy_slope - self.force_slope) > SAME_STORY


@dataclass(frozen=True)
class PathDeviation:
    """How far the ion's way in the model is from its way in DFT, in Å.

    Parameters
    ----------
    rms, maximum
        Over the images of the model: distance of the ion from the polyline through its places in DFT's
        images, root mean square and largest.
    """

    rms: float
    maximum: float


def path_deviation(profile: Profile, reference: Profile) -> PathDeviation:
    """How far the ion's way in a profile is from that in the reference."""
    away = distances_to_polyline(profile.ion, reference.ion)
    return PathDeviation(float(np.sqrt(np.mean(away**2))), float(away.max()))


def distances_to_polyline(points: FloatArray, vertices: FloatArray) -> FloatArray:
    """Smallest distance of each point from a polyline.

    Parameters
    ----------
    points
        Shape (m, 3).
    vertices
        Shape (n, 3), at least two; some may coincide.

    Returns
    -------
    ndarray
        Shape (m,).
    """
    starts, sides = vertices[:-1], np.diff(vertices, axis=0)
    from_start = points[:, None] - starts
    squares = (sides**2).sum(axis=1)
    along = (from_start * sides).sum(axis=2) / np.where(squares > 0.0, squares, 1.0)
    nearest = np.clip(along, 0.0, 1.0)[..., None] * sides
    return np.asarray(np.linalg.norm(from_start - nearest, axis=2).min(axis=1))
