"""What is said of each model on the first screen."""

from __future__ import annotations

import math
from collections.abc import Sequence

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.report.model_content import HeadlineScale, JudgedScales, Member, Verdict
from umlip_bench.analysis.report.verdicts import scales_of, verdicts_of
from umlip_bench.ground.level_of_theory import differs, level_warning

SOFTEST = 3
"""Cases that are named on the first screen, of at least twice as many."""


def member_of(side: Side, style: int, suites: Sequence[str]) -> Member:
    """A model, the `style`-th of the page, and what was found in the suites of the page."""
    card = side.run.card(side.model)
    level = card.level_of_theory
    records = [record for record in side.run.records if record.model == side.model]
    warning = level_warning(level, side.run.level) or ""
    other = differs(level, side.run.level)
    softest_in, softest = _softest(side, suites)
    judged = _judged(side, suites)
    return Member(
        label=side.label,
        model=side.model,
        run=side.run.name,
        data=side.run.data,
        style=style,
        level=str(level),
        training_set=card.training_set,
        citation=card.citation,
        licence=card.licence,
        n_parameters=card.n_parameters,
        n_done=sum(record.status == "done" for record in records),
        n_failed=sum(record.status == "failed" for record in records),
        warning=f"{warning}: not in the headlines" if other else warning,
        comparable=not other,
        verdict=judged[0][0] if judged else None,
        findings=_findings(judged[1:]),
        scales=tuple(scale for _, scales in judged for scale in scales),
        softest=softest,
        softest_in=softest_in,
        note=card.note or "",
    )


def _softest(side: Side, suites: Sequence[str]) -> tuple[str, tuple[tuple[str, float], ...]]:
    """What of, and the softest cases of the first suite that has enough of them."""
    for analysis in (all_suites()[suite] for suite in suites):
        if not analysis.headlines:
            continue
        headline = analysis.headlines[0]
        scales = [
            (record.case, scale)
            for record in side.run.of(analysis.name, side.model)
            if math.isfinite(
                scale := analysis.scale(
                    side.run.result(record), analysis.variant_names[0], headline
                )
            )
        ]
        if len(scales) > 2 * SOFTEST:
            return headline.label, tuple(sorted(scales, key=lambda each: each[1])[:SOFTEST])
    return "", ()


def _judged(side: Side, suites: Sequence[str]) -> list[tuple[Verdict, tuple[HeadlineScale, ...]]]:
    """Verdicts that rest on a number, the most telling suites first, with their scales."""
    return [
        (verdict, tuple(scales))
        for suite in suites
        for verdict in verdicts_of(all_suites()[suite], [side])
        if (scales := scales_of(all_suites()[suite], side, verdict.variant, suites))
    ]


def _findings(
    judged: Sequence[tuple[Verdict, tuple[HeadlineScale, ...]]],
) -> tuple[JudgedScales, ...]:
    """Scales by judgement; why a judgement is undecided is said in the suite's section."""
    by_judgement: dict[str, list[HeadlineScale]] = {}
    for verdict, scales in judged:
        judgement, _, _ = verdict.judgement.partition(" (")
        by_judgement.setdefault(judgement, []).extend(scales)
    return tuple(
        JudgedScales(judgement, tuple(scales)) for judgement, scales in by_judgement.items()
    )
