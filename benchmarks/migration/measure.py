"""Migration barriers of ions: along DFT's images, by ApproxNEB, and by a climbing-image elastic band.

The barrier compared is the kinetically resolved one, E_max - (E_first + E_last) / 2, half the sum of
the barriers in both directions. ApproxNEB is what Deng et al. (npj Comput. Mater. 11, 9, 2025) compare;
an elastic band is another way to prepare the images, and is compared with DFT's bands only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from umlip_bench.analysis.energies import EnergyComparison, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.softening import component_sums, slope_of
from umlip_bench.benchmarks.migration.case import Migration, cases, structure_cases
from umlip_bench.benchmarks.migration.result import (
    MigrationComparison,
    Profile,
    distances_to_polyline,
    has_barrier,
)
from umlip_bench.engine.bands import ApproxBand, ApproxBandResult, Band, BandResult, EnergyProfile
from umlip_bench.engine.relaxation import Relax
from umlip_bench.engine.requests import Static, Task
from umlip_bench.ground.errors import StructureError

__all__ = ["cases", "measure", "structure_cases"]

FMAX = 0.05
"""eV/Å, of images and bands."""
BAND_STEPS = 200
AT_REST = 0.1
"""eV/Å; an end point of DFT's with larger forces is no minimum of the model."""
ELSEWHERE = 1.0
"""Å; an atom that relaxes farther has gone into another basin, one that goes farther on the path hops."""
ASYMMETRY = 0.1
"""eV, between model and DFT, in the energy of one end point against the other."""
BELOW = 0.02
"""eV; an image that lies lower than both end points by more is another minimum on the way."""
GAP = 2.0
"""Å; if the ion goes farther from one image to the next, the saddle point may lie between them."""
_SO_PREPARED = {
    EnergyVariant.FIXED: "fixed, not relaxed",
    EnergyVariant.APPROX_NEB: "relaxed one by one, not as a band",
    EnergyVariant.NEB: "those of a band, not relaxed one by one",
}


def measure(case: Migration) -> Task[MigrationComparison]:
    """All three variants; the single points stand even if a relaxation fails."""
    statics = yield [Static(image, held=True) for image in case.images]
    fixed = EnergyProfile(
        images=case.images,
        energies=np.array([each.energy for each in statics]),
        forces=np.array([each.forces for each in statics]),
    )
    approx: ApproxBandResult | StructureError
    band: BandResult | StructureError
    ends: tuple[Atoms, Atoms] | None = None
    try:
        relaxed = yield ApproxBand(case.images, case.moving, fmax=FMAX)
        approx, ends = relaxed, (relaxed.images[0], relaxed.images[-1])
    except StructureError as error:
        approx = error
    try:
        if ends is None:
            first, last = yield [Relax(case.images[k], fmax=FMAX) for k in (0, -1)]
            ends = first.atoms, last.atoms
        band = yield Band(between(*ends, case.images), fmax=FMAX, steps=BAND_STEPS)
    except StructureError as error:
        band = error
    return _compare(case, fixed, approx, band)


def between(first: Atoms, last: Atoms, images: Sequence[Atoms]) -> list[Atoms]:
    """Images whose end points have moved: the shifts of the ends, linear in between, are added."""
    at_first = find_mic(first.positions - images[0].positions, first.cell)[0]
    at_last = find_mic(last.positions - images[-1].positions, last.cell)[0]
    moved = []
    for image, fraction in zip(images, np.linspace(0, 1, len(images)), strict=True):
        atoms = image.copy()
        atoms.positions += (1 - fraction) * at_first + fraction * at_last
        moved.append(atoms)
    return moved


