"""Corrections of potentials from DFT labels.

>>> import umlip_bench
>>> from umlip_bench import datasets, finetune
>>> model = umlip_bench.potential("chgnet-0.3.0")
>>> fit = finetune.fit_scalar(model, datasets.load("pbe-mini").by_system()["SiC"])
>>> f"{fit.factor:.2f}"
'1.35'
>>> folder = finetune.save(fit, model, "chgnet-mine")
>>> calculator = umlip_bench.load("chgnet-mine")

Everything is imported when it is first used: the command line's help needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from umlip_bench.engine.calculator import CommitteeCalculator
    from umlip_bench.finetune.estimators import Estimator
    from umlip_bench.finetune.folder import LabelSource, save, save_shift, save_training
    from umlip_bench.finetune.labelling.collection import collect
    from umlip_bench.finetune.labelling.gpaw_label import label_with_gpaw
    from umlip_bench.finetune.labelling.settings import (
        EspressoSettings,
        GpawSettings,
        Sampling,
        Spin,
        VaspSettings,
    )
    from umlip_bench.finetune.labelling.suggested import save_suggestion
    from umlip_bench.finetune.labelling.suggestion import Suggestion, suggest
    from umlip_bench.finetune.references import ShiftFit, fit_references
    from umlip_bench.finetune.scalar import ScalarFit, fit_scalar
    from umlip_bench.finetune.training.fit import TrainedFit, Training, fit_trained
    from umlip_bench.finetune.training.settings import TrainingSettings
    from umlip_bench.potentials.corrections.committee import Committee, CommitteePrediction

_HOME = {
    "Committee": "umlip_bench.potentials.corrections.committee",
    "CommitteeCalculator": "umlip_bench.engine.calculator",
    "CommitteePrediction": "umlip_bench.potentials.corrections.committee",
    "EspressoSettings": "umlip_bench.finetune.labelling.settings",
    "Estimator": "umlip_bench.finetune.estimators",
    "GpawSettings": "umlip_bench.finetune.labelling.settings",
    "LabelSource": "umlip_bench.finetune.folder",
    "Sampling": "umlip_bench.finetune.labelling.settings",
    "ScalarFit": "umlip_bench.finetune.scalar",
    "ShiftFit": "umlip_bench.finetune.references",
    "Spin": "umlip_bench.finetune.labelling.settings",
    "Suggestion": "umlip_bench.finetune.labelling.suggestion",
    "TrainedFit": "umlip_bench.finetune.training.fit",
    "Training": "umlip_bench.finetune.training.fit",
    "TrainingSettings": "umlip_bench.finetune.training.settings",
    "VaspSettings": "umlip_bench.finetune.labelling.settings",
    "collect": "umlip_bench.finetune.labelling.collection",
    "fit_references": "umlip_bench.finetune.references",
    "fit_scalar": "umlip_bench.finetune.scalar",
    "fit_trained": "umlip_bench.finetune.training.fit",
    "label_with_gpaw": "umlip_bench.finetune.labelling.gpaw_label",
    "save": "umlip_bench.finetune.folder",
    "save_shift": "umlip_bench.finetune.folder",
    "save_suggestion": "umlip_bench.finetune.labelling.suggested",
    "save_training": "umlip_bench.finetune.folder",
    "suggest": "umlip_bench.finetune.labelling.suggestion",
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
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
