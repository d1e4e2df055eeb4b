"""For what a potential is safe: one statement for each thing that was measured, with its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from umlip_bench.analysis.card_content import CardCase, CardScale, ModelCardContent
from umlip_bench.analysis.tables import number

MEDIAN_WITHIN = 0.1
"""The whole interval of a scale is this near to 1 where a potential counts as safe,"""
CASE_WITHIN = 0.25
"""and its worst case this near."""
NAMED = 4
"""Faults and cases that are named."""


class Standing(StrEnum):
    """What a statement says, worst first."""

    FAILS = "known failure"
    OFF = "resolved error"
    OPEN = "not decided"
    SAFE = "safe"
    UNMEASURED = "not measured"


@dataclass(frozen=True)
class Statement:
    """What is to be known before a potential is used for something.

    Parameters
    ----------
    standing
        How bad it is.
    suite, variant
        Where it was measured; empty for what was not.
    text
        In a sentence.
    evidence
        Numbers it rests on.
    """

    standing: Standing
    suite: str
    variant: str
    text: str
    evidence: str


def statements(content: ModelCardContent) -> tuple[Statement, ...]:
    """Statements on a potential, known failures first.

    A scale is called safe only if its 95 % interval lies within `MEDIAN_WITHIN` of 1 and no single case is
    farther from it than `CASE_WITHIN`; an interval that leaves out 1 is a resolved error, and all else is not
    decided.

    Parameters
    ----------
    content
        What its report card says.
    """
    found = [
        *_functional(content),
        *_faults(content),
        *_checks(content),
        *_failures(content),
        *_scales(content),
        *_unmeasured(content),
    ]
    order = list(Standing)
    return tuple(sorted(found, key=lambda each: order.index(each.standing)))


def _functional(content: ModelCardContent) -> Iterator[Statement]:
    if content.other_functional:
        yield Statement(
            Standing.OPEN,
            "",
            "",
            "Its errors are not known from here",
            f"it was trained on {content.model.level_of_theory.functional}, the data are "
            f"{content.data_level.functional}: what follows is in part the difference of the two",
        )


def _faults(content: ModelCardContent) -> Iterator[Statement]:
    """What went wrong in suites that have a scale."""
    checked = {(check.suite, check.variant) for check in content.checks}
    for fault in content.faults:
        if (fault.suite, fault.variant) not in checked:
            yield Statement(
                Standing.FAILS,
                fault.suite,
                fault.variant,
                f"{fault.what[:1].upper()}{fault.what[1:]}",
                f"{fault.n} of {fault.of} cases",
            )


def _checks(content: ModelCardContent) -> Iterator[Statement]:
    """What suites say that measure no scale."""
    for check in content.checks:
        panel = (check.suite, check.variant)
        faults = [each for each in content.faults if (each.suite, each.variant) == panel]
        judgement, _, numbers = check.verdict.partition(": ")
        named = [fault.what for fault in faults[:NAMED]]
        more = [f"{len(faults) - NAMED} more"] if len(faults) > NAMED else []
        yield Statement(
            Standing.FAILS if faults else Standing.SAFE,
            *panel,
            f"{judgement[:1].upper()}{judgement[1:]}",
            "; ".join(filter(None, [numbers, ", ".join([*named, *more])])),
        )


def _failures(content: ModelCardContent) -> Iterator[Statement]:
    suites = dict.fromkeys(failure.suite for failure in content.failures)
    for suite in suites:
        reasons = [each.reason for each in content.failures if each.suite == suite]
        named = "; ".join(list(dict.fromkeys(reasons))[:NAMED])
        n = len(reasons)
        yield Statement(
            Standing.FAILS, suite, "", f"No result in {n} case{'' if n == 1 else 's'}", named
        )


def _scales(content: ModelCardContent) -> Iterator[Statement]:
    for scale in content.scales:
        panel = (scale.suite, scale.variant, scale.label)
        worst = [c for c in content.worst if (c.suite, c.variant, c.label) == panel]
        standing, text = _judged(scale, worst)
        evidence = f"{_interval(scale)} of DFT in the median, {scale.n_cases} cases"
        if worst:
            named = ", ".join(f"{case.case} {case.scale:.2f}" for case in worst)
            evidence = f"{evidence}; farthest from 1: {named}"
        yield Statement(standing, scale.suite, scale.variant, text, evidence)


def _judged(scale: CardScale, worst: list[CardCase]) -> tuple[Standing, str]:
    what = f"{scale.label[:1].upper()}{scale.label[1:]}"
    if scale.low is None or scale.high is None:
        return Standing.OPEN, f"{what}: too few materials to tell"
    if scale.high < 1.0:
        return Standing.OFF, f"{what}: too small"
    if scale.low > 1.0:
        return Standing.OFF, f"{what}: too large"
    if not (scale.low >= 1.0 - MEDIAN_WITHIN and scale.high <= 1.0 + MEDIAN_WITHIN):
        return Standing.OPEN, f"{what}: neither right nor wrong within the interval"
    if any(abs(case.scale - 1.0) > CASE_WITHIN for case in worst):
        return Standing.OPEN, f"{what}: right in the median, not in every material"
    return Standing.SAFE, f"{what}: right within {100 * MEDIAN_WITHIN:.0f} %"


def _interval(scale: CardScale) -> str:
    if scale.low is None or scale.high is None:
        return number(scale.value, 2)
    return f"{number(scale.value, 2)} [{number(scale.low, 2)}, {number(scale.high, 2)}]"


def _unmeasured(content: ModelCardContent) -> Iterator[Statement]:
    n = len(content.elements)
    yield Statement(
        Standing.UNMEASURED,
        "",
        "",
        ", ".join(["Other elements", "other states", *content.unmeasured]),
        f"measured on {n} element{'' if n == 1 else 's'}: {' '.join(content.elements)}",
    )
