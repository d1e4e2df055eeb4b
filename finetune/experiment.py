"""Methods compared: each fitted to chosen labels, and judged by frames that it did not see.

An experiment is a model and some methods. A choice says which labels a fit gets and which frames it is
judged by; `evaluation`, `curve` and `ladder` are three plans of choices. What a fit predicts for the judged
frames is kept in a journal, so that the same command goes on after an interruption; every number is
arithmetic on that.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.datasets import Frame
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import beside
from umlip_bench.finetune.force_sets import ForceSet
from umlip_bench.finetune.method import Chosen, Epoch, Surroundings
from umlip_bench.finetune.scalar import reference_materials
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import Journal
from umlip_bench.potentials.graph import Prediction
from umlip_bench.potentials.protocol import Potential

NONE = "none"
"""The model as it is."""
TRIALS = "trials"
"""Name, or ending, of an experiment's journal."""


@dataclass(frozen=True, eq=False)
class Choice:
    """Labels, and the frames that a fit to them is judged by.

    Parameters
    ----------
    name
        For people.
    labels
        What methods are fitted to.
    judged
        Labelled frames to predict.
    elsewhere
        Labelled frames of other materials to predict, which show what is retained.
    replay
        Materials to hold a model to its parent on, if settings say so.
    force_sets
        Labels of curvature beside the frames, for methods that take them.
    """

    name: str
    labels: tuple[Frame, ...]
    judged: tuple[Frame, ...]
    elsewhere: tuple[Frame, ...] = ()
    replay: Mapping[str, tuple[Frame, ...]] = field(default_factory=dict)
    force_sets: tuple[ForceSet, ...] = ()


@dataclass(frozen=True, eq=False)
class Planned:
    """A fit that is to be made, or the model as it is.

    Parameters
    ----------
    chosen
        Method and settings; ``None`` for the model as it is.
    choice
        Labels and judged frames.
    """

    chosen: Chosen | None
    choice: Choice

    @property
    def name(self) -> str:
        """Of the method."""
        return NONE if self.chosen is None else self.chosen.method.name


@dataclass(frozen=True)
class Fitted:
    """An entry of the journal; predictions are its arrays.

    Parameters
    ----------
    method, n_labels
        What was fitted.
    seconds
        What it took; nan if it failed.
    replayed
        Materials on which the model was held to its parent.
    failure
        Why there is no fit; ``None`` if there is one.
    """

    method: str
    n_labels: int
    seconds: float
    replayed: tuple[str, ...] = ()
    failure: str | None = None


Made = tuple[Fitted, Mapping[str, np.ndarray]]
"""What the journal has of a fit: entry and arrays."""


@dataclass(frozen=True, eq=False)
class Trial:
    """One fit beside the labels.

    Parameters
    ----------
    fitted
        How it went.
    judged, elsewhere
        The frames of the choice, by material; empty if there is no fit.
    """

    fitted: Fitted
    judged: tuple[MaterialComparison, ...]
    elsewhere: tuple[MaterialComparison, ...]

    @property
    def frames(self) -> list[FrameComparison]:
        """All judged frames."""
        return [frame for material in self.judged for frame in material.frames]


