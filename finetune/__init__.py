"""Corrections of potentials from DFT labels.

>>> import umlip_bench
>>> from umlip_bench import datasets, finetune
>>> model = umlip_bench.potential("chgnet-0.3.0")
>>> fit = finetune.fit_scalar(model, datasets.load("pbe-mini").by_system()["SiC"])
>>> f"{fit.factor:.2f}"
'1.39'
>>> folder = finetune.save(fit, model, "chgnet-mine")
>>> calculator = umlip_bench.load("chgnet-mine")

Everything is imported when it is first used: the command line's help needs none of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from umlip_bench.engine.calculator import CommitteeCalculator
    from umlip_bench.finetune.estimators import Estimator
    from umlip_bench.finetune.folder import LabelSource, save
    from umlip_bench.finetune.labelling.collection import collect
    from umlip_bench.finetune.labelling.gpaw_label import label_with_gpaw
    from umlip_bench.finetune.labelling.pool import PoolSuggestion, suggest_from_pool
    from umlip_bench.finetune.labelling.settings import (
        EspressoSettings,
        GpawSettings,
        Sampling,
        Spin,
        VaspSettings,
    )
    from umlip_bench.finetune.labelling.suggested import save_suggestion
    from umlip_bench.finetune.labelling.suggestion import Suggestion, suggest
    from umlip_bench.finetune.labelling.teacher_label import label_with_teacher
    from umlip_bench.finetune.method import Fit, Method, Surroundings, fit
    from umlip_bench.finetune.phonon_labels import force_sets
    from umlip_bench.finetune.scalar import fit_scalar
    from umlip_bench.finetune.scalar_fit import ScalarFit
    from umlip_bench.finetune.training.settings import TrainingSettings
    from umlip_bench.potentials.corrections.committee import Committee, CommitteePrediction

_HOMES = {
    "umlip_bench.engine.calculator": ("CommitteeCalculator",),
    "umlip_bench.finetune.estimators": ("Estimator",),
    "umlip_bench.finetune.folder": ("LabelSource", "save"),
    "umlip_bench.finetune.labelling.collection": ("collect",),
    "umlip_bench.finetune.labelling.gpaw_label": ("label_with_gpaw",),
    "umlip_bench.finetune.labelling.pool": ("PoolSuggestion", "suggest_from_pool"),
    "umlip_bench.finetune.labelling.settings": (
        "EspressoSettings",
        "GpawSettings",
        "Sampling",
        "Spin",
        "VaspSettings",
    ),
    "umlip_bench.finetune.labelling.suggested": ("save_suggestion",),
    "umlip_bench.finetune.labelling.suggestion": ("Suggestion", "suggest"),
    "umlip_bench.finetune.labelling.teacher_label": ("label_with_teacher",),
    "umlip_bench.finetune.method": ("Fit", "Method", "Surroundings", "fit"),
    "umlip_bench.finetune.phonon_labels": ("force_sets",),
    "umlip_bench.finetune.scalar": ("fit_scalar",),
    "umlip_bench.finetune.scalar_fit": ("ScalarFit",),
    "umlip_bench.finetune.training.settings": ("TrainingSettings",),
    "umlip_bench.potentials.corrections.committee": ("Committee", "CommitteePrediction"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
