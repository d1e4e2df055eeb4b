"""How many labels are enough: error against number of labels, per method, over random choices of them.

Some frames are set apart, the same for all fits, and the rest is shuffled once for every seed; a fit to n
labels takes the first n, so that more labels hold the fewer ones. Every point is kept
as soon as it is there: the same command goes on with what is missing.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text
from scipy import stats

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import compare
from umlip_bench.finetune.correctors import NONE, TRAINED, Corrector
from umlip_bench.finetune.measures import Measures, measure
from umlip_bench.finetune.report import GPA
from umlip_bench.finetune.training.loop import Epoch
from umlip_bench.finetune.training.parameters import check_trainable
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.ground.identity import identity
from umlip_bench.ground.journal import Journal
from umlip_bench.potentials.protocol import Potential

POINTS, TABLE, SUMMARY, PICTURE = "points", "curve.csv", "curve.json", "curve.png"
MAX_HELD_OUT = 40
SPLIT_SEED = 2025
"""Draws the frames that are set apart."""
MIN_SEEDS = 3
"""From two the interval of a mean says nothing."""


@dataclass(frozen=True)
class CurvePlan:
    """Which fits make the curve.

    Parameters
    ----------
    methods
        Names, `NONE` aside.
    sizes
        Numbers of labels.
    seeds
        Number of shuffles, from seed 0.
    settings
        For the methods that train; the seed of each is that of its shuffle.
    """

    methods: tuple[str, ...]
    sizes: tuple[int, ...]
    seeds: int
    settings: TrainingSettings


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


def trace(
    potential: Potential,
    frames: Sequence[Frame],
    plan: CurvePlan,
    out: Path,
    *,
    on_fit: Callable[[str], None] = lambda text: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
    on_point: Callable[[CurvePoint], None] = lambda point: None,
) -> tuple[CurvePoint, ...]:
    """Make all points, but for those that the folder already holds.

    Parameters
    ----------
    potential
        The model.
    frames
        Labels of one material, more than the largest size.
    plan
        What to fit.
    out
        Folder of the points; made if it is not there.
    on_fit, on_epoch
        Called before every fit and after every epoch of a training.
    on_point
        Called after every point, also one that was there.

    Raises
    ------
    CorrectionError
        If there are too few labels, or a method cannot be applied to the model. A fit that these labels
        do not allow is a point with its reason.
    """
    largest = max(plan.sizes)
    if len(frames) <= largest:
        raise CorrectionError(
            f"{len(frames)} labels are too few for a fit to {largest} and something to judge by; give "
            "smaller --sizes or more labels"
        )
    for method in plan.methods:
        if method in TRAINED:
            check_trainable(potential, method)
    corrector = Corrector(potential, plan.settings, on_epoch)
    journal = Journal(out / POINTS, CurvePoint)
    apart = np.random.default_rng(SPLIT_SEED).permutation(len(frames))
    n_held_out = min(MAX_HELD_OUT, len(frames) - largest)
    held_out = [frames[k] for k in sorted(apart[:n_held_out])]
    pool = apart[n_held_out:]
    points: list[CurvePoint] = []
    for seed in range(plan.seeds):
        order = np.random.default_rng(seed).permutation(pool)
        fits = [(NONE, 0), *((m, n) for n in sorted(plan.sizes) for m in plan.methods)]
        for method, n in fits:
            labels = [frames[k] for k in order[:n]]
            key = _key(potential, method, labels, held_out, plan.settings.with_seed(seed))
            point = journal.get(key)
            if point is None:
                on_fit(f"seed {seed}: {method}, {n} labels")
                point = _fit(corrector, method, labels, seed, held_out)
                journal.append(key, point)
            points.append(point)
            on_point(point)
    return tuple(points)


def n_points(plan: CurvePlan) -> int:
    """Points of a curve, those without a correction included."""
    return plan.seeds * (1 + len(plan.methods) * len(plan.sizes))


def _fit(
    corrector: Corrector, method: str, labels: Sequence[Frame], seed: int, held_out: Sequence[Frame]
) -> CurvePoint:
    try:
        result = corrector.apply(method, labels, seed=seed)
    except CorrectionError as error:
        return CurvePoint(method, len(labels), seed, None, math.nan, str(error))
    measures = measure(compare(result.potential, held_out))
    return CurvePoint(method, len(labels), seed, measures, result.seconds)


def summarise(points: Sequence[CurvePoint]) -> tuple[Summary, ...]:
    """Means over seeds, with intervals."""
    groups: dict[tuple[str, int], list[CurvePoint]] = {}
    for point in points:
        groups.setdefault((point.method, point.n_labels), []).append(point)
    found = []
    for (method, n_labels), members in groups.items():
        measured = [point.held_out for point in members if point.held_out is not None]
        for metric in METRICS:
            values = np.array([getattr(each, metric) for each in measured])
            if not (len(values) and np.isfinite(values).all() and (values > 0).all()):
                continue
            logs, n = np.log(values), len(values)
            value, low, high = float(np.exp(logs.mean())), None, None
            if n >= MIN_SEEDS and logs.std() > 0:
                half = stats.t.ppf(0.5 + CONFIDENCE / 2, n - 1) * logs.std(ddof=1) / math.sqrt(n)
                low, high = (float(np.exp(logs.mean() + sign * half)) for sign in (-1, 1))
            failed = len(members) - n
            found.append(Summary(method, n_labels, n, failed, metric, value, low, high))
    return tuple(found)


def write_curve(model: str, data: str, points: Sequence[CurvePoint], out: Path) -> None:
    """Write `TABLE` (one line per point), `SUMMARY` and `PICTURE`."""
    with (out / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        names = [field.name for field in fields(Measures)]
        writer.writerow(["method", "n_labels", "seed", *names, "seconds", "failure"])
        for p in points:
            numbers = astuple(p.held_out) if p.held_out is not None else [""] * len(names)
            writer.writerow([p.method, p.n_labels, p.seed, *numbers, p.seconds, p.failure or ""])
    rows = summarise(points)
    content = {"schema": 1, "model": model, "data": data, "rows": [asdict(row) for row in rows]}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    (out / SUMMARY).write_text(text + "\n", encoding="utf-8")
    _plot(f"{model}, {data}", rows, out / PICTURE)


def print_curve(model: str, points: Sequence[CurvePoint], console: Console) -> None:
    """Print held-out errors per method and number of labels."""
    rows = {(r.method, r.n_labels, r.metric): r for r in summarise(points)}
    sizes = sorted({p.n_labels for p in points if p.method != NONE})
    methods = list(dict.fromkeys(p.method for p in points if p.method != NONE))
    for metric, (label, unit, digits) in METRICS.items():
        before = rows.get((NONE, 0, metric))
        if before is None:
            continue
        table = Table(title=Text(f"{model}, held out: {label}"), title_justify="left")
        table.add_column("labels", justify="right")
        for method in methods:
            table.add_column(method, justify="right")
        table.add_row("0", *(_cell(before, unit, digits) for _ in methods))
        for n in sizes:
            found = [rows.get((method, n, metric)) for method in methods]
            table.add_row(str(n), *(_cell(row, unit, digits) for row in found))
        console.print(table)
    for point in points:
        if point.failure is not None:
            what = f"{point.method}, {point.n_labels} labels, seed {point.seed}"
            console.print(Text(f"Failed, and left out: {what}: {point.failure}."))
    seeds = len({p.seed for p in points})
    how = (
        "; brackets: 95 % intervals over the choices by Student's t of the logarithms"
        if seeds >= MIN_SEEDS
        else f"; intervals need {MIN_SEEDS}"
    )
    console.print(
        Text(
            f"Geometric means over {seeds} choice{'' if seeds == 1 else 's'} of the labels{how}.",
            style="dim",
        )
    )


METRICS: dict[str, tuple[str, float, int]] = {
    "force_mae": ("force MAE (eV/Å)", 1.0, 3),
    "force_slope": ("force slope", 1.0, 3),
    "difference_mae": ("energy differences MAE (meV/atom)", 1000.0, 1),
    "stress_mae": ("stress MAE (GPa)", GPA, 2),
}
"""By field of `Measures`: label, factor to the unit shown, digits."""


def _cell(row: Summary | None, unit: float, digits: int) -> str:
    if row is None:
        return "-"
    text = f"{unit * row.value:.{digits}f}"
    if row.low is None or row.high is None:
        return text
    return f"{text} [{unit * row.low:.{digits}f}, {unit * row.high:.{digits}f}]"


def _plot(title: str, rows: Sequence[Summary], path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = [m for m in METRICS if any(row.metric == m for row in rows)]
    figure = Figure(figsize=(4 * len(shown), 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    for metric, axes in zip(shown, figure.subplots(1, len(shown), squeeze=False)[0], strict=True):
        label, unit, _ = METRICS[metric]
        for method in dict.fromkeys(row.method for row in rows):
            mine = [row for row in rows if (row.method, row.metric) == (method, metric)]
            values = unit * np.array([row.value for row in mine])
            if method == NONE:
                axes.axhline(values[0], color="grey", linestyle=":", label="uncorrected")
                continue
            ends = np.array([(row.low or row.value, row.high or row.value) for row in mine])
            bars = np.abs(unit * ends.T - values)
            sizes = [row.n_labels for row in mine]
            axes.errorbar(
                sizes, values, yerr=bars, marker="o", markersize=3, capsize=2, label=method
            )
        axes.set_xscale("log")
        if metric != "force_slope":
            axes.set_yscale("log")
        axes.set_xlabel("labels")
        axes.set_ylabel(label)
    axes.legend(frameon=False, fontsize="small")
    figure.suptitle(title)
    figure.savefig(path, dpi=120)


def _key(
    potential: Potential,
    method: str,
    labels: Sequence[Frame],
    held_out: Sequence[Frame],
    settings: TrainingSettings,
) -> str:
    trained = settings if method in TRAINED else None
    model, dtype = potential.weights.sha256, str(potential.dtype)
    return identity("curve", model, dtype, method, list(labels), list(held_out), trained)
