"""Comparisons of speeds for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from umlip_bench.engine.speed.comparison import ALL_AT_ONCE, Comparison


def print_comparison(comparison: Comparison, console: Console) -> None:
    """Print how much of one kind of work is done per second on both sides, and what they differ by."""
    table = Table(
        title=f"{comparison.work}, {comparison.unit}: {comparison.description}",
        title_justify="left",
    )
    table.add_column("against")
    for name in ("in flight", "theirs, 1/s", "ours, 1/s", "ratio", "range", "CPU ratio", "range"):
        table.add_column(name, justify="right")
    for t in comparison.timings:
        table.add_row(
            t.against,
            "all" if t.in_flight == ALL_AT_ONCE else str(t.in_flight),
            f"{t.theirs_per_s:.2f}",
            f"{t.ours_per_s:.2f}",
            f"{t.ratio:.2f}",
            f"{t.ratio_low:.2f} to {t.ratio_high:.2f}",
            f"{t.cpu_ratio:.2f}",
            f"{t.cpu_ratio_low:.2f} to {t.cpu_ratio_high:.2f}",
        )
    console.print(table)
    worst, tolerated = comparison.difference, comparison.tolerance
    console.print(
        f"Same end but for {worst.energy:.0e} eV/atom, {worst.forces:.0e} eV/Å, "
        f"{worst.positions:.0e} Å (tolerated {tolerated.energy:.0e}, {tolerated.forces:.0e}, "
        f"{tolerated.positions:.0e}).",
        highlight=False,
    )


def print_legend(repeats: int, console: Console) -> None:
    """Print what the ratios are."""
    console.print(
        f"Ratios are medians of {repeats} paired repeats, by the clock and by the processor time of this "
        "process; the second holds on a machine that is not idle, too.",
        highlight=False,
    )
