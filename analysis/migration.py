"""Migration barriers: profiles along paths, and how their barriers compare with DFT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .energies import (
    COUNT_METRIC,
    LABELS,
    EnergyComparison,
    Variant,
    cell,
    comparison_from_arrays,
    comparison_to_arrays,
    energy_caption,
    energy_rows,
    energy_verdict,
    remarks,
)
from .summary import Row
from .tables import CaseTable, Presentation

FloatArray = NDArray[np.float64]

SUITE = "migration"
VARIANTS = (Variant.FIXED, Variant.APPROX_NEB, Variant.NEB)
WHAT = "migration barriers"


@dataclass(frozen=True, eq=False)
class Profile:
    """Energy along a path.

    Parameters
    ----------
    of
        Variant, or ``"DFT"``.
    distances
        Shape (n,), Å: length of the path up to each image, over all atoms.
    energies
        Shape (n,), eV, above the first image.
    """

    of: str
    distances: FloatArray
    energies: FloatArray

    @property
    def saddle(self) -> int:
        """Index of the highest image."""
        return int(np.argmax(self.energies))

    @property
    def forward_barrier(self) -> float:
        """Highest image above the first, eV."""
        return float(self.energies.max() - self.energies[0])

    @property
    def backward_barrier(self) -> float:
        """Highest image above the last, eV."""
        return float(self.energies.max() - self.energies[-1])


@dataclass(frozen=True, eq=False)
class MigrationComparison:
    """All that was found of one path.

    Parameters
    ----------
    energies
        Kinetically resolved barriers by variant, in eV.
    reference
        DFT's profile; ``None`` if there is none.
    profiles
        The model's, of the variants that did not fail.
    """

    energies: EnergyComparison
    reference: Profile | None
    profiles: tuple[Profile, ...]


def migration_rows(
    model: str, data: str, results: Sequence[MigrationComparison], n_failed: int
) -> list[Row]:
    """Summarise a model over paths; see `umlip_bench.analysis.energies.energy_rows`."""
    comparisons = [result.energies for result in results]
    return energy_rows(model, data, SUITE, comparisons, n_failed, VARIANTS)


MIGRATION = Presentation(
    labels=LABELS,
    count_metric=COUNT_METRIC,
    cases="paths",
    verdict=partial(energy_verdict, what=WHAT),
    caption=partial(energy_caption, what=WHAT),
)
"""For `umlip_bench.analysis.tables.print_table`."""


def case_table(results: Sequence[MigrationComparison]) -> CaseTable:
    """Barriers of each path, in eV: kinetically resolved, and forward and backward in brackets."""
    rows = []
    for result in results:
        energies = result.energies
        by_variant = {profile.of: profile for profile in result.profiles}
        reference = result.reference
        row = [energies.name, "-" if reference is None else _three(_resolved(reference), reference)]
        for variant in VARIANTS:
            text, profile = cell(energies.value(variant)), by_variant.get(variant)
            row.append(text if profile is None else _three(text, profile))
        rows.append(row)
    return CaseTable(
        title="migration barriers in eV: kinetically resolved (forward, backward)",
        columns=("path", "DFT", *VARIANTS),
        rows=rows,
        notes=remarks([result.energies for result in results]),
    )


def _resolved(profile: Profile) -> str:
    return f"{0.5 * (profile.forward_barrier + profile.backward_barrier):.3f}"


def _three(barrier: str, profile: Profile) -> str:
    return f"{barrier} ({profile.forward_barrier:.3f}, {profile.backward_barrier:.3f})"


def profiles_to_arrays(result: MigrationComparison) -> dict[str, np.ndarray]:
    """Everything of a comparison but its name."""
    arrays = comparison_to_arrays(result.energies)
    profiles = [*result.profiles, *([] if result.reference is None else [result.reference])]
    arrays["profiles"] = np.array([profile.of for profile in profiles], dtype=str)
    for profile in profiles:
        arrays[f"{profile.of}/distances"] = profile.distances
        arrays[f"{profile.of}/energies"] = profile.energies
    return arrays


def profiles_from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> MigrationComparison:
    """The comparison again."""
    profiles = {
        of: Profile(of, arrays[f"{of}/distances"], arrays[f"{of}/energies"])
        for of in arrays["profiles"].tolist()
    }
    reference = profiles.pop("DFT", None)
    return MigrationComparison(
        energies=comparison_from_arrays(name, arrays),
        reference=reference,
        profiles=tuple(profiles.values()),
    )
