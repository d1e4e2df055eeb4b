"""Energy against volume, of DFT and of all models."""

from __future__ import annotations

from collections.abc import Mapping

from umlip_bench.analysis.drawing import DFT, Drawing, Line
from umlip_bench.benchmarks.eos.result import FIXED, RELAXED, EnergyCurve, EosComparison


def drawings(results: Mapping[str, EosComparison]) -> list[Drawing]:
    """Each curve above its own minimum."""
    first = next(iter(results.values()))
    found = []
    for variant in (FIXED, RELAXED):
        lines = [
            _line(label, curve, result)
            for label, result in results.items()
            if (curve := result.curve(variant)) is not None
        ]
        if lines and first.reference_points is not None:
            lines.insert(0, _line(DFT, first.reference_points, first))
        found.append(
            Drawing(
                variant,
                "volume (Å³/atom)",
                "energy above the lowest point (meV/atom)",
                tuple(lines),
            )
        )
    return found


def _line(label: str, curve: EnergyCurve, result: EosComparison) -> Line:
    above = 1000.0 * (curve.energies - curve.energies.min()) / result.n_atoms
    return Line(label, curve.volumes / result.n_atoms, above, points=True)
