"""Measure how soft universal interatomic potentials are against DFT.

`run` runs suites, `correct` corrects a model by labels. `load` gives an ASE calculator, `potential` a model
for batches, `predict` its predictions of many structures, `make_periodic` a structure that every potential
can take, `map` runs any ASE code for many structures at once, `leaderboard` puts runs on a static site.
Everything heavy is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from umlip_bench.ground.version import __version__

if TYPE_CHECKING:
    from umlip_bench.engine.calculator import load
    from umlip_bench.engine.mapping import Mapped, map
    from umlip_bench.engine.prediction import predict
    from umlip_bench.finetune.correcting import correct
    from umlip_bench.finetune.run import run
    from umlip_bench.ground.level_of_theory import LevelOfTheory
    from umlip_bench.ground.model_card import ModelCard
    from umlip_bench.ground.structures import make_periodic
    from umlip_bench.potentials.graph import Prediction
    from umlip_bench.potentials.loading import potential
    from umlip_bench.potentials.protocol import Potential
    from umlip_bench.running.leaderboard import leaderboard
    from umlip_bench.running.measured_run import MeasuredRun

_HOME = {
    "LevelOfTheory": "umlip_bench.ground.level_of_theory",
    "Mapped": "umlip_bench.engine.mapping",
    "MeasuredRun": "umlip_bench.running.measured_run",
    "ModelCard": "umlip_bench.ground.model_card",
    "Potential": "umlip_bench.potentials.protocol",
    "Prediction": "umlip_bench.potentials.graph",
    "correct": "umlip_bench.finetune.correcting",
    "leaderboard": "umlip_bench.running.leaderboard",
    "load": "umlip_bench.engine.calculator",
    "map": "umlip_bench.engine.mapping",
    "make_periodic": "umlip_bench.ground.structures",
    "potential": "umlip_bench.potentials.loading",
    "predict": "umlip_bench.engine.prediction",
    "run": "umlip_bench.finetune.run",
}

__all__ = [
    "LevelOfTheory",
    "Mapped",
    "MeasuredRun",
    "ModelCard",
    "Potential",
    "Prediction",
    "__version__",
    "correct",
    "leaderboard",
    "load",
    "make_periodic",
    "map",
    "potential",
    "predict",
    "run",
]


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'umlip_bench' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
