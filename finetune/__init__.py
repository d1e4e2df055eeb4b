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
    from umlip_bench.finetune.committee import Committee, CommitteeCalculator, CommitteePrediction
    from umlip_bench.finetune.factors import Estimator
    from umlip_bench.finetune.folder import LabelSource, save, save_shift, save_training
    from umlip_bench.finetune.labelling.collection import collect
    from umlip_bench.finetune.labelling.gpaw_label import label_with_gpaw
    from umlip_bench.finetune.labelling.sampling import Sampling
    from umlip_bench.finetune.labelling.settings import (
        EspressoSettings,
        GpawSettings,
        Spin,
        VaspSettings,
    )
    from umlip_bench.finetune.labelling.suggested import save_suggestion
    from umlip_bench.finetune.labelling.suggestion import Suggestion, suggest
    from umlip_bench.finetune.references import ShiftFit, fit_references
    from umlip_bench.finetune.scalar import ScalarFit, fit_scalar
    from umlip_bench.finetune.training.fit import TrainedFit, Training, fit_trained
    from umlip_bench.finetune.training.settings import TrainingSettings

_HOME = {
    "Committee": "committee",
    "CommitteeCalculator": "committee",
    "CommitteePrediction": "committee",
    "EspressoSettings": "labelling.settings",
    "Estimator": "factors",
    "GpawSettings": "labelling.settings",
    "LabelSource": "folder",
    "Sampling": "labelling.sampling",
    "ScalarFit": "scalar",
    "ShiftFit": "references",
    "Spin": "labelling.settings",
    "Suggestion": "labelling.suggestion",
    "TrainedFit": "training.fit",
    "Training": "training.fit",
    "TrainingSettings": "training.settings",
    "VaspSettings": "labelling.settings",
    "collect": "labelling.collection",
    "fit_references": "references",
    "fit_scalar": "scalar",
    "fit_trained": "training.fit",
    "label_with_gpaw": "labelling.gpaw_label",
    "save": "folder",
    "save_shift": "folder",
    "save_suggestion": "labelling.suggested",
    "save_training": "folder",
    "suggest": "labelling.suggestion",
}

__all__ = [
    "Committee",
    "CommitteeCalculator",
    "CommitteePrediction",
    "EspressoSettings",
    "Estimator",
    "GpawSettings",
    "LabelSource",
    "Sampling",
    "ScalarFit",
    "ShiftFit",
    "Spin",
    "Suggestion",
    "TrainedFit",
    "Training",
    "TrainingSettings",
    "VaspSettings",
    "collect",
    "fit_references",
    "fit_scalar",
    "fit_trained",
    "label_with_gpaw",
    "save",
    "save_shift",
    "save_suggestion",
    "save_training",
    "suggest",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
