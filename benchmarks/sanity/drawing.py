"""Energies of dimers, of crystals under compression, and of dynamics, model by model."""

from __future__ import annotations

from collections.abc import Mapping

from umlip_bench.analysis.drawing import Drawing, Line
from umlip_bench.benchmarks.sanity.result import SanityCheck, SanityResult

AXES = {
    SanityCheck.DIMER: ("distance (Å)", "energy above the lowest (eV)"),
    SanityCheck.COMPRESSION: ("volume over the crystal's", "energy above the lowest (eV)"),
    SanityCheck.DRIFT: ("time (ps)", "energy above the lowest (eV)"),
}


def drawings(results: Mapping[str, SanityResult]) -> list[Drawing]:
    """The curve of a check that has one."""
    check = next(iter(results.values())).check
    lines = tuple(
        Line(label, result.along, result.energies - result.energies.min(), points=True)
        for label, result in results.items()
        if len(result.along)
    )
    return [Drawing(str(check), *AXES[check], lines)] if lines else []
