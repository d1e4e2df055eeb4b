"""Migration barriers of ions: along DFT's images, by ApproxNEB, and by a climbing-image elastic band.

The barrier compared is the kinetically resolved one, E_max - (E_first + E_last) / 2, half the sum of
the barriers in both directions. ApproxNEB is what Deng et al. (npj Comput. Mater. 11, 9, 2025) compare;
an elastic band is another way to prepare the images, and is compared with DFT's bands only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.geometry import find_mic

from umlip_bench.analysis.energies import (
    EnergyComparison,
    EnergyValue,
    Standing,
    Variant,
    comparison_metrics,
)
from umlip_bench.analysis.migration import (
    MIGRATION,
    MigrationComparison,
    Profile,
    case_table,
    migration_rows,
    profiles_from_arrays,
    profiles_to_arrays,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, Presentation
from umlip_bench.benchmarks.fingerprints import digest
from umlip_bench.benchmarks.hops import vacancy_hops
from umlip_bench.benchmarks.selection import cheapest
from umlip_bench.datasets import Dataset
from umlip_bench.datasets.cases import MigrationCase, Preparation
from umlip_bench.engine.bands import ApproxBand, ApproxBandResult, Band, BandResult, EnergyProfile
from umlip_bench.engine.relaxation import Relax
from umlip_bench.engine.requests import Static, Task
from umlip_bench.errors import StructureError, UmlipBenchError
from umlip_bench.suite import Mode, StructureRequest

FMAX = 0.05
"""eV/Å, of images and bands."""
BAND_STEPS = 200
AT_REST = 0.1
"""eV/Å; an end point of DFT's with larger forces is no minimum of the model."""
ELSEWHERE = 1.0
"""Å; an atom that relaxes farther has gone into another basin."""
ASYMMETRY = 0.1
"""eV, between model and DFT, in the energy of one end point against the other."""
QUICK_CASES = 4


@dataclass(frozen=True, eq=False)
class Migration:
    """A path to be measured.

    Parameters
    ----------
    name, system
        The path, unique in its data set, and the material.
    images
        In order, at least three.
    moving
        Index of the ion.
    energies
        DFT's, shape (images,), eV; ``None`` if there are none.
    relaxed
        Whether DFT relaxed the images, the ion held.
    """

    name: str
    system: str
    images: tuple[Atoms, ...]
    moving: int
    energies: np.ndarray | None
    relaxed: bool

    @property
    def fingerprint(self) -> str:
        """Digest of the images."""
        return digest(self.images)


def measure(case: Migration) -> Task[MigrationComparison]:
    """All three variants; the single points stand even if a relaxation fails."""
    statics = yield [Static(image) for image in case.images]
    fixed = EnergyProfile(
        images=case.images,
        energies=np.array([each.energy for each in statics]),
        forces=np.array([each.forces for each in statics]),
    )
    approx: ApproxBandResult | StructureError
    band: BandResult | StructureError
    try:
        approx = yield ApproxBand(case.images, case.moving, fmax=FMAX)
    except StructureError as error:
        approx = error
    try:
        first, last = yield [Relax(case.images[k], fmax=FMAX) for k in (0, -1)]
        path = between(first.atoms, last.atoms, case.images)
        band = yield Band(path, fmax=FMAX, steps=BAND_STEPS)
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
    values = [_value(case, Variant.FIXED, fixed, _standing_of_fixed(case), _flags(case, fixed))]
    profiles = [_profile(Variant.FIXED, fixed)]
    for variant, result in ((Variant.APPROX_NEB, approx), (Variant.NEB, band)):
        if isinstance(result, StructureError):
            failed = (Standing.FAILED, str(result))
            values.append(_value(case, variant, None, failed, ()))
        else:
            standing = _standing(case, variant, result)
            values.append(_value(case, variant, result, standing, _no_saddle(result)))
            profiles.append(_profile(variant, result))
    reference = None
    if case.energies is not None:
        reference = Profile("DFT", fixed.distances, case.energies - case.energies[0])
    return MigrationComparison(
        energies=EnergyComparison(case.name, case.system, "eV", tuple(values)),
        reference=reference,
        profiles=tuple(profiles),
    )


def _value(
    case: Migration,
    variant: Variant,
    profile: EnergyProfile | None,
    standing: tuple[Standing, str],
    flags: tuple[str, ...],
) -> EnergyValue:
    return EnergyValue(
        variant=variant,
        reference=float("nan") if case.energies is None else _barrier(case.energies),
        model=float("nan") if profile is None else profile.kinetically_resolved_barrier,
        standing=standing[0],
        reason=standing[1],
        flags=flags,
    )


def _barrier(energies: np.ndarray) -> float:
    return float(energies.max() - 0.5 * (energies[0] + energies[-1]))


def _profile(variant: Variant, profile: EnergyProfile) -> Profile:
    return Profile(variant, profile.distances, profile.energies - profile.energies[0])


def _standing_of_fixed(case: Migration) -> tuple[Standing, str]:
    if case.energies is None:
        return Standing.NO_REFERENCE, ""
    return Standing.COMPARABLE, ""


