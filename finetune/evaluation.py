"""How well few labels correct a model: every choice of the labels is tried, and judged by the rest.

Within a material the frames are split in every way into labels and held-out frames (or in `MOST_CHOICES`
ways, drawn with a fixed seed). For methods of one factor the model is evaluated once per frame, and
all else is arithmetic on what it gave; other methods are fitted anew to every choice. Per
material stands what is to be expected of labels taken at random, the mean over choices; over
materials the median with its interval, since materials, not choices, are independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.analysis.intervals import SEED, Estimate, median_estimate
from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import (
    MIN_RMS_FORCE,
    compare,
    with_forces,
)
from umlip_bench.finetune.experiment import Choice, Experiment, Planned
from umlip_bench.finetune.factor_method import FactorMethod
from umlip_bench.finetune.judged_frames import JudgedFrames, Trial
from umlip_bench.finetune.method import Chosen

T = TypeVar("T")
IntArray = NDArray[np.int64]

MOST_CHOICES = 200
COUNTS = ("1", "2", "4", "all but one")
"""Numbers of labels tried."""


@dataclass(frozen=True)
class ChoicesOutcome:
    """One material, number of labels and estimator or method, over the choices of labels.

    Parameters
    ----------
    material
        The material.
    labels
        One of `COUNTS`.
    estimator
        Of the scalar correction, or the method that trained weights.
    n_frames
        Frames with forces, labels and held-out ones together.
    n_choices
        Choices of the labels that were tried.
    n_refused
        Choices without a positive factor, or for which training failed; they do not enter the other numbers.
    miss
        Median over choices of abs(c / c_held - 1), c_held being what the held-out frames ask for by the
        same closed form; like the next two nan for trained weights, which have no c.
    miss_90
        Its 90th percentile over choices.
    covered
        Share of choices whose 95 % interval holds c_held, which has a scatter of its own.
    score
        Interval score of the 95 % interval of log c for log c_held (R. L. Winkler, J. Am. Stat. Assoc. 67,
        187 (1972)): its width, and 40 times what it misses by; mean over choices, smaller is better.
    worse
        Share of choices after which the held-out force MAE is larger.
    slope_before, slope_after
        Force slope of the held-out frames; this and what follows is the mean over choices, what is to be
        expected of labels taken at random.
    force_before, force_after
        Their force MAE in eV/Å.
    energy_before, energy_after
        MAE of their energies relative to the labels' mean, in eV/atom; nan if compositions differ.
    stress_before, stress_after
        Their stress MAE in eV/Å³; nan without stresses.
    """

    material: str
    labels: str
    estimator: str
    n_frames: int
    n_choices: int
    n_refused: int
    miss: float
    miss_90: float
    covered: float
    score: float
    worse: float
    slope_before: float
    slope_after: float
    force_before: float
    force_after: float
    energy_before: float
    energy_after: float
    stress_before: float
    stress_after: float

    @property
    def force_ratio(self) -> float:
        """Held-out force MAE after over before; dimensionless."""
        return self.force_after / self.force_before


@dataclass(frozen=True)
class Evaluation:
    """All outcomes of one model on one data set."""

    model: str
    data: str
    outcomes: tuple[ChoicesOutcome, ...]


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly spaced."""
    picks = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[k] for k in picks]


def evaluate(
    experiment: Experiment,
    data: str,
    materials: Mapping[str, Sequence[Frame]],
    methods: Sequence[Chosen],
    *,
    counts: Sequence[str] = COUNTS,
    most: int = MOST_CHOICES,
    on_progress: Callable[[str, int, int], None] = lambda text, done, total: None,
) -> Evaluation:
    """Try every choice of labels.

    Parameters
    ----------
    experiment
        Of the model.
    data
        Name of the data set.
    materials
        Labelled frames by material. Those whose forces are noise are left out.
    methods
        What to try.
    counts
        Numbers of labels to try, of `COUNTS`.
    most
        Choices to try for a material and a number.
    on_progress
        Told what is being done, and how many of how many fits are there.

    Raises
    ------
    CorrectionError
        If a method cannot be applied to the model.
    StructureError
        If the model cannot evaluate a frame.
    """
    for chosen in methods:
        chosen.method.check(experiment.potential)
    outcomes: list[ChoicesOutcome] = []
    factors = [each.method for each in methods if isinstance(each.method, FactorMethod)]
    if factors:
        on_progress("reference set", 0, 0)
        reference = experiment.reference()
        for name, frames in materials.items():
            on_progress(name, 0, 0)
            compared = compare(experiment.potential, frames)
            outcomes += evaluate_factors(compared, reference, factors, counts=counts, most=most)
    fitted = [each for each in methods if not isinstance(each.method, FactorMethod)]
    able = {
        name: tuple(f for f in frames if np.sqrt(np.mean(f.forces**2)) >= MIN_RMS_FORCE)
        for name, frames in materials.items()
    }
    plans = [
        split for name, frames in able.items() for split in _splits(name, len(frames), counts, most)
    ]
    total, done = len(fitted) * sum(len(plan.tried) for plan in plans), 0
    if fitted:
        experiment.plan(list(_fits(plans, able, fitted)))
    for plan in plans if fitted else ():
        frames = able[plan.material]
        before = _judged(experiment, None, plan.material, frames, ())
        assert before is not None
        for chosen in fitted:
            trials: list[Trial | None] = []
            for labels in plan.tried:
                on_progress(f"{plan.material}: {chosen.method.name}", done, total)
                after = _judged(experiment, chosen, plan.material, frames, labels)
                trials.append(None if after is None else before.fitted_trial(labels, after))
                done += 1
            outcomes += plan.outcomes(chosen.method.name, trials)
    if fitted:
        on_progress("done", done, total)
    return Evaluation(experiment.potential.card.name, data, tuple(outcomes))


