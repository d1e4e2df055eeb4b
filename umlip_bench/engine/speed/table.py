"""A comparison of speeds for people."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from umlip_bench.engine.speed.comparison import ALL_AT_ONCE, Comparison


def print_speed(title: str, found: Sequence[Comparison], repeats: int, console: Console) -> None:
    """Print how much is done per second on both sides, and what they differ by."""
    table = Table(title=title, title_justify="left")
    for name in ("work", "against", "unit"):
        table.add_column(name)
    for name in ("in flight", "theirs, 1/s", "ours, 1/s", "ratio", "range"):
        table.add_column(name, justify="right")
    for comparison in found:
        for t in comparison.timings:
            table.add_row(
                comparison.work,
                t.against,
                comparison.unit,
                "all" if t.in_flight == ALL_AT_ONCE else str(t.in_flight),
                f"{t.theirs_per_s:.2f}",
                f"{t.ours_per_s:.2f}",
                f"{t.ratio:.2f}",
                f"{t.ratio_low:.2f} to {t.ratio_high:.2f}",
            )
    console.print(table)
    console.print(
        f"Ratios are medians of {repeats} paired repeats. Both sides came to the same end, but for:",
        highlight=False,
    )
    for comparison in found:
        worst, tolerated = comparison.difference, comparison.tolerance
        console.print(
            f"  {comparison.work}: {worst.energy:.0e} eV/atom, {worst.forces:.0e} eV/Å, "
            f"{worst.positions:.0e} Å (tolerated {tolerated.energy:.0e}, {tolerated.forces:.0e}, "
            f"{tolerated.positions:.0e}); {comparison.description}",
            highlight=False,
        )
