"""A group of frames before and after a fit, as rows of its table."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console

from umlip_bench.finetune.comparison import BeforeAfter
from umlip_bench.finetune.measures import GroupCheck
from umlip_bench.finetune.printing.cells import GPA, Shown, frames, table_of

CHECKED = {
    "force_slope": Shown("force slope"),
    "force_mae": Shown("force MAE (eV/Å)"),
    "difference_mae": Shown("energy differences MAE (meV/atom)", 1000.0, 2),
    "stress_mae": Shown("stress MAE (GPa)", GPA, 2),
}
"""By field of `Measures`."""


def check_rows(check: GroupCheck) -> Iterator[tuple[str, str, str, str]]:
    """Label, before, after, and on what."""
    where = f"{check.group}, {frames(check.after.n_frames)}"
    for field, shown in CHECKED.items():
        pair = BeforeAfter(getattr(check.before, field), getattr(check.after, field))
        if math.isfinite(pair.after):
            yield (shown.label, *shown.pair(pair), where)


def print_check(check: GroupCheck, title: str, console: Console) -> None:
    """Print a group of frames as a table of its own."""
    table = table_of(title, "before", "after", last="on")
    for cells in check_rows(check):
        table.add_row(*cells)
    console.print(table)
