"""Pictures of single cases: bands, profiles and curves of DFT and of all models in one plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.drawing import Drawing
from umlip_bench.analysis.registry import all_suites, suite_of

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
    return [name for name, suite in all_suites().items() if suite.drawings]


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
    if declared.drawings is None:
        return None
    by_case: dict[str, dict[str, Any]] = {}
    for side in sides:
        for record in side.run.of(suite, side.model):
            by_case.setdefault(record.case, {})[side.label] = side.run.result(record)
    pictures, room, left_out = [], up_to, 0
    for case, results in by_case.items():
        drawings = tuple(drawing for drawing in declared.drawings(results) if drawing.lines)
        size = sum(drawing.size for drawing in drawings)
        if not drawings:
            continue
        if size > room:
            left_out += 1
            continue
        room -= size
        pictures.append(Picture(case, drawings))
    return (
        PictureSet(suite, declared.drawing_title, tuple(pictures), left_out)
        if pictures or left_out
        else None
    )
