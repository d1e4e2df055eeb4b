"""Pictures of single cases: bands, profiles and curves of DFT and of all models in one plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.eos import EosComparison
from umlip_bench.analysis.harmonic import SMEARING, density_of_states
from umlip_bench.analysis.migration import VARIANTS, MigrationComparison
from umlip_bench.analysis.phonons import FIXED, RELAXED, BandPath, PhononComparison

FloatArray = NDArray[np.float64]

DFT = "DFT"
"""Label of the reference among the models'."""
VALUES_UP_TO = 250_000
"""Numbers in the pictures of a suite, which keeps the page small."""
DOS_POINTS = 120


@dataclass(frozen=True, eq=False)
class Line:
    """A curve.

    Parameters
    ----------
    side
        Label of the model, or `DFT`.
    x, y
        Shape (n,).
    points
        Whether the points themselves are marked.
    """

    side: str
    x: FloatArray
    y: FloatArray
    points: bool = False


@dataclass(frozen=True, eq=False)
class Drawing:
    """Curves on common axes.

    Parameters
    ----------
    title
        What tells it from the other drawings of its case.
    x_label, y_label
        With units; an empty one of x is of a path through reciprocal space.
    lines
        DFT's first.
    ticks
        Names at places on the x axis; empty for numbers.
    narrow
        Whether it needs little width: the abscissa is then the dependent one.
    y_range
        Ends of the y axis, which drawings beside each other share; ``None`` for those of the lines.
    comparable
        Whether DFT's line is what the models' are to be; else it is dotted.
    """

    title: str
    x_label: str
    y_label: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    narrow: bool = False
    y_range: tuple[float, float] | None = None
    comparable: bool = True

    @property
    def size(self) -> int:
        """How many numbers it consists of."""
        return sum(2 * len(line.x) for line in self.lines)


@dataclass(frozen=True, eq=False)
class Picture:
    """All drawings of one case."""

    case: str
    drawings: tuple[Drawing, ...]


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures of a suite.

    Parameters
    ----------
    suite
        Its name.
    title
        What is drawn.
    pictures
        By case.
    left_out
        Cases for which there is no room on the page.
    """

    suite: str
    title: str
    pictures: tuple[Picture, ...]
    left_out: int


def picture_set(
    suite: str, sides: Sequence[Side], up_to: float = VALUES_UP_TO
) -> PictureSet | None:
    """Pictures of all cases of a suite; ``None`` if it has none to draw.

    Parameters
    ----------
    suite
        Its name.
    sides
        Models.
    up_to
        Numbers in all pictures together; cases beyond are left out and counted.
    """
    if suite not in DRAWERS:
        return None
    title, draw = DRAWERS[suite]
    by_case: dict[str, dict[str, Any]] = {}
    for side in sides:
        for record in side.run.of(suite, side.model):
            by_case.setdefault(record.case, {})[side.label] = side.run.result(record)
    pictures, room, left_out = [], up_to, 0
    for case, results in by_case.items():
        drawings = tuple(drawing for drawing in draw(results) if drawing.lines)
        size = sum(drawing.size for drawing in drawings)
        if not drawings:
            continue
        if size > room:
            left_out += 1
            continue
        room -= size
        pictures.append(Picture(case, drawings))
    return PictureSet(suite, title, tuple(pictures), left_out) if pictures or left_out else None


# ---- phonons


def _phonons(results: Mapping[str, PhononComparison]) -> list[Drawing]:
    """Bands and density of states, at DFT's geometry and relaxed."""
    first = next(iter(results.values()))
    drawings = []
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
            for segment in range(len(path.labels)):
                on_it = path.segments == segment
                bands += [
                    Line(label, path.distances[on_it], branch) for branch in side.bands[on_it].T
                ]
            at = np.linspace(
                side.mesh.min() - 4 * SMEARING, side.mesh.max() + 4 * SMEARING, DOS_POINTS
            )
            density = density_of_states(side.mesh, result.sampling.weights, at)
            states.append(Line(label, density * side.mesh.shape[1], at))
        heights = [side.bands for _, _, side in shown] + [side.mesh for _, _, side in shown]
        span = (
            min(float(h.min()) for h in heights) - 0.3,
            max(float(h.max()) for h in heights) + 0.3,
        )
        ticks = _symmetry_points(first.sampling.path)
        drawings += [
            Drawing(where, "", "frequency (THz)", tuple(bands), ticks, y_range=span),
            Drawing(where, "states per THz and cell", "", tuple(states), narrow=True, y_range=span),
        ]
    return drawings


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


# ---- migration


def _migration(results: Mapping[str, MigrationComparison]) -> list[Drawing]:
    """Energies above the first image, a drawing for each variant."""
    first = next(iter(results.values()))
    profiles = [profile for result in results.values() for profile in result.profiles]
    if first.reference is not None:
        profiles.append(first.reference)
    heights = [energy for profile in profiles for energy in profile.energies]
    margin = 0.05 * (max(heights) - min(heights)) if heights else 0.0
    drawings = []
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
        drawings.append(
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
    return drawings


# ---- equations of state


def _eos(results: Mapping[str, EosComparison]) -> list[Drawing]:
    """Energy against volume, each curve above its own minimum."""
    first = next(iter(results.values()))
    drawings = []
    for variant in (FIXED, RELAXED):
        lines = [
            Line(
                label, curve.volumes / result.n_atoms, _above_minimum(curve.energies, result), True
            )
            for label, result in results.items()
            if (curve := result.fixed if variant == FIXED else result.relaxed) is not None
        ]
        dft = first.reference_points
        if lines and dft is not None:
            lines.insert(
                0, Line(DFT, dft.volumes / first.n_atoms, _above_minimum(dft.energies, first), True)
            )
        drawings.append(
            Drawing(
                variant,
                "volume (Å³/atom)",
                "energy above the lowest point (meV/atom)",
                tuple(lines),
            )
        )
    return drawings


def _above_minimum(energies: FloatArray, result: EosComparison) -> FloatArray:
    return 1000.0 * (energies - energies.min()) / result.n_atoms


DRAWERS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], list[Drawing]]]] = {
    "phonons": ("Bands and density of states", _phonons),
    "migration": ("Energy profiles", _migration),
    "eos": ("Energy against volume", _eos),
}
"""By suite: title, and what takes results of one case by model and gives drawings."""
