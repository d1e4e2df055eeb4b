"""How well few labels correct a model: every choice of the labels is tried, and judged by the rest.

Within a material the frames are split in every way into labels and held-out frames (or in `MOST_CHOICES`
ways, drawn with a fixed seed). For the scalar correction the model is evaluated once per frame, and all else
is arithmetic on what it gave; methods that train weights (`evaluation_trained`) fit anew to every choice. Per
material stands what is to be expected of labels taken at random, the mean over choices; over
materials the median with its interval, since materials, not choices, are independent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.analysis.frames import FrameComparison, MaterialComparison
from umlip_bench.analysis.intervals import SEED, Estimate, median_estimate
from umlip_bench.finetune.comparison import force_sums, stresses, with_forces
from umlip_bench.finetune.factor_prior import UsualFactor
from umlip_bench.finetune.factors import Estimator, FloatArray, LogFactor
from umlip_bench.finetune.report import GPA
from umlip_bench.finetune.scalar import label_factor, reference_without
from umlip_bench.ground.errors import CorrectionError

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

    def to_json(self) -> dict[str, Any]:
        """JSON object; not-a-number becomes ``None``."""
        rows = [
            {
                name: None if isinstance(value, float) and not math.isfinite(value) else value
                for name, value in asdict(outcome).items()
            }
            for outcome in self.outcomes
        ]
        return {"schema": 1, "model": self.model, "data": self.data, "outcomes": rows}


def evenly(items: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly spaced."""
    picks = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[k] for k in picks]


def evaluate(
    model: str,
    data: str,
    materials: Sequence[MaterialComparison],
    reference: Sequence[MaterialComparison],
    *,
    counts: Sequence[str] = COUNTS,
    most: int = MOST_CHOICES,
) -> Evaluation:
    """Try every choice of labels.

    Parameters
    ----------
    model, data
        Names.
    materials
        The model on its frames.
    reference
        The model on the reference set; each material's own composition is left out of its usual factor.
    counts
        Numbers of labels to try, of `COUNTS`.
    most
        Choices to try for a material and a number.

    Raises
    ------
    CorrectionError
        If the model's usual factor is not known.
    """
    outcomes: list[ChoicesOutcome] = []
    for material in materials:
        frames = with_forces(material.frames)
        if len(frames) > 1:
            own = {frame.composition for frame in frames}
            usual = reference_without(reference, own).usual
            outcomes += _of_material(material.name, frames, usual, counts, most)
    return Evaluation(model, data, tuple(outcomes))


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


def _of_material(
    name: str,
    frames: Sequence[FrameComparison],
    usual: UsualFactor,
    counts: Sequence[str],
    most: int,
) -> Iterator[ChoicesOutcome]:
    table = JudgedFrames(frames)
    n = len(frames)
    for count in counts:
        n_labels = number_of_labels(count, n)
        if n_labels >= n:
            continue
        tried = choices(n, n_labels, most)
        for estimator in Estimator:
            fit: Callable[[LogFactor], LogFactor] = (
                usual.shrink if estimator is Estimator.SHRUNK else lambda label: label
            )
            trials = [table.scaled_trial(labels, estimator, fit) for labels in tried]
            outcome = outcome_of(name, count, str(estimator), n, trials)
            if outcome is not None:
                yield outcome


def outcome_of(
    material: str, count: str, estimator: str, n_frames: int, trials: Sequence[Trial | None]
) -> ChoicesOutcome | None:
    """Put the choices of one material together; ``None`` if none of them could be fitted."""
    fitted = [trial for trial in trials if trial is not None]
    if not fitted:
        return None
    columns = np.array(fitted)
    _, covered, worse, *pairs = map(float, columns.mean(axis=0))
    return ChoicesOutcome(
        material,
        count,
        estimator,
        n_frames,
        len(trials),
        len(trials) - len(fitted),
        float(np.median(columns[:, 0])),
        float(np.quantile(columns[:, 0], 0.9)),
        covered,
        worse,
        *pairs,
    )


Trial = tuple[float, ...]
"""One choice of the labels: miss, coverage, worse, then the pairs before and after of `ChoicesOutcome`."""


