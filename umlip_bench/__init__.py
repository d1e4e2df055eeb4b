"""Measure how soft universal interatomic potentials are against DFT.

`load` gives an ASE calculator, `potential` a model for batches, `make_periodic` a structure that
every potential can take. Everything heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umlip_bench.loading import load, potential
    from umlip_bench.potentials.card import LevelOfTheory, ModelCard
    from umlip_bench.potentials.protocol import Potential, Prediction
    from umlip_bench.structures import make_periodic

__version__ = "0.1.0"

_HOME = {
    "LevelOfTheory": "umlip_bench.potentials.card",
    "ModelCard": "umlip_bench.potentials.card",
    "Potential": "umlip_bench.potentials.protocol",
    "Prediction": "umlip_bench.potentials.protocol",
    "load": "umlip_bench.loading",
    "make_periodic": "umlip_bench.structures",
    "potential": "umlip_bench.loading",
}

__all__ = [
    "LevelOfTheory",
    "ModelCard",
    "Potential",
    "Prediction",
    "__version__",
    "load",
    "make_periodic",
    "potential",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'umlip_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
