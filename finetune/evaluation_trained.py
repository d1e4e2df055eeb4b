"""How well few labels train a model: a fit to every choice of the labels, judged by the rest.

What `evaluation` does for the scalar correction by arithmetic, here by training; every fit is kept on
disk, so that the same command goes on after an interruption.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import MIN_RMS_FORCE, compare
from umlip_bench.finetune.correctors import Corrector
from umlip_bench.finetune.evaluation import (
    COUNTS,
    MOST_CHOICES,
    ChoicesOutcome,
    JudgedFrames,
    Trial,
    choices,
    number_of_labels,
    outcome_of,
)
from umlip_bench.finetune.training.parameters import check_trainable
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import Journal
from umlip_bench.potentials.protocol import Potential


@dataclass(frozen=True)
class TrialFit:
    """One fit to one choice of labels.

    Parameters
    ----------
    method, system, labels
        What was fitted to which frames of which material.
    trial
        How it fares, as `umlip_bench.finetune.evaluation.Trial` says; ``None`` if there is no fit.
    failure
        Why there is none.
    seconds
        What it took; nan if it failed.
    """

    method: str
    system: str
    labels: tuple[int, ...]
    trial: tuple[float, ...] | None
    failure: str | None
    seconds: float


class TrainedEvaluation:
    """Every choice of labels, for methods that train weights.

    Parameters
    ----------
    potential
        The model.
    materials
        Labelled frames by material. Frames whose forces are noise are left out, as for the scalar
        correction.
    methods
        ``head``, ``lora``, ``full`` or ``scratch``.
    settings
        Of every fit.
    counts
        Members of `COUNTS`.
    most
        Choices to try for a material and a count.
    fits
        Folder of the journal that fits are kept in, and taken from if they are there; ``None`` keeps none.

    Raises
    ------
    CorrectionError
        If a method cannot be applied to the model.
    """

    def __init__(
        self,
        potential: Potential,
        materials: Mapping[str, Sequence[Frame]],
        methods: Sequence[str],
        settings: TrainingSettings,
        *,
        counts: Sequence[str] = COUNTS,
        most: int = MOST_CHOICES,
        fits: Path | None = None,
    ) -> None:
        for method in methods:
            check_trainable(potential, method)
        self.potential = potential
        self.methods = tuple(methods)
        self.settings = settings
        self._journal = None if fits is None else Journal(fits, TrialFit)
        self._corrector = Corrector(potential, settings)
        self._tasks: list[tuple[str, list[Frame], str, list[tuple[int, ...]]]] = []
        for name, every in materials.items():
            frames = [frame for frame in every if (frame.forces**2).mean() >= MIN_RMS_FORCE**2]
            for count in counts:
                n_labels = number_of_labels(count, len(frames))
                if 0 < n_labels < len(frames):
                    tried = choices(len(frames), n_labels, most)
                    self._tasks.append((name, frames, count, tried))

    @property
    def n_fits(self) -> int:
        """Fits to make or to take from the file."""
        return len(self.methods) * sum(len(tried) for *_, tried in self._tasks)

    def outcomes(
        self,
        *,
        on_fit: Callable[[str], None] = lambda text: None,
        on_trial: Callable[[], None] = lambda: None,
    ) -> Iterator[ChoicesOutcome]:
        """Fit, and judge.

        Parameters
        ----------
        on_fit
            Called before every fit that is made now, with what it is of.
        on_trial
            Called after every fit, also one that was there.

        Raises
        ------
        StructureError
            If the model cannot evaluate a frame.
        """
        for name, frames, count, tried in self._tasks:
            before = _judged(self.potential, frames)
            for method in self.methods:
                trials: list[Trial | None] = []
                for labels in tried:
                    key = self._key(method, frames, labels)
                    fit = None if self._journal is None else self._journal.get(key)
                    if fit is None:
                        on_fit(f"{name}: {method}, labels {', '.join(map(str, labels))}")
                        fit = self._fit(method, frames, labels, before)
                        if self._journal is not None:
                            self._journal.append(key, fit)
                    trials.append(fit.trial)
                    on_trial()
                outcome = outcome_of(name, count, method, len(frames), trials)
                if outcome is not None:
                    yield outcome

    def _fit(
        self, method: str, frames: list[Frame], labels: tuple[int, ...], before: JudgedFrames
    ) -> TrialFit:
        system = frames[0].system
        try:
            found = self._corrector.apply(method, [frames[k] for k in labels])
        except CorrectionError as error:
            return TrialFit(method, system, labels, None, str(error), math.nan)
        trial = before.trained_trial(labels, _judged(found.potential, frames))
        return TrialFit(method, system, labels, tuple(trial), None, found.seconds)

    def _key(self, method: str, frames: Sequence[Frame], labels: tuple[int, ...]) -> str:
        model, dtype = self.potential.weights.sha256, str(self.potential.dtype)
        return identity("evaluation", model, dtype, method, list(frames), labels, self.settings)


def _judged(potential: Potential, frames: Sequence[Frame]) -> JudgedFrames:
    return JudgedFrames([frame for m in compare(potential, frames) for frame in m.frames])
