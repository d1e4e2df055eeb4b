"""Colours, shapes and dashes of models, and the look of charts on screen and in print.

Colours are those of M. Okabe and K. Ito, which are told apart without full colour vision; shapes and dashes
tell models apart without any. On screen a colour is the name of a CSS variable, so that dark and light are
the style sheet's matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from umlip_bench.analysis.drawing import DFT

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")
DASHES = ((1, 0), (6, 2), (2, 2), (8, 2, 2, 2), (4, 4), (10, 3))
LABEL_LIMIT = 230
"""Pixels of a name on an axis; on the page less where there is little room."""
N_STEPS = 7
"""Colours of a softness, from too soft to too stiff."""


@dataclass(frozen=True)
class Palette:
    """Colours of one medium.

    Parameters
    ----------
    ink, muted, rule, ground
        Of text, secondary text, lines of axes, and the background.
    dft
        Of the reference.
    models
        Of models, in order; repeated when used up.
    steps
        `N_STEPS` colours from too soft over right to too stiff.
    font
        Family.
    """

    ink: str
    muted: str
    rule: str
    ground: str
    dft: str
    models: tuple[str, ...]
    steps: tuple[str, ...]
    font: str


SCREEN = Palette(
    ink="var(--ink)",
    muted="var(--muted)",
    rule="var(--rule)",
    ground="var(--ground)",
    dft="var(--ink)",
    models=tuple(f"var(--model-{k})" for k in range(6)),
    steps=tuple(f"var(--step-{k})" for k in range(N_STEPS)),
    font="system-ui, sans-serif",
)
PRINT = Palette(
    ink="#1b1b1f",
    muted="#5c5f66",
    rule="#c9ccd1",
    ground="#ffffff",
    dft="#000000",
    models=("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"),
    steps=("#08519c", "#4292c6", "#b3d3e8", "#f2f2f2", "#fdd0a2", "#f16913", "#a63603"),
    font="Helvetica, Arial, sans-serif",
)


@dataclass(frozen=True)
class Style:
    """How the models of one page are told apart.

    Parameters
    ----------
    palette
        Of the medium.
    labels
        Of the models, in their order.
    """

    palette: Palette
    labels: tuple[str, ...]

    def colour(self, label: str) -> str:
        """Of a model or of DFT."""
        return self.palette.dft if label == DFT else _nth(self.palette.models, self._place(label))

    def shape(self, label: str) -> str:
        """Of a model's points."""
        return _nth(SHAPES, self._place(label))

    def dash(self, label: str) -> list[int]:
        """Of a model's lines; DFT's are solid."""
        return [1, 0] if label == DFT else list(_nth(DASHES, self._place(label)))

    def _place(self, label: str) -> int:
        return self.labels.index(label)


def _nth(values: Sequence[Any], k: int) -> Any:
    return values[k % len(values)]


def config(palette: Palette, *, legend: bool) -> Mapping[str, object]:
    """Vega-Lite's configuration for all charts of a medium.

    Parameters
    ----------
    palette
        Of the medium.
    legend
        Whether charts have legends; the page has one for all.
    """
    text = {
        "labelColor": palette.muted,
        "titleColor": palette.ink,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    }
    return {
        "background": None if not legend else palette.ground,
        "font": palette.font,
        "view": {"stroke": None},
        "axis": {
            **text,
            "domainColor": palette.rule,
            "tickColor": palette.rule,
            "gridColor": palette.rule,
            "gridOpacity": 0.45,
            "labelPadding": 5,
            "labelLimit": LABEL_LIMIT,
            "labelSeparation": 6,
            "titlePadding": 9,
            "tickSize": 4,
        },
        "legend": {**text, "orient": "top", "title": None, "disable": not legend},
        "title": {
            "color": palette.ink,
            "subtitleColor": palette.muted,
            "fontSize": 12,
            "fontWeight": 600,
            "subtitleFontSize": 11,
            "anchor": "start",
            "offset": 10,
        },
        "header": {"labelColor": palette.ink},
    }
