"""All methods on the same labels, judged by the same frames, and which of them to take.

Rule: going up from no correction at all, take the first method whose held-out force error is not above the
smallest one by more than one standard error of the difference, over held-out frames (the one-standard-error
rule of L. Breiman et al., Classification and Regression Trees, 1984). What changes less forgets less and
needs less to hold, and gives way only to what is measurably better. A method that changes no forces is never
recommended for them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.datasets import Frame
from umlip_bench.finetune.experiment import NONE, Choice, Experiment, Planned, Trial
from umlip_bench.finetune.measures import Measures, force_errors, measure
from umlip_bench.finetune.method import Chosen
from umlip_bench.finetune.retention import Retention, other_materials, retention
from umlip_bench.ground.errors import CorrectionError

FOLDS = 3
"""Ways to split the labels where no other frames are given to judge by."""


@dataclass(frozen=True)
class Fold:
    """Labels, and the frames that the result is judged by."""

    labels: tuple[Frame, ...]
    held_out: tuple[Frame, ...]


@dataclass(frozen=True)
class Rung:
    """One method.

    Parameters
    ----------
    method
        Its name.
    held_out
        Errors over all held-out frames.
    frame_maes
        Force MAE of each of them, in eV/Å, in the same order for every method.
    retention
        Other materials, from the first fold; ``None`` if there are none to judge by.
    seconds
        For one fit, mean over folds.
    """

    method: str
    held_out: Measures
    frame_maes: tuple[float, ...]
    retention: Retention | None
    seconds: float


@dataclass(frozen=True)
class Ladder:
    """All methods side by side.

    Parameters
    ----------
    model
        Name.
    n_labels
        Labels of a fit.
    n_folds
        1 if the held-out frames were given, else in how many ways the labels were split.
    rungs
        From no correction on.
    refused
        Why a method could not be applied, by its name.
    recommended
        Name of the method to take.
    """

    model: str
    n_labels: int
    n_folds: int
    rungs: tuple[Rung, ...]
    refused: dict[str, str]
    recommended: str


def folds_of(labels: Sequence[Frame], held_out: Sequence[Frame]) -> list[Fold]:
    """The one fold of given frames, or the labels split in `FOLDS` ways, every third frame together.

    Raises
    ------
    CorrectionError
        If there is nothing to judge by.
    """
    if held_out:
        return [Fold(tuple(labels), tuple(held_out))]
    if len(labels) < 2:
        raise CorrectionError(
            "one label leaves nothing to judge by; give further labelled frames of the same composition "
            "with --held-out"
        )
    n = min(FOLDS, len(labels))
    return [
        Fold(
            tuple(f for i, f in enumerate(labels) if i % n != k),
            tuple(f for i, f in enumerate(labels) if i % n == k),
        )
        for k in range(n)
    ]


def climb(experiment: Experiment, folds: Sequence[Fold], methods: Sequence[Chosen]) -> Ladder:
    """Fit every method to every fold.

    Parameters
    ----------
    experiment
        Of the model.
    folds
        As from `folds_of`.
    methods
        In the order of the ladder; no correction comes first by itself.

    Raises
    ------
    StructureError
        If the model cannot evaluate a frame.
    """
    compositions = {frame.composition for fold in folds for frame in fold.labels}
    others = other_materials(experiment.potential, compositions)
    choices = [
        Choice(
            f"fold {k} of {len(folds)}",
            fold.labels,
            fold.held_out,
            () if k > 1 else tuple(frame for each in others.values() for frame in each),
            others,
        )
        for k, fold in enumerate(folds, 1)
    ]
    ways = (None, *methods)
    experiment.plan([Planned(chosen, choice) for chosen in ways for choice in choices])
    rungs: list[Rung] = []
    refused: dict[str, str] = {}
    before: dict[str, Measures] = {}
    for chosen in ways:
        name = NONE if chosen is None else chosen.method.name
        trials: list[Trial] = []
        for choice in choices:
            trial = experiment.trial(Planned(chosen, choice))
            if trial.fitted.failure is not None:
                refused[name] = trial.fitted.failure
                break
            trials.append(trial)
        else:
            elsewhere = {each.name: measure([each]) for each in trials[0].elsewhere}
            if chosen is None:
                before = elsewhere
            kept = (
                None if chosen is None else retention(before, elsewhere, trials[0].fitted.replayed)
            )
            rungs.append(_rung(name, trials, kept))
    unfit = {each.method.name for each in methods if not each.method.corrects_forces}
    return Ladder(
        model=experiment.potential.card.name,
        n_labels=len(folds[0].labels),
        n_folds=len(folds),
        rungs=tuple(rungs),
        refused=refused,
        recommended=recommend(rungs, unfit),
    )


def _rung(method: str, trials: Sequence[Trial], kept: Retention | None) -> Rung:
    judged: list[MaterialComparison] = [each for trial in trials for each in trial.judged]
    frames = [frame for trial in trials for frame in trial.frames]
    return Rung(
        method=method,
        held_out=measure(judged),
        frame_maes=tuple(float(errors.mean()) for errors in force_errors(frames)),
        retention=kept,
        seconds=float(np.mean([trial.fitted.seconds for trial in trials])),
    )


def recommend(rungs: Sequence[Rung], set_aside: Collection[str] = ()) -> str:
    """The method that the rule of this module takes, not one of those set aside."""
    able = [rung for rung in rungs if rung.method not in set_aside]
    best = min(able, key=lambda rung: np.mean(rung.frame_maes))
    for rung in able:
        excess = np.subtract(rung.frame_maes, best.frame_maes)
        n = len(excess)
        error = float(excess.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        if excess.mean() <= error:
            return rung.method
    return best.method
