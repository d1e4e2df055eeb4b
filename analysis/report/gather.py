"""Run folders in, the page's content out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from itertools import combinations

from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.card_text import model_card
from umlip_bench.analysis.card_text import sections as card_sections
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.corrected import Factor
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.report.by_chemistry import chemistry_of
from umlip_bench.analysis.report.comparison_content import RunPair
from umlip_bench.analysis.report.comparisons import (
    all_sides,
    correct,
    correction_note,
    pairs_of,
    relaxation_of,
)
from umlip_bench.analysis.report.content import (
    CardContent,
    DataNote,
    Failure,
    ReportContent,
    RunNote,
)
from umlip_bench.analysis.report.members import member_of
from umlip_bench.analysis.report.model_content import Member
from umlip_bench.analysis.report.sections import section_of
from umlip_bench.analysis.run_differences import changes
from umlip_bench.analysis.runs import Run
from umlip_bench.analysis.sheet import sheets_of
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.version import __version__

NAMED_IN_TITLE = 3


def gather(
    runs: Sequence[Run],
    data: Mapping[str, DataNote],
    corrections: Sequence[Factor] = (),
) -> ReportContent:
    """Put together the page's content.

    Parameters
    ----------
    runs
        At least one.
    data
        What is known of reference data, by their id in run.yaml.
    corrections
        Scalar corrections, the parents of which are among the runs' models.

    Raises
    ------
    RunFolderError
        If predictions cannot be read, or a correction's parent is in no run.
    WeightsError
        If a folder is no scalar correction.
    DataError
        If no run has a finished case, two run folders of one name have the same model, or two corrections
        the same name.
    """
    mended = [correct(runs, factor) for factor in corrections]
    everyone = all_sides(runs, mended)
    if not everyone:
        names = ", ".join(str(run.path) for run in runs)
        raise DataError(f"{names}: no finished case; give the command of the run again")
    described = {run.data: data.get(run.data, DataNote(run.data, run.level)) for run in runs}
    suites = [s for s in all_suites() if any(side.run.of(s, side.model) for side in everyone)]
    members = tuple(member_of(side, k, suites) for k, side in enumerate(everyone))
    pairs = pairs_of(everyone)
    return ReportContent(
        title=_title(members),
        generated=date.today().isoformat(),
        version=__version__,
        data=tuple(described.values()),
        runs=tuple(run_note(run) for run in runs),
        members=members,
        scales=tuple(s for m in members if m.comparable for s in m.scales),
        sections=tuple(section_of(all_suites()[suite], everyone) for suite in suites),
        pairs=pairs,
        run_pairs=tuple(
            RunPair(first.name, second.name, tuple(changes(first, second)))
            for first, second in combinations(runs, 2)
        ),
        sheets=tuple(sheets_of(everyone).items()),
        relaxation=relaxation_of(everyone),
        corrections=tuple(correction_note(each, everyone, pairs, suites) for each in mended),
        chemistry=chemistry_of(everyone),
        cards=tuple(_card(side) for side in everyone),
        failures=tuple(
            Failure(side.label, record.suite, record.case, record.reason or "")
            for side in everyone
            for record in side.run.failed(model=side.model)
        ),
    )


def _title(members: Sequence[Member]) -> str:
    models = list(dict.fromkeys(member.model for member in members))
    if len(models) == 1:
        return f"How soft is {models[0]}?"
    named = models if len(models) <= NAMED_IN_TITLE else models[: NAMED_IN_TITLE - 1]
    rest = len(models) - len(named)
    words = [*named, f"{rest} more"] if rest else named
    return f"How soft are {', '.join(words[:-1])} and {words[-1]}?"


def run_note(run: Run) -> RunNote:
    """What is said of a run folder."""
    known = run.config.provenance
    return RunNote(
        name=run.name,
        data=run.data,
        version=str(known.get("umlip_bench", "")),
        started=str(known.get("started", ""))[:10],
        device=str(known.get("device", "")),
        incomplete=run.incomplete,
    )


def _card(side: Side) -> CardContent:
    content = card_content(side)
    return CardContent(side.label, tuple(card_sections(content)), model_card(side))
