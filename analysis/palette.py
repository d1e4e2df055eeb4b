"""Colours of the pictures, the same in all."""

from __future__ import annotations

from typing import Any

DFT = "black"
MODELS = ("#d1495b", "#00798c", "#edae49", "#6a4c93", "#5a8f29")


def model_style(k: int) -> dict[str, Any]:
    """Colour and line style of the k-th model; dashed once the colours are used up."""
    return {"color": MODELS[k % len(MODELS)], "linestyle": "-" if k < len(MODELS) else "--"}
