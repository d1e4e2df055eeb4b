"""Migration barriers in words and path by path."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from umlip_bench.analysis.energies import (
    EnergyVariant,
    cell,
    energy_caption,
    energy_verdict,
    remarks,
)
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable
from umlip_bench.benchmarks.migration.result import (
    SAME_STORY,
    VARIANTS,
    MigrationComparison,
    Profile,
    path_deviation,
)

WHAT = "migration barriers"


def verdict(rows: Sequence[Row], model: str) -> str:
    """Barriers, and whether energies and forces along the paths tell the same story."""
    found = {row.metric: row for row in rows if row.model == model}
    text = energy_verdict(rows, model, WHAT)
    if "share_stories_differ" not in found:
        return text
    energies, forces = (found[f"path_{of}_slope_median"] for of in ("energy", "force"))
    differ = found["share_stories_differ"]
    n = round(differ.value * differ.n_cases)
    story = f"which do not tell the same story on {n}/{differ.n_cases}" if n else "the same story"
    return (
        f"{text}; along the paths energies are {energies.value:.2f} and forces {forces.value:.2f} of DFT's, "
        f"{story}"
    )


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows and how its intervals were made."""
    text = energy_caption(rows, WHAT)
    if any(row.metric == "share_stories_differ" for row in rows):
        text += (
            " E(s) and force slope: of energies and force components at all images given, medians over "
            f"paths; they differ if by more than {SAME_STORY}."
        )
    return text


def case_table(results: Sequence[MigrationComparison]) -> CaseTable:
    """Barriers of each path in eV, the place of the saddle point, and the distance from DFT's path."""
    rows = []
    for result in results:
        reference = result.reference
        known = [v.reference for v in result.energies.values if np.isfinite(v.reference)]
        alone = f"{known[0]:.3f}" if known else "-"
        row = [result.energies.name, alone if reference is None else _described(reference)]
        by_variant = {profile.of: profile for profile in result.profiles}
        for variant in VARIANTS:
            profile = by_variant.get(variant)
            if profile is None:
                row.append(cell(result.energies.value(variant)))
            else:
                row.append(
                    _described(profile, None if variant is EnergyVariant.FIXED else reference)
                )
        rows.append(row)
    return CaseTable(
        title="migration barriers in eV: kinetically resolved (forward, backward)",
        columns=("path", "DFT", *VARIANTS),
        rows=rows,
        notes=[
            "saddle: highest image as a fraction of the path; off: distance of the ion from its way in DFT, "
            "root mean square (largest), Å",
            *remarks([result.energies for result in results]),
            *(
                f"{result.energies.name}: along the path energies are {result.energy_slope:.2f} and forces "
                f"{result.force_slope:.2f} of DFT's: they do not tell the same story"
                for result in results
                if result.stories_differ
            ),
        ],
    )


def _described(profile: Profile, reference: Profile | None = None) -> str:
    """Barriers, the place of the saddle point, and the deviation from a reference if there is one."""
    forward, backward = profile.forward_barrier, profile.backward_barrier
    resolved = f"{0.5 * (forward + backward):.3f}" if profile.has_barrier else "no barrier"
    lines = [
        f"{resolved} ({forward:.3f}, {backward:.3f})",
        f"saddle {profile.saddle_position:.2f}",
    ]
    if reference is not None:
        deviation = path_deviation(profile, reference)
        lines.append(f"off {deviation.rms:.2f} ({deviation.maximum:.2f})")
    return "\n".join(lines)
