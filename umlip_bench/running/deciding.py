"""What would decide where a run leaves a suite undecided: which published set, and at what cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from umlip_bench.analysis.intervals import MEDIAN_FROM
from umlip_bench.analysis.suite import AnySuite
from umlip_bench.analysis.summary import Row
from umlip_bench.datasets.catalogue import DatasetCard, catalogue
from umlip_bench.datasets.tasks import Task

UNKNOWN = "unknown"
"""Functional of data that do not say theirs."""


def undecided(suite: AnySuite, rows: Sequence[Row]) -> list[str]:
    """Models that have a scale of a suite at DFT's geometry, but too few materials for an interval."""
    metrics = {headline.metric for headline in suite.headlines}
    first = suite.variant_names[0]
    scales = [r for r in rows if r.metric in metrics and r.variant == first and r.n_cases]
    found = {row.model for row in scales} - {row.model for row in scales if row.ci_low is not None}
    return sorted(found)


def nearest(
    task: Task, elements: Collection[str], functional: str, data: str
) -> DatasetCard | None:
    """The published set that has enough systems of a task and is nearest to what was measured.

    Most of the elements first, then the fewest cases. Sets of another functional, where that is known, and
    `data` itself are left out.
    """
    enough = [
        card
        for card in catalogue().values()
        if task in card.sizes
        and card.sizes[task].systems >= MEDIAN_FROM
        and functional in (card.level_of_theory.functional, UNKNOWN)
        and card.id != data
    ]

    def distance(card: DatasetCard) -> tuple[int, int]:
        return len(set(elements) - set(card.elements)), card.sizes[task].cases

    return min(enough, key=distance, default=None)


def largest(task: Task, functional: str, data: str) -> DatasetCard | None:
    """The published set with the most systems of a task; which are looked at is as of `nearest`."""
    some = [
        card
        for card in catalogue().values()
        if task in card.sizes
        and functional in (card.level_of_theory.functional, UNKNOWN)
        and card.id != data
    ]
    return max(some, key=lambda card: card.sizes[task].systems, default=None)


def what_decides(
    suite: AnySuite,
    rows: Sequence[Row],
    elements: Collection[str],
    functional: str,
    data: str,
    seconds: Mapping[str, float],
) -> list[str]:
    """What would decide where a suite leaves models undecided: the set, its cost and the command.

    Parameters
    ----------
    suite, rows
        The suite and its rows of the run.
    elements
        In its cases.
    functional, data
        Of the reference data, and its id.
    seconds
        By model, that a case of the suite took in this run; models of which none was measured are missing.

    Returns
    -------
    list of str
        A sentence; empty if all is decided, or the suite has no reference data at all.
    """
    models = undecided(suite, rows)
    if suite.name not in set(Task) or not models:
        return []
    task = Task(suite.name)
    card = nearest(task, elements, functional, data)
    head = (
        f"{suite.name} is undecided for {', '.join(models)}: medians need {MEDIAN_FROM} independent "
        f"{suite.cases_are}"
    )
    took = [seconds[model] for model in models if model in seconds]
    if card is None:
        there = max(row.n_systems for row in rows if row.model in models)
        return [f"{head}, {there} are here. {_by_hand(task, functional, data, took)}"]
    size = card.sizes[task]
    named = " ".join(f"--model {model}" for model in models)
    return [
        f"{head}. {card.id} has {size.systems} ({card.level_of_theory.functional}): `umlip-bench run "
        f"{suite.name} {named} --data {card.id} --out runs/{card.id}`, "
        f"{_cost(size.cases, took if len(took) == len(models) else [])}"
    ]


def _by_hand(task: Task, functional: str, data: str, took: Sequence[float]) -> str:
    """What decides where no published set does."""
    best = largest(task, functional, data)
    most = "" if best is None else f" (the most, {best.sizes[task].systems}, are in {best.id})"
    each = f"; a case took about {max(took):.2g} s here, beside its DFT" if took else ""
    return (
        f"No published set of {functional} has as many{most}: what decides are labels of further systems of "
        f"your own, given by --data{each}"
    )


def _cost(cases: int, seconds: Sequence[float]) -> str:
    """Of all models together."""
    if not seconds:
        return f"{cases} cases"
    total = cases * sum(seconds)
    unit, size = ("h", 3600) if total > 5400 else ("min", 60) if total > 90 else ("s", 1)
    one = f"about {seconds[0]:.2g} s"
    of = one if len(seconds) == 1 else f"{min(seconds):.2g} to {max(seconds):.2g} s"
    return f"{cases} cases of {of} as here: {total / size:.2g} {unit}"
