"""How well few labels train a model: a fit to every choice of the labels, judged by the rest.

What `evaluation` does for the scalar correction by arithmetic, here by training; every fit is kept on
disk, so that the same command goes on after an interruption.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import MIN_RMS_FORCE, compare, fingerprint
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
from umlip_bench.finetune.kept import KeptLines
from umlip_bench.finetune.training.parameters import check_trainable
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.protocol import Potential


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
    kept
        File that fits are kept in, and taken from if they are there; ``None`` keeps none.

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
        kept: Path | None = None,
    ) -> None:
        for method in methods:
            check_trainable(potential, method)
        self.potential = potential
        self.methods = tuple(methods)
        self.settings = settings
        self._kept = None if kept is None else KeptLines(kept)
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
                    entry = None if self._kept is None else self._kept.get(key)
                    if entry is None:
                        on_fit(f"{name}: {method}, labels {', '.join(map(str, labels))}")
                        entry = self._fit(method, frames, labels, before)
                        if self._kept is not None:
                            self._kept.add(key, entry)
                    trials.append(_trial(entry))
                    on_trial()
                outcome = outcome_of(name, count, method, len(frames), trials)
                if outcome is not None:
                    yield outcome

    def _fit(
        self, method: str, frames: list[Frame], labels: tuple[int, ...], before: JudgedFrames
    ) -> dict[str, Any]:
        what = {"method": method, "system": frames[0].system, "labels": list(labels)}
        try:
            found = self._corrector.apply(method, [frames[k] for k in labels])
        except CorrectionError as error:
            return {**what, "trial": None, "failure": str(error)}
        trial = before.trained_trial(labels, _judged(found.potential, frames))
        finite = [value if math.isfinite(value) else None for value in trial]
        return {**what, "trial": finite, "failure": None, "seconds": found.seconds}

    def _key(self, method: str, frames: Sequence[Frame], labels: tuple[int, ...]) -> str:
        content = {
            "model": self.potential.weights.sha256,
            "dtype": str(self.potential.dtype),
            "method": method,
            "frames": fingerprint(frames),
            "labels": labels,
            "settings": self.settings.to_plain(),
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _judged(potential: Potential, frames: Sequence[Frame]) -> JudgedFrames:
    return JudgedFrames([frame for m in compare(potential, frames) for frame in m.frames])


def _trial(entry: Mapping[str, Any]) -> Trial | None:
    values = entry["trial"]
    if values is None:
        return None
    return tuple(math.nan if value is None else value for value in values)