def evaluate_factors(
    materials: Sequence[MaterialComparison],
    reference: Sequence[MaterialComparison],
    methods: Sequence[FactorMethod],
    *,
    counts: Sequence[str] = COUNTS,
    most: int = MOST_CHOICES,
    told: bool = True,
) -> Iterator[ChoicesOutcome]:
    """Methods of one factor: all is arithmetic on a model that was evaluated once per frame.

    Parameters
    ----------
    materials
        The model on its frames.
    reference
        The model on the reference set; each material's own composition is left out of its usual factor.
    methods, counts, most
        As of `evaluate`.
    told
        Whether the held-out frames, without their labels, are told as the states of use.

    Raises
    ------
    CorrectionError
        If the model's usual factor is not known.
    """
    for material in materials:
        frames = with_forces(material.frames)
        splits = _splits(material.name, len(frames), counts, most)
        if not splits:
            continue
        table = JudgedFrames(frames)
        own = {frame.composition for frame in frames}
        ways = [pair for each in methods for pair in each.factors(reference, own).items()]
        for split in splits:
            for name, factor in ways:
                trials = [table.scaled_trial(labels, factor, told) for labels in split.tried]
                yield from split.outcomes(name, trials)


@dataclass(frozen=True)
class _Split:
    """Choices of so many labels among the frames of a material."""

    material: str
    n_frames: int
    count: str
    tried: tuple[tuple[int, ...], ...]

    def outcomes(self, name: str, trials: Sequence[Trial | None]) -> Iterator[ChoicesOutcome]:
        """Put the choices together; nothing if none of them could be fitted."""
        fitted = [trial for trial in trials if trial is not None]
        if not fitted:
            return
        columns = np.array(fitted)
        _, covered, score, worse, *pairs = map(float, columns.mean(axis=0))
        yield ChoicesOutcome(
            self.material,
            self.count,
            name,
            self.n_frames,
            len(trials),
            len(trials) - len(fitted),
            float(np.median(columns[:, 0])),
            float(np.quantile(columns[:, 0], 0.9)),
            covered,
            score,
            worse,
            *pairs,
        )


def _splits(material: str, n: int, counts: Sequence[str], most: int) -> list[_Split]:
    numbers = {count: number_of_labels(count, n) for count in counts}
    return [
        _Split(material, n, count, tuple(choices(n, n_labels, most)))
        for count, n_labels in numbers.items()
        if 0 < n_labels < n
    ]


def _judged(
    experiment: Experiment,
    chosen: Chosen | None,
    material: str,
    frames: tuple[Frame, ...],
    labels: tuple[int, ...],
) -> JudgedFrames | None:
    """All frames of a material beside a fit to some of them; ``None`` if that failed."""
    planned = _planned(chosen, material, frames, labels)
    trial = experiment.trial(planned)
    return None if trial.fitted.failure is not None else JudgedFrames(trial.frames)


def _fits(
    plans: Sequence[_Split], able: Mapping[str, tuple[Frame, ...]], fitted: Sequence[Chosen]
) -> Iterator[Planned]:
    """All that `_judged` is going to be asked for."""
    for plan in plans:
        frames = able[plan.material]
        yield _planned(None, plan.material, frames, ())
        for chosen in fitted:
            for labels in plan.tried:
                yield _planned(chosen, plan.material, frames, labels)


def _planned(
    chosen: Chosen | None, material: str, frames: tuple[Frame, ...], labels: tuple[int, ...]
) -> Planned:
    picked = tuple(frames[k] for k in labels)
    name = f"{material}, labels {', '.join(map(str, labels))}"
    return Planned(chosen, Choice(name, picked, frames))


def choices(n: int, n_labels: int, most: int = MOST_CHOICES) -> list[tuple[int, ...]]:
    """Ways to choose the labels among n frames: all, or so many of them."""
    if math.comb(n, n_labels) <= most:
        return list(combinations(range(n), n_labels))
    rng = np.random.default_rng(SEED)
    found: set[tuple[int, ...]] = set()
    while len(found) < most:
        found.add(tuple(sorted(rng.choice(n, n_labels, replace=False).tolist())))
    return sorted(found)


def number_of_labels(count: str, n: int) -> int:
    """One of `COUNTS` as a number, for a material of n frames."""
    return n - 1 if count == "all but one" else int(count)


def worsened(outcomes: Sequence[ChoicesOutcome]) -> list[str]:
    """Materials whose held-out force MAE is larger after than before."""
    return [o.material for o in outcomes if o.force_after > o.force_before]


def over_materials(outcomes: Sequence[ChoicesOutcome], field: str) -> Estimate:
    """Median over materials of one number, with its interval."""
    values = [getattr(outcome, field) for outcome in outcomes]
    return median_estimate([value for value in values if not math.isnan(value)])
