"""Pictures of single cases: bands, profiles and curves of DFT and of all models in one plot."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.drawing import DFT, Drawing, Line
from umlip_bench.analysis.migration import VARIANTS, MigrationComparison
from umlip_bench.analysis.registry import all_suites, suite_of
from umlip_bench.analysis.suite import DeclaredSuite

FloatArray = NDArray[np.float64]

VALUES_UP_TO = 250_000
"""Numbers in the pictures of a suite, which keeps the page small."""


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


def drawn_suites() -> list[str]:
    """Names of the suites of which single cases are drawn."""
    return [name for name, suite in all_suites().items() if name in DRAWERS or suite.drawings]


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
    declared = suite_of(suite)
    if isinstance(declared, DeclaredSuite):
        title, draw = declared.drawing_title, declared.drawings
    else:
        title, draw = DRAWERS.get(suite, ("", None))
    if draw is None:
        return None
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


DRAWERS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], list[Drawing]]]] = {
    "migration": ("Energy profiles", _migration),
}
"""By suite: title, and what takes results of one case by model and gives drawings."""