def _compare(
    case: Migration,
    fixed: EnergyProfile,
    approx: ApproxBandResult | StructureError,
    band: BandResult | StructureError,
) -> MigrationComparison:
    given = _profile(case, EnergyVariant.FIXED, fixed)
    standing = Standing.COMPARABLE if case.known else Standing.NO_REFERENCE, ""
    if case.has_reference and not case.known:
        standing = Standing.NOT_COMPARABLE, "the path that the barrier is of is not known"
    standing = _unless_monotonic(case, fixed, standing)
    flags = (*case.notes, *_gaps(given), *_rough_ends(case, fixed))
    flags += _flags(case, fixed, standing[0])
    values = [_value(case, EnergyVariant.FIXED, fixed, standing, flags)]
    profiles = [given]
    for variant, result in ((EnergyVariant.APPROX_NEB, approx), (EnergyVariant.NEB, band)):
        if isinstance(result, StructureError):
            failed = (Standing.FAILED, str(result))
            values.append(_value(case, variant, None, failed, ()))
        else:
            profile = _profile(case, variant, result)
            off = distances_to_polyline(profile.ion, given.ion)
            standing = _standing(case, variant, result, off)
            standing = _unless_monotonic(case, result, standing)
            flags = _flags(case, result, standing[0])
            values.append(_value(case, variant, result, standing, flags))
            profiles.append(profile)
    reference = None
    if case.energies is not None and case.known:
        above_first = case.energies - case.energies[0]
        reference = Profile("DFT", fixed.distances, above_first, given.ion)
    return MigrationComparison(
        energies=EnergyComparison(case.name, case.system, "eV", tuple(values)),
        reference=reference,
        profiles=tuple(profiles),
        force_slope=_force_slope(case, fixed),
    )


def _value(
    case: Migration,
    variant: EnergyVariant,
    profile: EnergyProfile | None,
    standing: tuple[Standing, str],
    flags: tuple[str, ...],
) -> EnergyValue:
    return EnergyValue(
        variant=variant,
        reference=case.barrier,
        model=profile.kinetically_resolved_barrier
        if profile is not None and has_barrier(profile.energies)
        else float("nan"),
        standing=standing[0],
        reason=standing[1],
        flags=flags,
    )


def _profile(case: Migration, variant: EnergyVariant, profile: EnergyProfile) -> Profile:
    """The profile, with the way of the ion unwrapped from the place next to where it is given."""
    start = case.images[0].positions[case.moving]
    at = np.array([image.positions[case.moving] for image in profile.images])
    steps = find_mic(np.diff(at, axis=0, prepend=start[None]), profile.images[0].cell)[0]
    ion = start + np.cumsum(steps, axis=0)
    return Profile(variant, profile.distances, profile.energies - profile.energies[0], ion)


def _unless_monotonic(
    case: Migration, profile: EnergyProfile, standing: tuple[Standing, str]
) -> tuple[Standing, str]:
    """The standing, or that of a path on which the energy only rises or falls, in DFT or in the model."""
    if standing[0] not in (Standing.COMPARABLE, Standing.NO_REFERENCE):
        return standing
    without = []
    if case.energies is not None and case.known and not has_barrier(case.energies):
        without.append("DFT")
    if not has_barrier(profile.energies):
        without.append("the model")
    if not without:
        return standing
    where = " and in ".join(without)
    return Standing.NO_BARRIER, f"in {where} no image is higher than both end points"


def _force_slope(case: Migration, fixed: EnergyProfile) -> float:
    if case.forces is None or not np.any(case.forces):
        return float("nan")
    return float(slope_of(component_sums(case.forces, fixed.forces)))


