"""Verdicts and scales, from the rows of the summary."""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.report.model_content import HeadlineScale, Verdict
from umlip_bench.analysis.suite import AnySuite
from umlip_bench.analysis.summary import Row


def verdicts_of(analysis: AnySuite, everyone: Sequence[Side]) -> list[Verdict]:
    """By variant; what is true of several models is said once."""
    found = []
    for variant in analysis.variant_names:
        said: dict[tuple[str, str], list[str]] = {}
        for side in everyone:
            rows = rows_of(analysis.name, variant, side)
            if rows:
                text = analysis.presentation.verdict(rows, side.model)
                judgement, _, numbers = text.removeprefix(f"{side.model}: ").partition(": ")
                said.setdefault((judgement, numbers), []).append(side.label)
        found += [
            Verdict(tuple(labels), analysis.name, str(variant), judgement, numbers)
            for (judgement, numbers), labels in said.items()
        ]
    return found


def scales_of(
    analysis: AnySuite, side: Side, variant: str, suites: Sequence[str]
) -> list[HeadlineScale]:
    """Headlines of a suite and variant that a model has; labels tell them apart on the page."""
    found = []
    for headline in analysis.headlines:
        row = side.run.find(analysis.name, variant, side.model, headline.metric)
        if row is not None and row.n_cases:
            label = scale_label(analysis, headline.label, variant, suites)
            found.append(HeadlineScale(side.label, analysis.name, variant, label, row))
    return found


def scale_label(analysis: AnySuite, label: str, variant: str, suites: Sequence[str]) -> str:
    """What a headline is a scale of, told apart from those of other suites and variants."""
    same = [s for s in suites if any(label == each.label for each in all_suites()[s].headlines)]
    where = f" ({analysis.name})" if len(same) > 1 else ""
    return (
        f"{label}{where}" if variant == analysis.variant_names[0] else f"{label}{where}, {variant}"
    )


def rows_of(suite: str, variant: str, side: Side) -> list[Row]:
    """Rows of the summary."""
    return [
        row
        for row in side.run.rows
        if (row.suite, row.variant, row.model) == (suite, variant, side.model)
    ]