class JudgedFrames:
    """The frames of one material as arrays, of which labels and held-out frames are picked.

    Parameters
    ----------
    frames
        DFT beside the uncorrected model, all with forces.
    """

    def __init__(self, frames: Sequence[FrameComparison]) -> None:
        self.sums = force_sums(frames)
        self.x = np.concatenate([frame.forces_reference.ravel() for frame in frames])
        self.y = np.concatenate([frame.forces_model.ravel() for frame in frames])
        sizes = [frame.forces_reference.size for frame in frames]
        self.frame_of_component = np.repeat(np.arange(len(frames)), sizes)
        self.energies = np.array(
            [(f.energy_reference / f.n_atoms, f.energy_model / f.n_atoms) for f in frames]
        )
        if len({frame.composition for frame in frames}) > 1:
            self.energies[:] = np.nan
        self.stress_x, self.stress_y = stresses(frames)
        if len(self.stress_x) < len(frames):
            self.stress_x = self.stress_y = np.full((len(frames), 6), np.nan)

    def scaled_trial(
        self,
        labels: tuple[int, ...],
        estimator: Estimator,
        fit: Callable[[LogFactor], LogFactor],
    ) -> Trial | None:
        """The scalar correction from some of the frames; ``None`` if no positive factor helps."""
        held = self._others(labels)
        try:
            result = fit(label_factor(estimator, [self.sums[list(labels)]]))
            asked = label_factor(estimator, [self.sums[held]]).factor
        except CorrectionError:
            return None
        factor = result.factor
        low, high = result.interval
        errors = self._pairs(
            labels, factor * self.y, factor * self.energies[:, 1], factor * self.stress_y
        )
        return abs(factor / asked - 1.0), float(low <= asked <= high), *errors

    def trained_trial(self, labels: tuple[int, ...], trained: JudgedFrames) -> Trial:
        """A trained model's, from the same frames beside its own predictions."""
        errors = self._pairs(labels, trained.y, trained.energies[:, 1], trained.stress_y)
        return math.nan, math.nan, *errors

    def _others(self, labels: tuple[int, ...]) -> IntArray:
        return np.setdiff1d(np.arange(len(self.sums)), labels)

    def _pairs(
        self, labels: tuple[int, ...], y: FloatArray, energies: FloatArray, stress: FloatArray
    ) -> Trial:
        """Worse, and the pairs before and after, of the frames that are no labels."""
        held = self._others(labels)
        components = np.isin(self.frame_of_component, held)
        x, before, after = self.x[components], self.y[components], y[components]
        forces = _mean_error(before - x), _mean_error(after - x)
        energy_errors = (
            values[held] - values[list(labels)].mean()
            for values in (
                self.energies[:, 1] - self.energies[:, 0],
                energies - self.energies[:, 0],
            )
        )
        return (
            float(forces[1] > forces[0]),
            float(x @ before / (x @ x)),
            float(x @ after / (x @ x)),
            *forces,
            *map(_mean_error, energy_errors),
            _mean_error(self.stress_y[held] - self.stress_x[held]),
            _mean_error(stress[held] - self.stress_x[held]),
        )


def _mean_error(errors: FloatArray) -> float:
    return float(np.abs(errors).mean())


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print one table per number of labels, and the materials that get worse."""
    for count in COUNTS:
        of_count = [o for o in evaluation.outcomes if o.labels == count]
        if not of_count:
            continue
        plural = "" if count == "1" else "s"
        title = f"{evaluation.model} on {evaluation.data}: {count} label{plural}"
        table = Table(title=Text(title), title_justify="left")
        table.add_column("held-out frames")
        table.add_column("uncorrected", justify="right")
        estimators = list(dict.fromkeys(o.estimator for o in of_count))
        columns = [[o for o in of_count if o.estimator == e] for e in estimators]
        for estimator in estimators:
            table.add_column(estimator, justify="right")
        for label, before, after, unit, digits in _METRICS:
            first = "" if before is None else _cell(columns[0], before, unit, digits)
            cells = (_cell(column, after, unit, digits) for column in columns)
            table.add_row(label, first, *cells)
        table.add_section()
        table.add_row("materials", "", *(str(len(column)) for column in columns))
        table.add_row("made worse", "", *(str(len(worsened(column))) for column in columns))
        refused = [sum(o.n_refused for o in column) for column in columns]
        if any(refused):
            table.add_row("choices that failed", "", *map(str, refused))
        console.print(table)
        for estimator, column in zip(estimators, columns, strict=True):
            names = ", ".join(worsened(column)) or "none"
            console.print(Text(f"made worse by {estimator}: {names}"))
        console.print()
    console.print(
        Text(
            "Medians over materials of means over the choices of the labels (|c / c_held - 1|: of medians); "
            "brackets: 95 % intervals over materials by order statistics (from 6 materials on). Made worse: "
            "materials whose held-out force MAE is larger after than before.",
            style="dim",
        )
    )


def worsened(outcomes: Sequence[ChoicesOutcome]) -> list[str]:
    """Materials whose held-out force MAE is larger after than before."""
    return [o.material for o in outcomes if o.force_after > o.force_before]


_METRICS = (
    ("|c / c_held - 1|", None, "miss", 1.0, 3),
    ("its 90th percentile", None, "miss_90", 1.0, 3),
    ("interval holds c_held", None, "covered", 1.0, 2),
    ("force slope", "slope_before", "slope_after", 1.0, 3),
    ("force MAE (eV/Å)", "force_before", "force_after", 1.0, 3),
    ("force MAE, after / before", None, "force_ratio", 1.0, 3),
    ("energy differences MAE (meV/atom)", "energy_before", "energy_after", 1000.0, 1),
    ("stress MAE (GPa)", "stress_before", "stress_after", GPA, 2),
    ("choices made worse", None, "worse", 1.0, 2),
)
"""Label, field before, field after, factor to the unit shown, digits."""


def over_materials(outcomes: Sequence[ChoicesOutcome], field: str) -> Estimate:
    """Median over materials of one number, with its interval."""
    values = [getattr(outcome, field) for outcome in outcomes]
    return median_estimate([value for value in values if not math.isnan(value)])


def _cell(outcomes: Sequence[ChoicesOutcome], field: str, unit: float, digits: int) -> str:
    estimate = over_materials(outcomes, field)
    if math.isnan(estimate.value):
        return "-"
    text = f"{unit * estimate.value:.{digits}f}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{unit * estimate.low:.{digits}f}, {unit * estimate.high:.{digits}f}]"
