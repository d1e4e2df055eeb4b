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


def what_decides(
    suite: AnySuite,
    rows: Sequence[Row],
    elements: Collection[str],
    functional: str,
    data: str,
    seconds: Mapping[str, float],
) -> list[str]:
    """For each model that a suite leaves undecided: the set that would decide, its cost and the command.

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
        A sentence each; empty if all is decided or no published set is large enough.
    """
    if suite.name not in set(Task):
        return []
    models = undecided(suite, rows)
    card = nearest(Task(suite.name), elements, functional, data) if models else None
    if card is None:
        return []
    size = card.sizes[Task(suite.name)]
    return [
        f"{suite.name} is undecided for {model}: medians need {MEDIAN_FROM} {suite.cases_are}. {card.id} has "
        f"{size.systems} ({card.level_of_theory.functional}): `umlip-bench run {suite.name} --model {model} "
        f"--data {card.id} --out runs/{card.id}`, {_cost(size.cases, seconds.get(model))}"
        for model in models
    ]


def _cost(cases: int, seconds: float | None) -> str:
    if seconds is None:
        return f"{cases} cases"
    total = cases * seconds
    unit, size = ("h", 3600) if total > 5400 else ("min", 60) if total > 90 else ("s", 1)
    return f"{cases} cases of about {seconds:.2g} s as here: {total / size:.2g} {unit}"
