"""Model against model, and before a correction against after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from umlip_bench.analysis.compared_models import Side, baseline_first, corrects, sides
from umlip_bench.analysis.comparison import compare, compare_variants
from umlip_bench.analysis.corrected import Factor, corrected, notes, parent_in
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.report.comparison_content import (
    CorrectionNote,
    CorrectionRow,
    Pair,
    RelaxationEffect,
)
from umlip_bench.analysis.report.tables import pair_table, relaxation_table
from umlip_bench.analysis.report.verdicts import scale_label
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.errors import DataError

PAIRS_UP_TO = 3
"""Models of which each is compared with each; of more, each with one."""


def pairs_of(everyone: Sequence[Side]) -> tuple[Pair, ...]:
    """Models compared with each other, those that have cases in common."""
    if len(everyone) <= PAIRS_UP_TO:
        found = list(combinations(everyone, 2))
    else:
        found = [
            (partner, each)
            for k, each in enumerate(everyone)
            if (partner := _partner(everyone, k)) is not None
        ]
    chosen = dict.fromkeys(baseline_first(first, second) for first, second in found)
    return tuple(
        Pair(first.label, second.label, tuple(rows), pair_table(first, second, rows))
        for first, second in chosen
        if (rows := compare(first, second))
    )


def relaxation_of(everyone: Sequence[Side]) -> RelaxationEffect | None:
    """Models after their own relaxation against themselves at DFT's geometry."""
    found = [(side, tuple(rows)) for side in everyone if (rows := compare_variants(side))]
    if not found:
        return None
    return RelaxationEffect(
        tuple((side.label, rows) for side, rows in found), relaxation_table(found)
    )


def _partner(everyone: Sequence[Side], k: int) -> Side | None:
    """What the k-th model is compared with, ``None`` for the first unless it is a corrected one.

    Its parent, else the same model of an earlier run, else the first model of the same run, else the
    first of all.
    """
    side, earlier = everyone[k], everyone[:k]
    parents = [each for each in everyone if corrects(side, each)]
    here = [each for each in parents if each.run.path == side.run.path]
    if parents:
        return next(iter([*here, *parents]))
    if not earlier:
        return None
    same_model = [each for each in earlier if each.model == side.model]
    same_run = [each for each in earlier if each.run.path == side.run.path]
    return next(iter([*same_model, *same_run]), earlier[0])


@dataclass(frozen=True, eq=False)
class CorrectedRun:
    """A corrected model's run beside its parent's.

    Parameters
    ----------
    factor
        The correction.
    parent_run, parent
        Where the model is that was corrected, and its name.
    run
        Of the corrected model, calculated.
    """

    factor: Factor
    parent_run: Run
    parent: str
    run: Run


def correct(runs: Sequence[Run], factor: Factor) -> CorrectedRun:
    """What a correction makes of its parent's results.

    Raises
    ------
    RunFolderError
        If the parent is a model of none of the runs.
    """
    digests = {
        str(run.config.models[model]["sha256"]): run
        for run in reversed(runs)
        for model in run.models
    }
    run = digests.get(factor.parent_sha256, runs[0])
    return CorrectedRun(factor, run, parent_in(run, factor), corrected(run, factor))


def all_sides(runs: Sequence[Run], mended: Sequence[CorrectedRun]) -> list[Side]:
    """Models of the runs, and corrected ones; these may have been run as well.

    Raises
    ------
    DataError
        If two have the same name.
    """
    found = sides(runs)
    for each in mended:
        name = each.factor.name
        taken = {side.label for side in found}
        label = f"{name}, calculated" if name in taken else name
        if label in taken:
            raise DataError(f"two corrected models have the name {name}; rename one folder")
        found.append(Side(each.run, name, label))
    return found


def correction_note(
    mended: CorrectedRun, everyone: Sequence[Side], pairs: Sequence[Pair], suites: Sequence[str]
) -> CorrectionNote:
    """Every metric of the tables before and after a correction; `suites` are those of the page."""
    before = next(s for s in everyone if s.run is mended.parent_run and s.model == mended.parent)
    after = next(s for s in everyone if s.run is mended.run)
    paired = next(
        (pair.rows for pair in pairs if (pair.first, pair.second) == (before.label, after.label)),
        None,
    )
    differences = {
        (row.suite, row.variant, row.metric): row
        for row in (compare(before, after) if paired is None else paired)
    }
    rows = []
    for analysis in all_suites().values():
        scales = {headline.metric: headline.label for headline in analysis.headlines}
        for variant in analysis.variant_names:
            for metric, label in analysis.presentation.labels:
                old, new = (
                    side.run.find(analysis.name, variant, side.model, metric)
                    for side in (before, after)
                )
                if old is not None and new is not None and old.n_cases:
                    scale = analysis.beside_headlines.get(metric, "")
                    if metric in scales:
                        scale = scale_label(analysis, scales[metric], variant, suites)
                    rows.append(
                        CorrectionRow(
                            suite=analysis.name,
                            variant=str(variant),
                            label=label,
                            before=old,
                            after=new,
                            difference=differences.get((analysis.name, variant, metric)),
                            scale=scale,
                        )
                    )
    factor = mended.factor
    level = mended.parent_run.card(mended.parent).level_of_theory
    fitted = factor.labels or ""
    if fitted and factor.n_labels is not None:
        fitted = f"{fitted} ({factor.n_labels} frame{'' if factor.n_labels == 1 else 's'})"
    return CorrectionNote(
        before=before.label,
        after=after.label,
        factor=factor.value,
        low=factor.low,
        high=factor.high,
        labels=fitted,
        rows=tuple(rows),
        notes=notes(factor, level),
    )
