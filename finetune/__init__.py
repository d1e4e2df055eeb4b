"""Corrections of potentials from DFT labels.

>>> import umlip_bench
>>> from umlip_bench import datasets, finetune
>>> model = umlip_bench.potential("chgnet-0.3.0")
>>> fit = finetune.fit_scalar(model, datasets.load("one.xyz").frames)
>>> fit.factor, fit.interval
>>> finetune.save(fit, model, "chgnet-mine")
>>> calculator = umlip_bench.load("chgnet-mine")

Everything is imported when it is first used: the command line's help needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umlip_bench.finetune.factors import Estimator
    from umlip_bench.finetune.folder import LabelSource, save
    from umlip_bench.finetune.scalar import ScalarFit, fit_scalar

_HOME = {
    "Estimator": "factors",
    "LabelSource": "folder",
    "ScalarFit": "scalar",
    "fit_scalar": "scalar",
    "save": "folder",
}

__all__ = ["Estimator", "LabelSource", "ScalarFit", "fit_scalar", "save"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
