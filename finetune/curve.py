"""How many labels are enough: error against number of labels, per method, over random choices of them.

Some frames are set apart, the same for all fits, and the rest is shuffled once for every seed; a fit to n
labels takes the first n, so that more labels hold the fewer ones. Every point is kept
as soon as it is there: the same command goes on with what is missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.datasets import Frame
from umlip_bench.finetune.experiment import Choice, Experiment, Planned
from umlip_bench.finetune.measures import Measures, measure
from umlip_bench.finetune.method import Chosen
from umlip_bench.ground.errors import CorrectionError

MAX_HELD_OUT = 40
SPLIT_SEED = 2025
"""Draws the frames that are set apart."""
MIN_SEEDS = 3
"""From two the interval of a mean says nothing."""
ROUNDING = 1e-9
"""Of logarithms: what differs by less is the same, and its scatter tells nothing."""
SUMMARISED = ("force_mae", "force_slope", "difference_mae", "stress_mae")
"""Of `Measures`."""


@dataclass(frozen=True)
class CurvePlan:
    """Which fits make the curve.

    Parameters
    ----------
    methods
        Besides no correction; the seed of each fit is that of its shuffle.
    sizes
        Numbers of labels.
    seeds
        Number of shuffles, from seed 0.
    """

    methods: tuple[Chosen, ...]
    sizes: tuple[int, ...]
    seeds: int

    @property
    def n_points(self) -> int:
        """Points of the curve, those without a correction included."""
        return self.seeds * (1 + len(self.methods) * len(self.sizes))


@dataclass(frozen=True)
class CurvePoint:
    """One fit.

    Parameters
    ----------
    method, n_labels, seed
        What was fitted; no correction has 0 labels.
    held_out
        Errors on frames that no fit of the seed saw; ``None`` if there is no fit.
    seconds
        What the fit took.
    failure
        Why there is none: no positive factor helps, or the loss diverged.
    """

    method: str
    n_labels: int
    seed: int
    held_out: Measures | None
    seconds: float
    failure: str | None = None


@dataclass(frozen=True)
class Summary:
    """One method and number of labels over seeds.

    Parameters
    ----------
    method, n_labels
        What it is of.
    n_seeds, n_failed
        Fits that the numbers are over, and fits that failed.
    metric
        Field of `Measures`; its unit.
    value
        Geometric mean over seeds.
    low, high
        95 % interval of it, by Student's t of the logarithms; ``None`` for less than `MIN_SEEDS`. Seeds share
        frames, so that it speaks for choices among these labels, not for other materials.
    """

    method: str
    n_labels: int
    n_seeds: int
    n_failed: int
    metric: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, eq=False)
class Draw:
    """Labels of a material, drawn.

    Parameters
    ----------
    held_out
        Frames that no fit sees.
    orders
        By seed, the others in the order in which fits take them.
    """

    held_out: tuple[Frame, ...]
    orders: tuple[tuple[Frame, ...], ...]


def draw(frames: Sequence[Frame], largest: int, seeds: int) -> Draw:
    """Set frames apart to judge by, and shuffle the rest once for every seed.

    Parameters
    ----------
    frames
        Labels of one material.
    largest
        Number of labels of the largest fit.
    seeds
        Number of shuffles.

    Raises
    ------
    CorrectionError
        If nothing is left to judge by.
    """
    if len(frames) <= largest:
        raise CorrectionError(
            f"{len(frames)} labels are too few for a fit to {largest} and something to judge by; give "
            "smaller --sizes or more labels"
        )
    apart = np.random.default_rng(SPLIT_SEED).permutation(len(frames))
    n_held_out = min(MAX_HELD_OUT, len(frames) - largest)
    held_out = tuple(frames[k] for k in sorted(apart[:n_held_out]))
    pool = apart[n_held_out:]
    orders = (np.random.default_rng(seed).permutation(pool) for seed in range(seeds))
    return Draw(held_out, tuple(tuple(frames[k] for k in order) for order in orders))


def trace(
    experiment: Experiment,
    frames: Sequence[Frame],
    plan: CurvePlan,
    *,
    on_point: Callable[[], None] = lambda: None,
) -> tuple[CurvePoint, ...]:
    """Make all points, but for those that the experiment's journal already holds.

    Parameters
    ----------
    experiment
        Of the model.
    frames
        Labels of one material, more than the largest size.
    plan
        What to fit.
    on_point
        Called after every point, also one that was there.

    Raises
    ------
    CorrectionError
        If there are too few labels, or a method cannot be applied to the model. A fit that these labels
        do not allow is a point with its reason.
    """
    drawn = draw(frames, max(plan.sizes), plan.seeds)
    for each in plan.methods:
        each.method.check(experiment.potential)
    fits = [
        (seed, Planned(chosen, Choice(f"seed {seed}", order[:n], drawn.held_out)))
        for seed, order in enumerate(drawn.orders)
        for chosen, n in (
            (None, 0),
            *((m.seeded(seed), n) for n in sorted(plan.sizes) for m in plan.methods),
        )
    ]
    experiment.plan([planned for _, planned in fits])
    points: list[CurvePoint] = []
    for seed, planned in fits:
        trial = experiment.trial(planned)
        done = trial.fitted
        measures = measure(trial.judged) if done.failure is None else None
        n = len(planned.choice.labels)
        points.append(CurvePoint(done.method, n, seed, measures, done.seconds, done.failure))
        on_point()
    return tuple(points)


def summarise(points: Sequence[CurvePoint]) -> tuple[Summary, ...]:
    """Means over seeds, with intervals."""
    groups: dict[tuple[str, int], list[CurvePoint]] = {}
    for point in points:
        groups.setdefault((point.method, point.n_labels), []).append(point)
    found = []
    for (method, n_labels), members in groups.items():
        measured = [point.held_out for point in members if point.held_out is not None]
        for metric in SUMMARISED:
            values = np.array([getattr(each, metric) for each in measured])
            if not (len(values) and np.isfinite(values).all() and (values > 0).all()):
                continue
            logs, n = np.log(values), len(values)
            value, low, high = float(np.exp(logs.mean())), None, None
            if n >= MIN_SEEDS and logs.std() > ROUNDING:
                half = (
                    scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * logs.std(ddof=1) / math.sqrt(n)
                )
                low, high = (float(np.exp(logs.mean() + sign * half)) for sign in (-1, 1))
            failed = len(members) - n
            found.append(Summary(method, n_labels, n, failed, metric, value, low, high))
    return tuple(found)
