"""Energy profiles along paths, of DFT and of all models."""

from __future__ import annotations

from collections.abc import Mapping

from umlip_bench.analysis.drawing import DFT, Drawing, Line
from umlip_bench.benchmarks.migration.result import VARIANTS, MigrationComparison


def drawings(results: Mapping[str, MigrationComparison]) -> list[Drawing]:
    """Energies above the first image, a drawing for each variant."""
    first = next(iter(results.values()))
    profiles = [profile for result in results.values() for profile in result.profiles]
    if first.reference is not None:
        profiles.append(first.reference)
    heights = [energy for profile in profiles for energy in profile.energies]
    margin = 0.05 * (max(heights) - min(heights)) if heights else 0.0
    found = []
    for variant in VARIANTS:
        shown = [
            (label, profile)
            for label, result in results.items()
            for profile in result.profiles
            if profile.of == variant
        ]
        if not shown:
            continue
        if first.reference is not None:
            shown.insert(0, (DFT, first.reference))
        value = first.energies.value(variant)
        comparable = value is None or value.comparable
        found.append(
            Drawing(
                str(variant) if comparable else f"{variant}, not comparable",
                "fraction of the path",
                "energy above the first image (eV)",
                tuple(
                    Line(label, p.distances / p.distances[-1], p.energies, points=True)
                    for label, p in shown
                ),
                y_range=(min(heights) - margin, max(heights) + margin),
                comparable=comparable,
            )
        )
    return found
