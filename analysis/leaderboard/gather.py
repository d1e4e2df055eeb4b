"""Run folders in, the leaderboard's content out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from itertools import combinations

from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.card_text import sections
from umlip_bench.analysis.chemistry import ClassScale, ElementScale, by_class, by_element
from umlip_bench.analysis.compared_models import Side, baseline_first, sides
from umlip_bench.analysis.comparison import PairedRow, compare
from umlip_bench.analysis.leaderboard.content import (
    BoardContent,
    Cell,
    Column,
    Difference,
    Line,
    PotentialPage,
    Slice,
)
from umlip_bench.analysis.leaderboard.force_ranking import Ranking, answer, leading, rankings
from umlip_bench.analysis.leaderboard.statements import statements
from umlip_bench.analysis.paired import holm
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.report.content import DataNote
from umlip_bench.analysis.report.gather import run_note
from umlip_bench.analysis.report.members import member_of
from umlip_bench.analysis.report.model_content import HeadlineScale, Member
from umlip_bench.analysis.report.wording import slug
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.version import __version__

PairedRows = dict[tuple[str, str], list[PairedRow]]


def gather(runs: Sequence[Run], data: Mapping[str, DataNote]) -> BoardContent:
    """Put together the site's content.

    Parameters
    ----------
    runs
        At least one.
    data
        What is known of reference data, by their id in run.yaml.

    Raises
    ------
    RunFolderError
        If predictions cannot be read.
    DataError
        If no run has a finished case, or two run folders of one name have the same model.
    """
    everyone = sides(runs)
    if not everyone:
        names = ", ".join(str(run.path) for run in runs) or "no run folders"
        raise DataError(f"{names}: no finished case; give the command of the run again")
    described = {run.data: data.get(run.data, DataNote(run.data, run.level)) for run in runs}
    suites = [s for s in all_suites() if any(side.run.of(s, side.model) for side in everyone)]
    members = {side.label: member_of(side, k, suites) for k, side in enumerate(everyone)}
    columns = tuple(_columns(suites, everyone))
    ranked = [side for side in everyone if members[side.label].comparable]
    paired = _pairs(ranked)
    found = tuple(_rankings(ranked, paired))
    return BoardContent(
        generated=date.today().isoformat(),
        version=__version__,
        data=tuple(described.values()),
        runs=tuple(run_note(run) for run in runs),
        columns=columns,
        potentials=tuple(_pages(everyone, members)),
        lines=tuple(_lines(everyone, columns)),
        scales=tuple(_scales([members[side.label] for side in ranked])),
        differences=tuple(_differences(paired, columns)),
        rankings=found,
        answer=answer(found),
    )


def _columns(suites: Sequence[str], everyone: Sequence[Side]) -> Iterator[Column]:
    for suite in (all_suites()[name] for name in suites):
        headline = leading(suite, everyone)
        if headline is not None:
            yield Column(suite.name, headline.label, suite.variant_names[0], headline.metric)


def _pages(everyone: Sequence[Side], members: Mapping[str, Member]) -> Iterator[PotentialPage]:
    taken: set[str] = set()
    for side in everyone:
        member, content = members[side.label], card_content(side)
        page = slug(side.label).lower()
        while page in taken:
            page += "-"
        taken.add(page)
        yield PotentialPage(
            label=side.label,
            model=side.model,
            page=page,
            data=side.run.data,
            run=side.run.name,
            level=member.level,
            training_set=member.training_set,
            licence=member.licence,
            citation=member.citation,
            n_parameters=member.n_parameters,
            warning=member.warning,
            n_done=member.n_done,
            n_failed=member.n_failed,
            statements=statements(content),
            card=tuple(sections(content)),
        )


def _lines(everyone: Sequence[Side], columns: Sequence[Column]) -> Iterator[Line]:
    """All data, then classes in their order, then elements by atomic number."""
    for side in everyone:
        whole = tuple(_whole(side, column) for column in columns)
        yield Line(Slice.ALL, Slice.ALL, side.label, side.run.data, whole)
    yield from _sliced(everyone, columns)


def _whole(side: Side, column: Column) -> Cell | None:
    row = side.run.find(column.suite, column.variant, side.model, column.metric)
    if row is None or not row.n_cases:
        return None
    return Cell(row.value, row.ci_low, row.ci_high, row.n_cases)


def _sliced(everyone: Sequence[Side], columns: Sequence[Column]) -> Iterator[Line]:
    Key = tuple[Slice, str, str]
    cells: dict[Key, dict[str, Cell]] = {}
    for side in everyone:
        for column in columns:
            names = side.run, column.suite, column.variant, side.model, column.metric
            for element in by_element(*names):
                key = Slice.ELEMENT, element.symbol, side.label
                cells.setdefault(key, {})[column.suite] = _cell(element)
            for each in by_class(*names):
                key = Slice.CLASS, str(each.chemistry), side.label
                cells.setdefault(key, {})[column.suite] = _cell(each)
    data = {side.label: side.run.data for side in everyone}
    order = {side.label: k for k, side in enumerate(everyone)}

    def place(key: Key) -> tuple[bool, int, str, int]:
        kind, of, label = key
        atomic = SYMBOLS.index(of) if kind is Slice.ELEMENT else 0
        return kind is Slice.ELEMENT, atomic, of, order[label]

    for key in sorted(cells, key=place):
        kind, of, label = key
        found = tuple(cells[key].get(column.suite) for column in columns)
        yield Line(kind, of, label, data[label], found)


def _cell(scale: ElementScale | ClassScale) -> Cell:
    return Cell(scale.median, scale.ci_low, scale.ci_high, scale.n_systems)


def _scales(members: Sequence[Member]) -> Iterator[HeadlineScale]:
    for member in members:
        yield from member.scales


def _pairs(ranked: Sequence[Side]) -> PairedRows:
    """Of all pairs on the same data."""
    found = (
        baseline_first(first, second)
        for first, second in combinations(ranked, 2)
        if first.run.data == second.run.data
    )
    rows = {(first.label, second.label): compare(first, second) for first, second in found}
    return {names: each for names, each in rows.items() if each}


def _differences(pairs: PairedRows, columns: Sequence[Column]) -> Iterator[Difference]:
    """In the scales of the board, and the errors that go with them."""
    shown = {
        (column.suite, column.variant, metric)
        for column in columns
        for metric in (column.metric, *all_suites()[column.suite].errors[:1])
    }
    chosen = [
        (first, second, row)
        for (first, second), rows in pairs.items()
        for row in rows
        if row.n_cases and (row.suite, row.variant, row.metric) in shown
    ]
    adjusted = holm([row.p_value for _, _, row in chosen])
    for (first, second, row), p in zip(chosen, adjusted, strict=True):
        yield Difference(first, second, row, p)


def _rankings(ranked: Sequence[Side], pairs: PairedRows) -> Iterator[Ranking]:
    """Each set of reference data for itself."""
    for data in dict.fromkeys(side.run.data for side in ranked):
        yield from rankings([side for side in ranked if side.run.data == data], pairs)
