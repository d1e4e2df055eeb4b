"""Bands and densities of states, of DFT and of all models."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from umlip_bench.analysis.drawing import DFT, Drawing, Line
from umlip_bench.benchmarks.phonons.harmonic import SMEARING, density_of_states
from umlip_bench.benchmarks.phonons.result import FIXED, RELAXED, BandPath, PhononComparison

DOS_POINTS = 120


def drawings(results: Mapping[str, PhononComparison]) -> list[Drawing]:
    """Bands and density of states, at DFT's geometry and relaxed."""
    first = next(iter(results.values()))
    found = []
    for variant in (FIXED, RELAXED):
        shown = [] if first.reference is None else [(DFT, first, first.reference)]
        for label, result in results.items():
            side = result.fixed if variant == FIXED else result.relaxed
            if side is not None:
                shown.append((label, result, side))
        if all(label == DFT for label, _, _ in shown):
            continue
        where = "DFT's geometry" if variant == FIXED else "relaxed by each model"
        bands, states = [], []
        for label, result, side in shown:
            path = result.sampling.path
            for segment in range(len(path.labels)) if np.isfinite(side.bands).all() else ():
                on_it = path.segments == segment
                bands += [
                    Line(label, path.distances[on_it], branch) for branch in side.bands[on_it].T
                ]
            if not result.sampling.is_mesh:
                continue
            at = np.linspace(
                side.mesh.min() - 4 * SMEARING, side.mesh.max() + 4 * SMEARING, DOS_POINTS
            )
            density = density_of_states(side.mesh, result.sampling.weights, at)
            states.append(Line(label, density * side.mesh.shape[1], at))
        heights = [side.bands for _, _, side in shown] + [side.mesh for _, _, side in shown]
        span = (
            min(float(h.min()) for h in heights if np.isfinite(h).all()) - 0.3,
            max(float(h.max()) for h in heights if np.isfinite(h).all()) + 0.3,
        )
        ticks = _symmetry_points(first.sampling.path)
        found += [
            Drawing(where, "", "frequency (THz)", tuple(bands), ticks, y_range=span),
            Drawing(where, "states per THz and cell", "", tuple(states), narrow=True, y_range=span),
        ]
    return found


def _symmetry_points(path: BandPath) -> tuple[tuple[float, str], ...]:
    """Places of the points of high symmetry; two names where the path jumps."""
    places: list[float] = []
    names: list[str] = []
    for segment, (first, last) in enumerate(path.labels):
        along = path.distances[path.segments == segment]
        if not names:
            places.append(float(along[0]))
            names.append(_pretty(first))
        elif names[-1].split("|")[-1] != _pretty(first):
            names[-1] = f"{names[-1]}|{_pretty(first)}"
        places.append(float(along[-1]))
        names.append(_pretty(last))
    return tuple(zip(places, names, strict=True))


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _pretty(label: str) -> str:
    """With a subscript where the name has one: ``S_0``."""
    name, _, index = label.partition("_")
    return name + index.translate(_SUBSCRIPTS)