def _standing(
    case: Migration, variant: Variant, result: ApproxBandResult | BandResult
) -> tuple[Standing, str]:
    """Whether relaxed images may be compared with DFT's; what went wrong comes first."""
    shifts = [
        np.linalg.norm(find_mic(after.positions - before.positions, before.cell)[0], axis=1).max()
        for before, after in zip(case.images, result.images, strict=True)
    ]
    farthest = int(np.argmax(shifts))
    # Images of an elastic band slide along the path, but their end points do not.
    judged = shifts if variant is Variant.APPROX_NEB else [shifts[0], shifts[-1]]
    if max(judged) > ELSEWHERE:
        return (
            Standing.CHANGED,
            f"image {farthest} relaxed by up to {max(judged):.1f} Å, into another basin",
        )
    if not np.all(result.converged):
        left = float(np.max(result.fmax))
        return Standing.UNCONVERGED, f"forces of {left:.2g} eV/Å are left"
    if case.energies is None:
        return Standing.NO_REFERENCE, ""
    if not case.relaxed:
        return Standing.NOT_COMPARABLE, "DFT's images are fixed, not relaxed"
    if variant is Variant.NEB:
        return Standing.NOT_COMPARABLE, "DFT's images are relaxed one by one, not as a band"
    return Standing.COMPARABLE, ""


def _flags(case: Migration, fixed: EnergyProfile) -> tuple[str, ...]:
    flags = list(_no_saddle(fixed))
    if case.relaxed:
        for name, forces in (("first", fixed.forces[0]), ("last", fixed.forces[-1])):
            largest = float(np.linalg.norm(forces, axis=1).max())
            if largest > AT_REST:
                flags.append(f"the {name} end point is no minimum of the model: {largest:.2f} eV/Å")
    if case.energies is not None:
        model = fixed.energies[-1] - fixed.energies[0]
        dft = case.energies[-1] - case.energies[0]
        if abs(model - dft) > ASYMMETRY:
            flags.append(f"last end point against first: {model:+.2f} eV, DFT {dft:+.2f} eV")
    return tuple(flags)


def _no_saddle(profile: EnergyProfile) -> tuple[str, ...]:
    if profile.saddle in (0, len(profile.energies) - 1):
        return ("no image is higher than both end points",)
    return ()


class MigrationSuite:
    """The suite ``migration``."""

    name: ClassVar[str] = "migration"
    version: ClassVar[int] = 1
    presentation: ClassVar[Presentation] = MIGRATION

    def cases(self, dataset: Dataset, mode: Mode) -> Sequence[Migration]:
        """One case for each usable path; the cheapest in quick mode."""
        cases = [
            Migration(
                name=case.name,
                system=case.system,
                images=case.images,
                moving=case.moving_ion,
                energies=np.asarray(case.energies),
                relaxed=case.preparation is Preparation.RELAXED,
            )
            for case in dataset.of_task(self.name)
            if isinstance(case, MigrationCase)
        ]
        return cheapest(cases, QUICK_CASES, _n_atoms) if mode is Mode.QUICK else cases

    def structure_cases(self, request: StructureRequest) -> Sequence[Migration]:
        """Symmetry-distinct hops of an ion into a vacancy next to it.

        Raises
        ------
        UmlipBenchError
            If no ion was named, or it has nowhere to go.
        """
        if request.ion is None:
            symbols = ", ".join(dict.fromkeys(request.atoms.get_chemical_symbols()))
            raise UmlipBenchError(
                f"migration: name the ion that moves with --ion, one of {symbols}"
            )
        return [
            Migration(hop.name, request.name, hop.images, hop.moving, None, relaxed=False)
            for hop in vacancy_hops(request.atoms, request.ion)
        ]

    def measure(self, case: Migration) -> Task[MigrationComparison]:
        """See `measure`."""
        return measure(case)

    def metrics(self, result: MigrationComparison) -> Mapping[str, float | int]:
        """Barriers in eV: kinetically resolved, and in both directions by variant."""
        numbers = comparison_metrics(result.energies)
        for profile in result.profiles:
            prefix = profile.of.replace("-", "_")
            numbers[f"{prefix}_forward"] = profile.forward_barrier
            numbers[f"{prefix}_backward"] = profile.backward_barrier
            numbers[f"{prefix}_saddle"] = profile.saddle
        if result.reference is not None:
            numbers["reference_forward"] = result.reference.forward_barrier
            numbers["reference_backward"] = result.reference.backward_barrier
            numbers["reference_saddle"] = result.reference.saddle
        return numbers

    def to_arrays(self, result: MigrationComparison) -> Mapping[str, np.ndarray]:
        """Values and profiles."""
        return profiles_to_arrays(result)

    def from_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> MigrationComparison:
        """The comparison again."""
        return profiles_from_arrays(name, arrays)

    def rows(
        self, model: str, data: str, results: Sequence[MigrationComparison], n_failed: int
    ) -> list[Row]:
        """Scale and errors of barriers, by variant."""
        return migration_rows(model, data, results, n_failed)

    def case_table(self, results: Sequence[MigrationComparison]) -> CaseTable:
        """Barriers of each path."""
        return case_table(results)


def _n_atoms(case: Migration) -> int:
    return sum(map(len, case.images))
