"""What `evaluate` shows."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from umlip_bench.finetune.evaluation import (
    COUNTS,
    ChoicesOutcome,
    Evaluation,
    over_materials,
    worsened,
)
from umlip_bench.finetune.printing.cells import MEASURES, Shown, table_of

_ROWS = (
    (Shown("|c / c_held - 1|"), None, "miss"),
    (Shown("its 90th percentile"), None, "miss_90"),
    (Shown("interval holds c_held", digits=2), None, "covered"),
    (Shown("interval score of log c"), None, "score"),
    (MEASURES["force_slope"], "slope_before", "slope_after"),
    (MEASURES["force_mae"], "force_before", "force_after"),
    (Shown("force MAE, after / before"), None, "force_ratio"),
    (MEASURES["difference_mae"], "energy_before", "energy_after"),
    (MEASURES["stress_mae"], "stress_before", "stress_after"),
    (Shown("choices made worse", digits=2), None, "worse"),
)
"""How it is shown, and the fields before and after."""
_FOOT = (
    "Medians over materials of means over the choices of the labels (|c / c_held - 1|: of medians); "
    "brackets: 95 % intervals over materials by order statistics (from 6 materials on). Made worse: "
    "materials whose held-out force MAE is larger after than before."
)


def print_evaluation(evaluation: Evaluation, console: Console) -> None:
    """Print one table per number of labels, and the materials that get worse."""
    for count in COUNTS:
        of_count = [o for o in evaluation.outcomes if o.labels == count]
        if not of_count:
            continue
        plural = "" if count == "1" else "s"
        title = f"{evaluation.model} on {evaluation.data}: {count} label{plural}"
        columns = {
            name: [o for o in of_count if o.estimator == name]
            for name in dict.fromkeys(o.estimator for o in of_count)
        }
        table = table_of(title, "uncorrected", *columns, first="held-out frames")
        for shown, before, after in _ROWS:
            first = "" if before is None else _cell(next(iter(columns.values())), before, shown)
            table.add_row(
                shown.label, first, *(_cell(column, after, shown) for column in columns.values())
            )
        table.add_section()
        worse = {name: worsened(column) for name, column in columns.items()}
        table.add_row("materials", "", *(str(len(column)) for column in columns.values()))
        table.add_row("made worse", "", *(str(len(each)) for each in worse.values()))
        refused = [sum(o.n_refused for o in column) for column in columns.values()]
        if any(refused):
            table.add_row("choices that failed", "", *map(str, refused))
        console.print(table)
        for name, each in worse.items():
            console.print(Text(f"made worse by {name}: {', '.join(each) or 'none'}"))
        console.print()
    console.print(Text(_FOOT, style="dim"))


def _cell(outcomes: Sequence[ChoicesOutcome], field: str, shown: Shown) -> str:
    estimate = over_materials(outcomes, field)
    return shown.interval(estimate.value, estimate.low, estimate.high)
