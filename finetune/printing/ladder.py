"""What `ladder` shows."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from umlip_bench.finetune.ladder import Ladder
from umlip_bench.finetune.printing.cells import MEASURES, table_of


def print_ladder(ladder: Ladder, console: Console) -> None:
    """Print the table, what was refused, and the recommendation with its rule."""
    n = len(ladder.rungs[0].frame_maes)
    table = table_of(
        f"{ladder.model}: {ladder.n_labels} labels, {n} held-out frames",
        *(rung.method for rung in ladder.rungs),
    )
    for field, shown in MEASURES.items():
        table.add_row(
            shown.label, *(shown.cell(getattr(rung.held_out, field)) for rung in ladder.rungs)
        )
    table.add_section()
    kept = [rung.retention for rung in ladder.rungs]
    first = next((each for each in kept if each is not None), None)
    for shown, field in ((MEASURES["force_mae"], "mae"), (MEASURES["force_slope"], "slope")):
        if first is not None:
            cells = [
                shown.cell(getattr(each, field).after if each else getattr(first, field).before)
                for each in kept
            ]
            table.add_row(f"elsewhere: {shown.label}", *cells)
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