def _standing(
    case: Migration, variant: EnergyVariant, result: ApproxBandResult | BandResult, off: np.ndarray
) -> tuple[Standing, str]:
    """Whether relaxed images may be compared with DFT's; what went wrong comes first.

    `off` is the distance of the ion from the path given in each image, shape (images,), Å.
    """
    shifts = _shifts(case, variant, result)
    given = case.prepared is not EnergyVariant.FIXED and case.energies is not None
    if variant is EnergyVariant.NEB and given:
        # From a guess a band may go anywhere; from DFT's own path it should not.
        shifts = np.maximum(shifts, off)
    farthest = int(np.argmax(shifts))
    if shifts[farthest] > ELSEWHERE:
        return (
            Standing.CHANGED,
            f"image {farthest} relaxed by up to {shifts[farthest]:.1f} Å, into another basin",
        )
    if not np.all(result.converged):
        left = float(np.max(result.fmax))
        return Standing.UNCONVERGED, f"forces of {left:.2g} eV/Å are left"
    at_ends = float(np.linalg.norm(result.forces[[0, -1]], axis=2).max())
    if at_ends > AT_REST:
        return Standing.UNCONVERGED, f"forces of {at_ends:.2g} eV/Å are left at the end points"
    if not case.has_reference:
        return Standing.NO_REFERENCE, ""
    if variant is not case.prepared:
        return Standing.NOT_COMPARABLE, f"DFT's images are {_SO_PREPARED[case.prepared]}"
    return Standing.COMPARABLE, ""


def _shifts(
    case: Migration, variant: EnergyVariant, result: ApproxBandResult | BandResult
) -> np.ndarray:
    """How far the atom that moved most went in each image, shape (images,), Å."""
    lengths = np.array(
        [
            np.linalg.norm(find_mic(after.positions - before.positions, before.cell)[0], axis=1)
            for before, after in zip(case.images, result.images, strict=True)
        ]
    )
    if variant is EnergyVariant.NEB:
        # Images of a band slide along the path; of those between, only what stays at home is judged.
        away = [image.positions - case.images[0].positions for image in case.images]
        ways = find_mic(np.reshape(away, (-1, 3)), case.images[0].cell)[1]
        hopping = np.reshape(ways, lengths.shape).max(axis=0) > ELSEWHERE
        lengths[1:-1, hopping] = 0.0
    return lengths.max(axis=1)


def _gaps(given: Profile) -> tuple[str, ...]:
    """Neighbouring images between which the ion goes far."""
    lengths = np.linalg.norm(np.diff(given.ion, axis=0), axis=1)
    return tuple(
        f"the ion goes {lengths[k]:.1f} Å from image {k} to {k + 1}: the saddle point may lie between"
        for k in np.flatnonzero(lengths > GAP)
    )


def _rough_ends(case: Migration, fixed: EnergyProfile) -> tuple[str, ...]:
    """End points that DFT relaxed and that are no minima of the model."""
    if case.prepared is EnergyVariant.FIXED or case.energies is None:
        return ()
    largest = [float(np.linalg.norm(fixed.forces[k], axis=1).max()) for k in (0, -1)]
    return tuple(
        f"the {name} end point is no minimum of the model: {force:.2f} eV/Å"
        for name, force in zip(("first", "last"), largest, strict=True)
        if force > AT_REST
    )


def _flags(case: Migration, profile: EnergyProfile, standing: Standing) -> tuple[str, ...]:
    """What is peculiar about a profile of the model."""
    energies = profile.energies
    flags = []
    if standing is not Standing.NO_BARRIER and not has_barrier(energies):
        flags.append("no image is higher than both end points")
    below = min(energies[0], energies[-1]) - energies[1:-1].min()
    if below > BELOW:
        flags.append(
            f"image {1 + int(energies[1:-1].argmin())} lies {below:.2f} eV below both end points"
        )
    # An asymmetry that DFT's geometry does not have cannot be told from another preparation.
    ends_known = np.isfinite(case.asymmetry)
    if ends_known and standing in (Standing.COMPARABLE, Standing.NO_REFERENCE):
        model = float(energies[-1] - energies[0])
        if abs(model - case.asymmetry) > ASYMMETRY:
            flags.append(
                f"last end point against first: {model:+.2f} eV, DFT {case.asymmetry:+.2f} eV"
            )
    return tuple(flags)