class Experiment:
    """Fits of one model.

    Parameters
    ----------
    potential
        The model.
    journal
        Folder that fits are kept in, and taken from if they are there; ``None`` keeps none.
    earlier
        Where earlier versions kept theirs.
    on_fit
        Called before every fit that is made now, with what it is of.
    on_epoch
        Called after every epoch of a training.

    Attributes
    ----------
    told
        What is to be said of processes that helped, a sentence each.

    Raises
    ------
    CorrectionError
        If there are fits of an earlier version, which cannot be taken over.
    """

    def __init__(
        self,
        potential: Potential,
        journal: Path | None = None,
        earlier: Path | None = None,
        *,
        on_fit: Callable[[str], None] = lambda text: None,
        on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    ) -> None:
        if earlier is not None and earlier.exists():
            raise CorrectionError(
                f"{earlier} holds fits of an earlier version, which kept errors but not predictions and "
                "cannot be gone on with; move it away, or choose another --out"
            )
        self.potential = potential
        self.told: list[str] = []
        self._damaged: tuple[str, ...] = ()
        self._journal = None if journal is None else Journal(journal, Fitted)
        self._on_fit, self._on_epoch = on_fit, on_epoch
        self._reference = cache(lambda: reference_materials(potential))

    @property
    def damaged(self) -> tuple[str, ...]:
        """What of an earlier command could not be read and is computed again, a sentence each."""
        now = () if self._journal is None else self._journal.damaged
        return tuple(dict.fromkeys((*self._damaged, *now)))

    def read_again(self) -> None:
        """Take in what other processes have added to the journal."""
        if self._journal is not None:
            # What was damaged and has been computed again is whole there.
            self._damaged = self.damaged
            self._journal.close()
            self._journal = Journal(self._journal.folder, Fitted)

    def reference(self) -> tuple[MaterialComparison, ...]:
        """The model on the reference set, evaluated once."""
        return self._reference()

    def plan(self, fits: Sequence[Planned]) -> None:
        """Be told of fits that `trial` is going to be asked for.

        Here each is made when it is asked for; other processes may make them before
        (`umlip_bench.finetune.shared_fits`).

        Raises
        ------
        StructureError
            If the model cannot evaluate a frame.
        """

    def trial(self, planned: Planned) -> Trial:
        """One fit, or what is kept of it, beside the labels.

        Raises
        ------
        StructureError
            If the model cannot evaluate a frame. What labels or models do not allow is a trial that failed.
        """
        fitted, arrays = self._kept(planned) or self.make(planned)
        if fitted.failure is not None:
            return Trial(fitted, (), ())
        choice = planned.choice
        found = _predictions([*choice.judged, *choice.elsewhere], arrays)
        n = len(choice.judged)
        return Trial(fitted, beside(choice.judged, found[:n]), beside(choice.elsewhere, found[n:]))

    def make(self, planned: Planned) -> Made:
        """Make a fit, and keep it; raises as `trial`."""
        choice = planned.choice
        self._on_fit(f"{choice.name}: {planned.name}, {len(choice.labels)} labels")
        made = self.fit(planned)
        if self._journal is not None:
            fitted, arrays = made
            self._journal.append(self.key(planned), fitted, arrays or None)
        return made

    def holds(self, planned: Planned) -> bool:
        """Whether a fit is kept."""
        return self._journal is not None and self.key(planned) in self._journal

    def _kept(self, planned: Planned) -> Made | None:
        if self._journal is None:
            return None
        key = self.key(planned)
        fitted = self._journal.get(key)
        return None if fitted is None else (fitted, self._journal.arrays(key))

    def fit(self, planned: Planned) -> Made:
        """Make a fit, whatever is kept, and keep nothing; raises as `trial`."""
        chosen, choice, name = planned.chosen, planned.choice, planned.name
        potential, seconds, n = self.potential, 0.0, len(choice.labels)
        replayed: tuple[str, ...] = ()
        if chosen is not None:
            around = Surroundings(
                others=choice.replay,
                force_sets=choice.force_sets,
                reference=self._reference,
                on_epoch=self._on_epoch,
                brief=True,
            )
            try:
                chosen.method.prepare(potential, chosen.settings, around)
                start = time.perf_counter()
                fit = chosen.method.fit(potential, choice.labels, chosen.settings, around)
                potential, replayed = fit.put_on(potential), fit.replayed
                seconds = time.perf_counter() - start
            except CorrectionError as error:
                return Fitted(name, n, math.nan, failure=str(error)), {}
        # Apart, so that what is judged does not change with what is beside it by rounding.
        found = [
            prediction
            for frames in (choice.judged, choice.elsewhere)
            for prediction in predict(potential, [frame.atoms for frame in frames])
        ]
        return Fitted(name, n, seconds, replayed), _arrays(found)

    def key(self, planned: Planned) -> str:
        """Digest of all that a fit depends on: its key in the journal."""
        chosen, choice = planned.chosen, planned.choice
        model, dtype = self.potential.weights.sha256, str(self.potential.dtype)
        what = (
            None if chosen is None else (chosen.method.name, chosen.method.version, chosen.settings)
        )
        frames = (choice.labels, choice.judged, choice.elsewhere)
        # Without force sets it is the key that such fits had before there were any.
        rows = (choice.force_sets,) if choice.force_sets else ()
        return identity("experiment", model, dtype, what, frames, choice.replay, *rows)


def _arrays(found: Sequence[Prediction]) -> dict[str, np.ndarray]:
    nothing = np.full((3, 3), np.nan)
    return {
        "energies": np.array([each.energy for each in found]),
        "forces": np.concatenate([np.zeros((0, 3)), *(each.forces for each in found)]),
        "stresses": np.array(
            [nothing if each.stress is None else each.stress for each in found]
        ).reshape(-1, 3, 3),
    }


def _predictions(frames: Sequence[Frame], arrays: Mapping[str, np.ndarray]) -> list[Prediction]:
    ends = np.cumsum([len(frame.atoms) for frame in frames])
    forces = np.split(arrays["forces"], ends[:-1])
    return [
        Prediction(float(energy), own, None if np.isnan(stress).all() else stress, None)
        for energy, own, stress in zip(arrays["energies"], forces, arrays["stresses"], strict=True)
    ]
