"""What a training says of itself."""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.finetune.comparison import BeforeAfter
from umlip_bench.finetune.measures import GroupCheck
from umlip_bench.finetune.retention import Retention
from umlip_bench.finetune.training.alignment import Alignment
from umlip_bench.finetune.training.loop import History
from umlip_bench.finetune.training.settings import TrainingSettings

IN_SAMPLE, VALIDATION = "trained on", "validation"
"""Groups of frames that a model is measured on, beside those held out."""


@dataclass(frozen=True)
class Split:
    """Which labels were trained on; indices from 0 into the labels.

    Parameters
    ----------
    training, validation
        The latter chose the epoch; empty if the last one was taken.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...]


@dataclass(frozen=True)
class CurvatureCheck:
    """Rows of the Hessian that were trained on, before and after.

    Parameters
    ----------
    materials
        Whose force sets they are of.
    n_supercells
        Displaced supercells.
    amplitude
        Mean length of their displacements, Å.
    slope
        The model's rows against DFT's; dimensionless.
    mae
        Of their components, eV/Å².
    """

    materials: tuple[str, ...]
    n_supercells: int
    amplitude: float
    slope: BeforeAfter
    mae: BeforeAfter


@dataclass(frozen=True)
class TrainedFit:
    """The record of a training.

    Parameters
    ----------
    method
        ``head``, ``lora``, ``full`` or ``scratch``.
    settings
        What was minimised, and how.
    dtype
        Number format of the training.
    labels_sha256
        Digest of geometries and labels.
    n_labels
        Frames, validation included.
    n_parameters
        Numbers that were trained.
    split
        Which frames served for what.
    energies
        What became of the labels' energies.
    history
        All epochs, and the one that was kept.
    checks
        Every group of frames before and after.
    curvature
        Rows of the Hessian before and after; ``None`` without force sets.
    retention
        Other materials; ``None`` if there are none to judge by.
    replayed
        Materials on which the model was held to its parent.
    seconds
        Time of the training now, without an interrupted part.
    """

    method: str
    settings: TrainingSettings
    dtype: str
    labels_sha256: str
    n_labels: int
    n_parameters: int
    split: Split
    energies: Alignment
    history: History
    checks: tuple[GroupCheck, ...]
    curvature: CurvatureCheck | None
    retention: Retention | None
    replayed: tuple[str, ...]
    seconds: float
