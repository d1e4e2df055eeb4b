"""Paired differences for people: a table per suite and variant, what only one side has, what changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.analysis.compared_models import Side, corrects
from umlip_bench.analysis.comparison import Overlap, PairedRow
from umlip_bench.analysis.intervals import CONFIDENCE, MEDIAN_FROM
from umlip_bench.analysis.paired import PAIRED_JACKKNIFE_FROM, holm
from umlip_bench.analysis.run_differences import RunDifference

RESOLVED = " *"

CAPTION = (
    "Over the cases that both have; A is the baseline. B - A of medians is the median of the differences "
    "case by case; where the medians themselves differ the other way, by how much is said beside it. "
    "Brackets: 95 % intervals over materials, of medians by order statistics from "
    f"{MEDIAN_FROM} materials on, else by a paired jackknife from {PAIRED_JACKKNIFE_FROM} on. *: a "
    "difference that stands when adjusted (Holm) for the number of rows with an interval; without it zero "
    "may be outside an interval by chance. Cases by rank alone: without a value on a side, as an unstable "
    "crystal is; a difference cannot be made of them."
)


def print_comparison(
    first: Side,
    second: Side,
    rows: Sequence[PairedRow],
    overlaps: Sequence[Overlap],
    console: Console,
) -> None:
    """Print the paired differences of two sides, and which cases they do not have in common.

    Parameters
    ----------
    first, second
        The sides; their labels stand above the tables.
    rows, overlaps
        As from `umlip_bench.analysis.comparison`.
    console
        Where to print.
    """
    for run in dict.fromkeys((first.run, second.run)):
        for missing in run.incomplete:
            console.print(Text(f"Not complete: {run.path}: {missing}", style="yellow"))
    # Above the tables, whose columns would cut long names.
    for letter, side in (("A", first), ("B", second)):
        console.print(Text(f"{letter}: {side.label}", style="bold"))
    adjusted = holm([row.p_value for row in rows])
    for suite, variant in dict.fromkeys((row.suite, row.variant) for row in rows):
        members = [
            (row, p is not None and p <= 1.0 - CONFIDENCE)
            for row, p in zip(rows, adjusted, strict=True)
            if (row.suite, row.variant) == (suite, variant)
        ]
        console.print(_table(f"{suite} ({variant})", members))
    for overlap in overlaps:
        for line in _in_words(overlap, first, second):
            console.print(Text(line))
    if corrects(second, first):
        said = f"{second.label} corrects {first.label}: B - A is what the correction does"
        console.print(Text(said))
    functionals = [_functional(side) for side in (first, second)]
    if functionals[0] != functionals[1]:
        line = (
            f"{first.label} was trained on {functionals[0]}, {second.label} on {functionals[1]}: not both "
            "are to be like this DFT"
        )
        console.print(Text(line))
    console.print(Text(CAPTION), style="dim")
    console.print()


def _functional(side: Side) -> str:
    return side.run.card(side.model).level_of_theory.functional


def print_changes(
    changes: Sequence[RunDifference], first: str, second: str, console: Console
) -> None:
    """Print what is different between two runs.

    Parameters
    ----------
    changes
        As from `umlip_bench.analysis.run_differences.changes`.
    first, second
        What the runs are called.
    console
        Where to print.
    """
    if not changes:
        console.print(Text(f"{first} and {second}: the same data, settings, versions and weights"))
        return
    drawn = Table(title=Text("what changed"), title_justify="left")
    for head in ("", first, second):
        drawn.add_column(Text(head), overflow="fold")
    for change in changes:
        drawn.add_row(*map(Text, (change.what, change.first, change.second)))
    console.print(drawn)


def _table(title: str, rows: Sequence[tuple[PairedRow, bool]]) -> Table:
    """Rows, each with whether its difference stands among all."""
    drawn = Table(title=Text(title), title_justify="left")
    drawn.add_column("", no_wrap=True)
    for head in ("A", "B", "B - A", "cases"):
        drawn.add_column(Text(head), overflow="fold", justify="left")
    for row, stands in rows:
        label = f"{row.label} ({row.unit})" if row.unit else row.label
        cases = str(row.n_cases)
        if row.n_systems != row.n_cases:
            cases += f", {row.n_systems} material{'' if row.n_systems == 1 else 's'}"
        if row.n_ranked:
            cases += f", {row.n_ranked} by rank alone left out"
        drawn.add_row(
            Text(label),
            f"{row.first:.3f}",
            f"{row.second:.3f}",
            Text(_difference(row, stands)),
            cases,
        )
    return drawn


def _difference(row: PairedRow, stands: bool) -> str:
    text = f"{row.difference:+.3f}"
    if row.ci_low is not None and row.ci_high is not None:
        text += f" [{row.ci_low:+.3f}, {row.ci_high:+.3f}]{RESOLVED if stands else ''}"
    if row.against_values:
        text += f"; medians {row.second_minus_first:+.3f}"
    return text


def _in_words(overlap: Overlap, first: Side, second: Side) -> Iterator[str]:
    """What is not compared; nothing if everything is."""
    parts = (
        (overlap.only_first, f"only in {first.label}"),
        (overlap.only_second, f"only in {second.label}"),
        (overlap.other_reference, "with other DFT values in the second run"),
    )
    said = [f"{len(names)} {words}: {_listed(names)}" for names, words in parts if names]
    if said:
        yield f"{overlap.suite}: {len(overlap.common)} in common; {'; '.join(said)}"


def _listed(names: Sequence[str], shown: int = 6) -> str:
    more = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {more} more" if more > 0 else "")
