"""The property sheet of a material without a reference: what each model says of it, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.properties import Property
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.suite import AnySuite

SAME = 0.02
"""Measurements of one quantity that differ by no more than this share need no explanation."""

Measured: TypeAlias = Sequence[tuple[AnySuite, Mapping[str, Sequence[Any]]]]
"""Suites in order, each with results by the label of the model."""


@dataclass(frozen=True)
class SheetLine:
    """A property, models side by side.

    Parameters
    ----------
    suite
        Name of the suite that measured it.
    title
        Of the suite.
    case
        Name of the case.
    label
        With the unit.
    cells
        One for each model; ``"-"`` where there is none.
    """

    suite: str
    title: str
    case: str
    label: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class PropertySheet:
    """Properties of a material, or of several.

    Parameters
    ----------
    models
        Labels, one for each cell of a line.
    lines
        By suite and case.
    remarks
        What must be said of single numbers, a sentence each.
    """

    models: tuple[str, ...]
    lines: tuple[SheetLine, ...]
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """A property of one model and case, of the geometry that it was chosen from."""

    suite: AnySuite
    variant: str
    value: Property

    @property
    def shown(self) -> str:
        own = self.variant == self.suite.variant_names[-1]
        return self.value.shown if own else f"{self.value.shown} ({self.variant})"


def sheets_of(sides: Sequence[Side]) -> dict[str, PropertySheet]:
    """Sheets by the name of what was measured, of runs without reference values."""
    found: dict[str, PropertySheet] = {}
    without = [side for side in sides if not side.run.has_reference]
    for data in dict.fromkeys(side.run.data for side in without):
        members = [side for side in without if side.run.data == data]
        names = dict.fromkeys(name for side in members for name in side.run.suites)
        sheet = property_sheet(
            [
                (suite, {side.label: side.run.results(name, side.model) for side in members})
                for name, suite in all_suites().items()
                if name in names
            ]
        )
        if sheet is not None:
            found[data] = sheet
    return found


def property_sheet(measured: Measured) -> PropertySheet | None:
    """Properties of the model's own geometry, or of that given where a model has none of its own.

    Returns
    -------
    PropertySheet or None
        ``None`` where no suite has any.
    """
    models = tuple(dict.fromkeys(label for _, results in measured for label in results))
    found = {
        (suite.name, case, key, label): each
        for suite, by_label in measured
        for label, results in by_label.items()
        for result in results
        for case, key, each in _of_result(suite, result)
    }
    lines: dict[tuple[str, str, str], SheetLine] = {}
    first_of: dict[tuple[str, str], str] = {}
    for (suite, case, key, _), each in found.items():
        if each.value.once and first_of.setdefault((case, key), suite) != suite:
            continue
        cells = [found.get((suite, case, key, label)) for label in models]
        unit = f" ({each.value.unit})" if each.value.unit else ""
        lines[suite, case, key] = SheetLine(
            suite,
            each.suite.title,
            case,
            f"{each.value.label}{unit}",
            tuple("-" if cell is None else cell.shown for cell in cells),
        )
    if not lines:
        return None
    return PropertySheet(models, tuple(lines.values()), tuple(_differences(found)))


def _of_result(suite: AnySuite, result: Any) -> Iterator[tuple[str, str, _Found]]:
    """Case, key and property, each from the last variant that has it."""
    chosen: dict[str, _Found] = {}
    for variant in reversed(suite.variant_names):
        for each in suite.properties(result, variant):
            chosen.setdefault(each.key, _Found(suite, variant, each))
    for key, found in chosen.items():
        yield result.name, key, found


def _differences(found: Mapping[tuple[str, str, str, str], _Found]) -> Iterator[str]:
    """Why two measurements of one quantity of a material differ, as far as they do."""
    of_quantity: dict[tuple[str, str, str], list[Property]] = {}
    for (_, case, _, label), each in found.items():
        if each.value.quantity:
            of_quantity.setdefault((label, case, each.value.quantity), []).append(each.value)
    for (label, case, quantity), values in of_quantity.items():
        for first, second in pairwise(values):
            if abs(second.value - first.value) > SAME * abs(first.value):
                yield f"{label}, {quantity} of {case}: {_two_values(first, second)}"


def _two_values(first: Property, second: Property) -> str:
    text = " and ".join(
        f"{each.value:.{each.digits}f} {each.unit} from {each.measured}" for each in (first, second)
    )
    before, parts = first.value, []
    for what, value in second.steps:
        parts.append(f"{value - before:+.{second.digits}f} {what}")
        before = value
    return f"{text}. From the one to the other: {', '.join(parts)}" if parts else text


def print_sheet(sheet: PropertySheet, title: str, console: Console) -> None:
    """Print it, a section for each suite.

    Parameters
    ----------
    sheet
        The properties.
    title
        What they are of.
    console
        Where to.
    """
    drawn = Table(title=Text(f"{title}: properties"), title_justify="left")
    drawn.add_column("", overflow="fold")
    for model in sheet.models:
        drawn.add_column(Text(model), justify="right", overflow="fold")
    suite = ""
    for line in sheet.lines:
        if line.suite != suite:
            drawn.add_section()
            drawn.add_row(Text(line.title, style="bold"), *("" for _ in sheet.models))
            suite = line.suite
        drawn.add_row(Text(line.label), *map(Text, line.cells))
    console.print(drawn)
    for remark in sheet.remarks:
        console.print(Text(remark), style="dim")
    console.print()
