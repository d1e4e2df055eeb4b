"""A run for people: tables of suites and cases, and what is to be said of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from rich.console import Console

from umlip_bench.analysis.reference import DFT, reference_of
from umlip_bench.analysis.sheet import print_sheet, property_sheet
from umlip_bench.analysis.tables import print_cases, print_table, print_verdicts
from umlip_bench.analysis.verdict_table import verdict_tables
from umlip_bench.datasets import embedded, published
from umlip_bench.ground.level_of_theory import differs, level_warning
from umlip_bench.potentials.catalogue import catalogue
from umlip_bench.potentials.weights import Weights
from umlip_bench.running.deciding import what_decides
from umlip_bench.running.runner import RunOutcome, SuiteOutcome
from umlip_bench.running.source import Source

FEW_CASES = 12
"""So many are listed one by one below the table."""

FEW_SUITES = 2
"""Of so many the tables are printed; of more the verdicts, so that the whole is read at a glance."""


def print_outcome(outcome: RunOutcome, source: Source, console: Console) -> None:
    """Print what came of a run.

    Parameters
    ----------
    outcome
        What came of it.
    source
        What it was on.
    console
        Where to.
    """
    one_by_one = not source.has_reference  # all there is to show is cases
    data = source.data.level_of_theory
    other = {name for name, level in outcome.levels.items() if differs(level, data)}
    at_a_glance = not one_by_one and len(outcome.suites) > FEW_SUITES
    show = print_verdicts if at_a_glance else print_table
    for part in outcome.suites:
        if not one_by_one:
            shown = part.suite.presentation
            show([row for row in part.rows if row.model not in other], shown, console)
            if any(row.model in other for row in part.rows):
                console.print(
                    "[yellow]Not comparable: trained on another functional than the data's[/]"
                )
                show([row for row in part.rows if row.model in other], shown, console)
            for said in _advice(part, outcome, source, other):
                console.print(said, style="dim", markup=False, highlight=False, soft_wrap=True)
        for model, results in () if at_a_glance else part.results.items():
            table = part.suite.case_table(results)
            few = table is not None and min(len(results), len(table.rows)) <= FEW_CASES
            if table is not None and (one_by_one or few):
                print_cases(replace(table, title=f"{model}: {table.title}"), console)
    if one_by_one:
        sheet = property_sheet([(part.suite, part.results) for part in outcome.suites])
        if sheet is not None:
            print_sheet(sheet, source.data.id, console)
    else:
        reference = f"Reference: {source.data.id}, {data.in_full}."
        console.print(reference, style="dim", markup=False, highlight=False)
    for name in () if one_by_one else outcome.levels:
        warning = level_warning(outcome.levels[name], data)
        if warning:
            console.print(f"{name}: {warning}.", style="yellow", markup=False, highlight=False)
    for note in _notes(source):
        console.print(f"Note: {note}", style="dim", markup=False, highlight=False)
    if not one_by_one:
        comparable = [
            (part.suite, [row for row in part.rows if row.model not in other])
            for part in outcome.suites
        ]
        for short in verdict_tables(comparable, list(outcome.levels)):
            console.print(short)
    if at_a_glance:
        console.print(
            f"For tables name up to {FEW_SUITES} suites in the same command; nothing is measured again.",
            style="dim",
        )


def _notes(source: Source) -> Sequence[str]:
    """Of a user's data all; of a known set those of this run: the others are in the report."""
    if source.data.id not in (*embedded.names(), *published.names()):
        return source.notes
    own = [note for note in source.notes if note not in source.data.notes]
    n = len(source.notes) - len(own)
    s = "" if n == 1 else "s"
    return [*own, f"{n} remark{s} on {source.data.id} in the report."] if n else own


def _advice(
    part: SuiteOutcome, outcome: RunOutcome, source: Source, other: Collection[str]
) -> list[str]:
    """What would decide where a suite is undecided, of models with the data's functional."""
    name = part.suite.name
    if reference_of(source.data.id) != DFT:
        return []  # no published set is labelled by that model
    return what_decides(
        part.suite,
        [row for row in part.rows if row.model not in other],
        {symbol for case in part.cases for symbol in case.elements},
        source.data.level_of_theory.functional,
        source.data.id,
        {model: took for (suite, model), took in outcome.seconds.items() if suite == name},
    )


def how_far(outcome: RunOutcome) -> list[str]:
    """What a run that ended before all cases had is sure of: a sentence for each suite and model."""
    said = []
    for part in outcome.suites:
        headlines = {each.metric: each.label for each in part.suite.headlines}
        for model, n_left in part.left.items():
            if not n_left:
                continue
            n = len(part.cases)
            text = (
                f"{part.suite.name}, {model}: {n - n_left} of {n} {part.suite.cases_are} measured"
            )
            row = next((r for r in part.rows if r.model == model and r.metric in headlines), None)
            if row is not None and row.ci_low is not None and row.ci_high is not None:
                half = (row.ci_high - row.ci_low) / 2
                text += f"; {headlines[row.metric]} {row.value:.3f}, known to ±{half:.3f} (95 %)"
            elif row is not None and row.n_cases:
                text += f"; {headlines[row.metric]} {row.value:.3f}, too few for an interval"
            said.append(text + ". Rerun the command to go on.")
    return said


def others(models: Sequence[Weights], missing: Mapping[str, str]) -> str:
    """Which models could have been run as well; not those that are `missing`, of which more is said."""
    known = {weights.card.name for weights in models} | set(missing)
    others = [name for name in catalogue() if name not in known]
    return (
        f"Not run: {', '.join(others)}. Fetch weights with `umlip-bench models fetch NAME`, run a model "
        "with --model NAME."
    )
