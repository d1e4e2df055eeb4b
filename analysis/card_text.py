"""The report card in words: what `umlip_bench.analysis.card` found, as a document."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from umlip_bench.analysis.card import card_content
from umlip_bench.analysis.card_content import CardCheck, CardFactor, CardScale, ModelCardContent
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.document import (
    Block,
    Bullets,
    CommandLine,
    Grid,
    Paragraph,
    Section,
    to_html,
    to_markdown,
)
from umlip_bench.analysis.sheet import PropertySheet
from umlip_bench.analysis.tables import number
from umlip_bench.ground.elements import SYMBOLS

SHOWN_FAILURES = 10
"""Failed cases that are named; the others are counted."""
NAMES_SHOWN = 12
"""Materials that are named in a sentence."""


def model_card(side: Side) -> str:
    """The report card of a model in Markdown.

    Parameters
    ----------
    side
        The model and the run that it was measured in.

    Raises
    ------
    UmlipBenchError
        As `card_content`.
    """
    content = card_content(side)
    return to_markdown(f"Report card: {content.title}", sections(content))


def card_html(side: Side) -> str:
    """The same as a page of HTML that needs nothing else; parameters and errors as of `model_card`."""
    content = card_content(side)
    return to_html(f"Report card: {content.title}", sections(content))


def sections(content: ModelCardContent) -> list[Section]:
    """The report card as a document."""
    return [
        Section("In short", tuple(_short(content))),
        Section("Intended use", tuple(_use(content))),
        Section("Model", (_model(content),)),
        *([Section("Properties", tuple(_properties(content.sheet)))] if content.sheet else []),
        Section("How soft", tuple(_scales(content))),
        Section("Where it fails", tuple(_fails(content))),
        Section("What to correct", tuple(_correct(content))),
        Section("Measured on", tuple(_measured(content))),
    ]


def _short(content: ModelCardContent) -> Iterator[Block]:
    if content.incomplete:
        yield Paragraph("The run is not complete; what follows is of the cases that are there:")
        yield Bullets(content.incomplete)
    # A suite's sentence is on all its headlines: the first stands for the others.
    verdicts = {(scale.suite, scale.variant): scale.verdict for scale in content.scales}
    if verdicts:
        yield Bullets(tuple(f"{suite} ({v}): {said}" for (suite, v), said in verdicts.items()))
    else:
        yield Paragraph("Nothing was comparable with DFT.")
    if content.checks:
        yield Bullets(tuple(_check(check, content.model.parent) for check in content.checks))
    if content.other_functional:
        yield Paragraph(
            f"The model was trained on {content.model.level_of_theory.functional}, the data are "
            f"{content.data_level.functional}: what is said here is in part the difference of the two."
        )
    n_done, n_failed = sum(content.suites.values()), len(content.failures)
    yield Paragraph(
        f"{n_done} cases with a result, {n_failed} failed. Scales are the model's value over DFT's: below 1 "
        "is soft. Brackets are 95 % intervals over materials; without them there are too few."
    )


def _check(check: CardCheck, parent: str | None) -> str:
    """What a model does that it must, and beside it what its parent does."""
    said = f"{check.suite} ({check.variant}): {check.verdict}"
    if parent is None:
        return said
    if check.of_parent is not None:
        return f"{said}; its parent {parent} is {check.of_parent}"
    return (
        f"{said}; its parent {parent} is not in this run: a factor changes none of this, weights that were "
        "trained anew may"
    )


def _use(content: ModelCardContent) -> Iterator[Block]:
    card = content.model
    known = f"of {_ranges(card.elements)}" if card.elements else "of the elements it was trained on"
    yield Paragraph(
        f"Energies, forces and stresses of periodic structures {known}, in place of DFT "
        f"({card.level_of_theory}), whose approximations it shares. Training data: {card.training_set}."
    )
    broken = [fault for check in content.checks for fault in check.broken]
    if card.parent is not None and broken:
        yield Paragraph(
            f"It was made of {card.parent} ({card.architecture}), and is not a correction of it: it "
            f"{_some(broken)}, where {card.parent} does not."
        )
    elif card.parent is not None:
        yield Paragraph(
            f"It is {card.parent}, corrected ({card.architecture}), for the states and the material that the "
            "correction was fitted to."
        )
    measured = ", ".join(f"{suite} ({n})" for suite, n in content.suites.items())
    n = len(content.elements)
    missing = (*content.unmeasured, "other elements", "other states than those of the data")
    yield Paragraph(
        f"Measured here on {n} element{'' if n == 1 else 's'} ({' '.join(content.elements)}) in the suites "
        f"{measured}. Not measured: {', '.join(missing)}."
    )
    if card.note:
        yield Paragraph(card.note)


def _model(content: ModelCardContent) -> Block:
    card = content.model
    return Grid(
        ("", ""),
        (
            ("name", card.name),
            ("architecture", card.architecture),
            ("parameters", "unknown" if card.n_parameters is None else f"{card.n_parameters:,}"),
            ("level of theory", str(card.level_of_theory)),
            ("pseudopotentials", card.level_of_theory.pseudopotentials or "unknown"),
            ("training data", card.training_set),
            ("licence", card.licence),
            ("citation", card.citation),
            ("weights, sha256", content.sha256),
        ),
    )


def _properties(sheet: PropertySheet) -> Iterator[Block]:
    yield Grid(
        ("measured by", "property", "value"),
        tuple((line.suite, line.label, line.cells[0]) for line in sheet.lines),
    )
    if sheet.remarks:
        yield Bullets(sheet.remarks)


def _scales(content: ModelCardContent) -> Iterator[Block]:
    factor = content.factor
    if not content.scales:
        yield Paragraph("There is no scale without something to compare with.")
        return
    head = ("suite", "geometry", "of", "scale", "best factor", "cases", "failed")
    if factor is None:
        yield Grid(head, tuple(_scale_cells(scale) for scale in content.scales))
        return
    yield Grid(
        (*head, f"scale after x {factor.value:.2f}"),
        tuple(
            (*_scale_cells(scale), _with_interval(scale, factor.value)) for scale in content.scales
        ),
    )
    yield Paragraph(
        "The last column is what the factor that forces ask for would make of each scale: all of them are "
        "curvatures or energies, which it multiplies."
    )


def _scale_cells(scale: CardScale) -> tuple[str, ...]:
    return (
        scale.suite,
        scale.variant,
        scale.label,
        _with_interval(scale, 1.0),
        _interval(scale.factor, scale.factor_low, scale.factor_high),
        str(scale.n_cases),
        str(scale.n_failed),
    )


def _with_interval(scale: CardScale, factor: float) -> str:
    return _interval(*(None if v is None else factor * v for v in _ends(scale)))


def _ends(scale: CardScale) -> tuple[float, float | None, float | None]:
    return scale.value, scale.low, scale.high


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    text = "-" if value is None else number(value, 3)
    if low is None or high is None:
        return text
    return f"{text} [{number(low, 3)}, {number(high, 3)}]"


def _fails(content: ModelCardContent) -> Iterator[Block]:
    if content.chemistry:
        yield Paragraph("Forces by class of compounds, named by the anion: median over materials.")
        yield Grid(
            ("compounds", "force slope", "materials"),
            tuple(
                (
                    each.chemistry,
                    _interval(each.median, each.ci_low, each.ci_high),
                    str(each.n_systems),
                )
                for each in content.chemistry
            ),
        )
    if content.worst:
        yield Paragraph("Cases whose scales are farthest from 1, of each suite and geometry:")
        yield Grid(
            ("suite", "geometry", "case", "of", "scale"),
            tuple(
                (case.suite, case.variant, case.case, case.label, f"{case.scale:.3f}")
                for case in content.worst
            ),
        )
    if content.faults:
        yield Paragraph("Cases that went wrong:")
        yield Bullets(
            tuple(f"{f.suite} ({f.variant}): {f.what} in {f.n} of {f.of}" for f in content.faults)
        )
    if content.failures:
        yield Paragraph("Cases without a result:")
        shown = content.failures[:SHOWN_FAILURES]
        left = len(content.failures) - len(shown)
        more = (f"and {left} more, in cases.jsonl",) if left else ()
        yield Bullets((*(f"{f.suite}, {f.case}: {f.reason}" for f in shown), *more))
    if not content.faults and not content.failures:
        yield Paragraph("Nothing that was measured failed, stopped short or came out unstable.")
    if not content.scales:
        yield Paragraph(
            "There was nothing to compare with: how wrong the numbers are is not known."
        )


def _correct(content: ModelCardContent) -> Iterator[Block]:
    factor = content.factor
    if factor is None:
        yield Paragraph(
            "No forces were measured, from which a factor could be told: run the suite high-energy."
        )
        return
    yield Paragraph(_recommendation(factor))
    yield Bullets(tuple(_reservations(content, factor)))
    if content.model.parent is None:
        yield Paragraph(
            "One DFT single point of a distorted structure gives the factor of its material, with its "
            "interval:"
        )
        name = content.model.name
        yield CommandLine(
            f"umlip-finetune fit --model {name} --labels one.xyz --method scalar --out corrected"
        )


def _recommendation(factor: CardFactor) -> str:
    number = _interval(factor.value, factor.low, factor.high)
    said = f"The best factor on the forces is {number} in the median of {_materials(factor.n_materials)}. "
    if factor.supported is None:
        return said + "Too few materials for an interval: whether a factor is needed is undecided."
    if factor.supported:
        return said + (
            "It is supported: the intervals of slope and factor both leave out 1. Energies, forces and "
            "stresses times this factor, about the model's element references."
        )
    return said + (
        "It is not supported: the intervals of slope and factor do not both leave out 1. Do not correct all "
        "materials by one factor."
    )


def _reservations(content: ModelCardContent, factor: CardFactor) -> Iterator[str]:
    yield f"Single materials ask for factors from {factor.smallest:.2f} to {factor.largest:.2f}."
    n = factor.n_materials
    worse = f"With it force errors grow in {len(factor.worse)} of {_materials(n)}"
    yield f"{worse}{': ' + _some(factor.worse) if factor.worse else ''} (in-sample)."
    if not math.isnan(factor.stress_slope):
        after = factor.value * factor.stress_slope
        change = "better" if abs(after - 1.0) < abs(factor.stress_slope - 1.0) else "worse"
        yield (
            f"Stress gets {change}: its slope goes from {factor.stress_slope:.2f} to {after:.2f} in the "
            "median over materials."
        )
    missed = [
        f"{scale.label} ({scale.suite}, {scale.variant})"
        for scale in content.scales
        if _leaves_out_one(scale, factor.value)
    ]
    if missed:
        yield f"It does not mend {', '.join(missed)}: after it the interval still leaves out 1."
    yield (
        "Every energy difference is multiplied, formation energies included, which may have been right "
        "before."
    )


def _leaves_out_one(scale: CardScale, factor: float) -> bool:
    if scale.low is None or scale.high is None:
        return False
    return factor * scale.low > 1.0 or factor * scale.high < 1.0


def _measured(content: ModelCardContent) -> Iterator[Block]:
    settings = ", ".join(f"{name} {value}" for name, value in content.settings.items())
    versions = ", ".join(f"{name} {version}" for name, version in content.versions.items())
    yield Grid(
        ("", ""),
        (
            ("reference data", content.data),
            *(("", note) for note in content.data_notes),
            ("its level of theory", str(content.data_level)),
            ("data, sha256", content.data_sha256),
            ("settings", settings),
            ("versions", versions),
            ("device", content.measured_on),
            ("date", content.started),
        ),
    )
    if content.left_out:
        yield Paragraph("Measured, but not compared:")
        yield Bullets(
            tuple(f"{f.suite} ({f.variant}): {f.what}, {f.n} of {f.of}" for f in content.left_out)
        )


def _materials(n: int) -> str:
    return f"{n} material{'' if n == 1 else 's'}"


def _some(names: Sequence[str]) -> str:
    left = len(names) - NAMES_SHOWN
    shown = ", ".join(names[:NAMES_SHOWN])
    return f"{shown} and {left} more" if left > 0 else shown


def _ranges(symbols: Sequence[str]) -> str:
    """Elements as ranges of the periodic table: ``"89 elements (H-Bi, Ac-Pu)"``."""
    numbers = sorted(SYMBOLS.index(symbol) for symbol in symbols)
    runs: list[list[int]] = []
    for atomic in numbers:
        if runs and atomic == runs[-1][-1] + 1:
            runs[-1].append(atomic)
        else:
            runs.append([atomic])
    parts = [
        SYMBOLS[run[0]] if len(run) == 1 else f"{SYMBOLS[run[0]]}-{SYMBOLS[run[-1]]}"
        for run in runs
    ]
    return f"{len(numbers)} element{'' if len(numbers) == 1 else 's'} ({', '.join(parts)})"
