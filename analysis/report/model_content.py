"""Models on the page and what is judged of them, as data."""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.analysis.summary import Row


@dataclass(frozen=True)
class HeadlineScale:
    """A headline of a suite: 1 is right, below 1 is soft.

    Parameters
    ----------
    side
        Label of the model.
    suite, variant
        Where it was measured.
    label
        What it is a scale of, told apart from all others.
    row
        Of the summary.
    """

    side: str
    suite: str
    variant: str
    label: str
    row: Row


@dataclass(frozen=True)
class Verdict:
    """A line on one or more models in a suite.

    Parameters
    ----------
    sides
        Labels of the models that it is true of.
    suite, variant
        What it is on.
    judgement
        ``"soft"``, ``"no softening resolved"`` and the like.
    numbers
        What it rests on, in words.
    """

    sides: tuple[str, ...]
    suite: str
    variant: str
    judgement: str
    numbers: str


@dataclass(frozen=True)
class JudgedScales:
    """Scales of one model that are judged alike.

    Parameters
    ----------
    judgement
        As in `Verdict`, without what stands in brackets.
    scales
        What it was found for.
    """

    judgement: str
    scales: tuple[HeadlineScale, ...]


@dataclass(frozen=True)
class Member:
    """A model on the page.

    Parameters
    ----------
    label
        Unique on the page.
    model, run, data
        Names of model, run folder and reference data.
    style
        Which colour, shape and dash it has.
    level
        Level of theory of its training labels.
    training_set, citation, licence, n_parameters
        As its card has them.
    n_done, n_failed
        Cases with and without a result.
    warning
        Why it should be compared with care; empty if there is no reason.
    comparable
        Whether it enters the headlines: its functional is not another than the data's.
    verdict
        On the most telling suite that it has a number of; ``None`` if there is none.
    findings
        Its other scales by judgement, the most telling suites first.
    scales
        All of them.
    softest
        Cases in which it is softest, with their scales; empty where there are few cases.
    softest_in
        What they are scales of.
    note
        Caveat of the model card; empty if it has none.
    """

    label: str
    model: str
    run: str
    data: str
    style: int
    level: str
    training_set: str
    citation: str
    licence: str
    n_parameters: int | None
    n_done: int
    n_failed: int
    warning: str
    comparable: bool
    verdict: Verdict | None
    findings: tuple[JudgedScales, ...]
    scales: tuple[HeadlineScale, ...]
    softest: tuple[tuple[str, float], ...]
    softest_in: str
    note: str
