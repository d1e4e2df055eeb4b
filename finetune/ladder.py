"""All methods on the same labels, judged by the same frames, and which of them to take.

Rule: going up from no correction at all, take the first method whose held-out force error is not above the
smallest one by more than one standard error of the difference, over held-out frames (the one-standard-error
rule of L. Breiman et al., Classification and Regression Trees, 1984). What changes less forgets less and
needs less to hold, and gives way only to what is measurably better. e0 changes no forces, and is never
recommended for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.analysis.frames import MaterialComparison
from umlip_bench.datasets import Frame
from umlip_bench.finetune.comparison import compare
from umlip_bench.finetune.correctors import LADDER, NONE, Corrector
from umlip_bench.finetune.measures import Measures, force_errors, measure
from umlip_bench.finetune.report import GPA
from umlip_bench.finetune.retention import Retention, measure_others, other_materials, retention
from umlip_bench.finetune.training.loop import Epoch
from umlip_bench.finetune.training.settings import TrainingSettings
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.corrections.modification import SHIFT
from umlip_bench.potentials.protocol import Potential

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

    def to_json(self) -> dict[str, Any]:
        """JSON object; not-a-number becomes ``None``."""
        return {"schema": 1, **_finite(asdict(self))}


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
            "with --data"
        )
    n = min(FOLDS, len(labels))
    return [
        Fold(
            tuple(f for i, f in enumerate(labels) if i % n != k),
            tuple(f for i, f in enumerate(labels) if i % n == k),
        )
        for k in range(n)
    ]


def climb(
    potential: Potential,
    folds: Sequence[Fold],
    settings: TrainingSettings,
    *,
    methods: Sequence[str] = LADDER,
    on_method: Callable[[str], None] = lambda method: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Ladder:
    """Fit every method to every fold.

    Parameters
    ----------
    potential
        The model.
    folds
        As from `folds_of`.
    settings
        For the methods that train.
    methods
        Which, in the order of the ladder; no correction comes first by itself.
    on_method, on_epoch
        Called before every fit and after every epoch.

    Raises
    ------
    StructureError
        If the model cannot evaluate a frame.
    """
    corrector = Corrector(potential, settings, on_epoch)
    compositions = {frame.composition for fold in folds for frame in fold.labels}
    others = other_materials(potential, compositions)
    before = measure_others(potential, others)
    rungs: list[Rung] = []
    refused: dict[str, str] = {}
    for method in (NONE, *methods):
        on_method(method)
        judged: list[MaterialComparison] = []
        seconds: list[float] = []
        kept: Retention | None = None
        try:
            for fold in folds:
                result = corrector.apply(method, fold.labels, others=others)
                judged += compare(result.potential, fold.held_out)
                if not seconds and method != NONE:
                    after = measure_others(result.potential, others)
                    kept = retention(before, after, result.replayed)
                seconds.append(result.seconds)
        except CorrectionError as error:
            refused[method] = str(error)
            continue
        frames = [frame for material in judged for frame in material.frames]
        rungs.append(
            Rung(
                method=method,
                held_out=measure(judged),
                frame_maes=tuple(float(errors.mean()) for errors in force_errors(frames)),
                retention=kept,
                seconds=float(np.mean(seconds)),
            )
        )
    return Ladder(
        model=potential.card.name,
        n_labels=len(folds[0].labels),
        n_folds=len(folds),
        rungs=tuple(rungs),
        refused=refused,
        recommended=recommend(rungs),
    )


def recommend(rungs: Sequence[Rung]) -> str:
    """The method that the rule of this module takes."""
    able = [rung for rung in rungs if rung.method != SHIFT]
    best = min(able, key=lambda rung: np.mean(rung.frame_maes))
    for rung in able:
        excess = np.subtract(rung.frame_maes, best.frame_maes)
        n = len(excess)
        error = float(excess.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        if excess.mean() <= error:
            return rung.method
    return best.method


def print_ladder(ladder: Ladder, console: Console) -> None:
    """Print the table, what was refused, and the recommendation with its rule."""
    n = len(ladder.rungs[0].frame_maes)
    table = Table(
        title=Text(f"{ladder.model}: {ladder.n_labels} labels, {n} held-out frames"),
        title_justify="left",
    )
    table.add_column("")
    for rung in ladder.rungs:
        table.add_column(rung.method, justify="right")
    for label, field, unit, digits in _HELD_OUT:
        values = [unit * getattr(rung.held_out, field) for rung in ladder.rungs]
        table.add_row(label, *(_cell(value, digits) for value in values))
    table.add_section()
    for label, field in (("force MAE (eV/Å)", "mae"), ("force slope", "slope")):
        kept = [rung.retention for rung in ladder.rungs]
        first = next((each for each in kept if each is not None), None)
        if first is None:
            continue
        cells = [
            _cell(getattr(each, field).after if each else getattr(first, field).before, 3)
            for each in kept
        ]
        table.add_row(f"elsewhere: {label}", *cells)
    table.add_section()
    table.add_row("seconds", *(f"{rung.seconds:.1f}" for rung in ladder.rungs))
    console.print(table)
    for method, reason in ladder.refused.items():
        console.print(Text(f"{method}: {reason}."))
    how = (
        "frames given"
        if ladder.n_folds == 1
        else f"labels left out in {ladder.n_folds} folds, each judged by the fit to the others"
    )
    console.print(
        Text(
            f"Recommended: {ladder.recommended}, the first from the left whose held-out force MAE is within "
            f"one standard error (of the difference, over frames) of the smallest. Held out: {how}. "
            "Elsewhere: median over materials of the embedded set that are not labelled."
        )
    )


_HELD_OUT = (
    ("force MAE (eV/Å)", "force_mae", 1.0, 3),
    ("force slope", "force_slope", 1.0, 3),
    ("energy differences MAE (meV/atom)", "difference_mae", 1000.0, 1),
    ("stress MAE (GPa)", "stress_mae", GPA, 2),
)


def _cell(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
