"""Everything on the page, as data: numbers of the run folders, and the words beside them.

Numbers are those of summary.json, cases.jsonl and predictions/ themselves. What only a plot needs
(densities, quartiles) is calculated from them in `plots`.
"""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.analysis.chemistry import ClassScale
from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.document import Section as CardSection
from umlip_bench.analysis.force_chemistry import PredictorBin
from umlip_bench.analysis.report.pictures import PictureSet
from umlip_bench.analysis.report.plots import ParityPlot, SpreadPlot
from umlip_bench.analysis.run_differences import Change
from umlip_bench.analysis.summary import Row
from umlip_bench.ground.level_of_theory import LevelOfTheory

Value = float | int | str | None
"""What a table holds; ``None`` where there is nothing."""


@dataclass(frozen=True)
class DataNote:
    """Reference data, as far as it is known.

    Parameters
    ----------
    id
        As run.yaml has it.
    level
        Level of theory of the labels.
    title
        In a line; empty if not known.
    settings, licence, citation
        As in the manifest; empty if not known.
    caveats
        What a reader of the numbers must know.
    """

    id: str
    level: LevelOfTheory
    title: str = ""
    settings: str = ""
    licence: str = ""
    citation: str = ""
    caveats: tuple[str, ...] = ()


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


@dataclass(frozen=True)
class RunNote:
    """A run folder.

    Parameters
    ----------
    name, data
        Of the folder, and of its reference data.
    version
        Of umlip_bench.
    started, device
        When and on what it was run; empty if not recorded.
    incomplete
        What was planned and is not there, a sentence each.
    """

    name: str
    data: str
    version: str
    started: str
    device: str
    incomplete: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table that can be sorted, filtered and saved.

    Parameters
    ----------
    name
        For the file: ``"surfaces-cases"``.
    title
        What it holds.
    columns
        Heads.
    rows
        As many values in each as there are columns.
    filter_by
        Index of the column that holds the case; ``None`` if there is none.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    filter_by: int | None = None


@dataclass(frozen=True)
class SideRow:
    """A metric of a suite, models side by side.

    Parameters
    ----------
    label
        With the unit.
    cells
        A row of the summary or ``None`` for each column of the `SuiteOverview`.
    """

    label: str
    cells: tuple[Row | None, ...]


@dataclass(frozen=True)
class SuiteOverview:
    """The metrics of a suite that its terminal table shows, variants and models side by side.

    Parameters
    ----------
    variants
        Names, each with the number of its columns.
    columns
        Label of the model of each column.
    counts
        Cases of each column; ``None`` where there is no such row.
    failed
        Cases without a result, of each column.
    rows
        Metrics.
    cases
        What the cases are, in the plural.
    """

    variants: tuple[tuple[str, int], ...]
    columns: tuple[str, ...]
    counts: tuple[int | None, ...]
    failed: tuple[int, ...]
    rows: tuple[SideRow, ...]
    cases: str


@dataclass(frozen=True)
class ErrorPlot:
    """Errors before and after a correction within the sample, as in Fig. 6 of the paper.

    Parameters
    ----------
    suite, variant
        Where they were measured.
    unit
        Of all values.
    points
        Label of the error, label of the model, and row of the summary.
    """

    suite: str
    variant: str
    unit: str
    points: tuple[tuple[str, str, Row], ...]


@dataclass(frozen=True)
class SuiteSection:
    """A suite.

    Parameters
    ----------
    suite, title
        Its name, and in words.
    verdicts
        By variant and model.
    captions
        What the numbers are and how intervals were made: variant and text.
    overview
        Its metrics side by side.
    spreads, parities, errors, pictures
        What is drawn.
    cases, summary
        Tables of cases.jsonl and summary.json.
    remarks
        What is said of single cases, each with the models that it is said of.
    """

    suite: str
    title: str
    verdicts: tuple[Verdict, ...]
    captions: tuple[tuple[str, str], ...]
    overview: SuiteOverview
    spreads: tuple[SpreadPlot, ...]
    parities: tuple[ParityPlot, ...]
    errors: tuple[ErrorPlot, ...]
    pictures: PictureSet | None
    cases: Table
    summary: Table
    remarks: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Pair:
    """Two models over the cases that both have.

    Parameters
    ----------
    first, second
        Their labels.
    rows
        Paired differences, second minus first.
    table
        The same, to be sorted and saved.
    """

    first: str
    second: str
    rows: tuple[PairedRow, ...]
    table: Table


@dataclass(frozen=True)
class Relaxation:
    """What relaxing changes: models at fixed geometry and after their own relaxation, case by case.

    Parameters
    ----------
    sides
        Label of the model, and paired differences, relaxed minus fixed geometry.
    table
        The same, to be sorted and saved.
    """

    sides: tuple[tuple[str, tuple[PairedRow, ...]], ...]
    table: Table


@dataclass(frozen=True)
class RunPair:
    """Run against run.

    Parameters
    ----------
    first, second
        Names of the folders.
    changes
        What is not the same; empty if nothing is.
    """

    first: str
    second: str
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class CorrectionRow:
    """A number before and after a correction.

    Parameters
    ----------
    suite, variant, label
        What it is.
    before, after
        Rows of the summary.
    difference
        Paired, after minus before; ``None`` if there is none.
    scale
        What it is a scale of, told apart from all others; empty if it is none.
    """

    suite: str
    variant: str
    label: str
    before: Row
    after: Row
    difference: PairedRow | None
    scale: str

    @property
    def after_minus_before(self) -> float:
        """Difference of the two numbers, as they stand beside each other."""
        return self.after.value - self.before.value

    @property
    def against_values(self) -> bool:
        """Whether the paired difference has another sign than that of the numbers beside it."""
        if self.difference is None:
            return False
        return self.after_minus_before * self.difference.difference < 0.0


@dataclass(frozen=True)
class CorrectionNote:
    """A scalar correction and what it does.

    Parameters
    ----------
    before, after
        Labels of the model and the corrected model.
    factor, low, high
        On the energy surface, with its interval or ``None``.
    labels
        What it was fitted to; empty if not recorded.
    rows
        Numbers before and after.
    notes
        What a reader must know.
    """

    before: str
    after: str
    factor: float
    low: float | None
    high: float | None
    labels: str
    rows: tuple[CorrectionRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A case without a result, and why."""

    side: str
    suite: str
    case: str
    reason: str


@dataclass(frozen=True)
class ElementValue:
    """A scale of one element.

    Parameters
    ----------
    symbol
        The element.
    value, low, high
        Model over DFT, with its interval or ``None``.
    n_systems
        Materials that it rests on.
    """

    symbol: str
    value: float
    low: float | None
    high: float | None
    n_systems: int


@dataclass(frozen=True)
class ElementMap:
    """A scale for each element, by model.

    Parameters
    ----------
    name
        For files.
    label
        What it is a scale of.
    sides
        Label of the model, and values by atomic number.
    """

    name: str
    label: str
    sides: tuple[tuple[str, tuple[ElementValue, ...]], ...]


@dataclass(frozen=True)
class ChemistrySection:
    """Where models are soft.

    Parameters
    ----------
    elements
        Maps, the most telling first.
    classes
        Label of the model, and scale of its forces in a class of compounds.
    predictors
        Label of the model, and slope of its forces in a bin of what may predict it.
    """

    elements: tuple[ElementMap, ...]
    classes: tuple[tuple[str, ClassScale], ...]
    predictors: tuple[tuple[str, PredictorBin], ...]


@dataclass(frozen=True)
class Card:
    """A model's report card.

    Parameters
    ----------
    side
        Label of the model.
    sections
        As a document.
    markdown
        The same, to be saved.
    """

    side: str
    sections: tuple[CardSection, ...]
    markdown: str


@dataclass(frozen=True)
class Report:
    """The page.

    Parameters
    ----------
    title
        Of the page.
    generated
        Date of today, ISO.
    version
        Of umlip_bench.
    data, runs, members
        What was run on what.
    scales
        Headlines of all comparable models.
    sections
        Suites.
    pairs, run_pairs
        Model against model, run against run.
    relaxation
        Relaxed against fixed geometry; ``None`` where nothing can be compared in both.
    corrections
        Before against after.
    chemistry
        By element, class and predictor.
    cards
        Report cards.
    failures
        All of them.
    """

    title: str
    generated: str
    version: str
    data: tuple[DataNote, ...]
    runs: tuple[RunNote, ...]
    members: tuple[Member, ...]
    scales: tuple[HeadlineScale, ...]
    sections: tuple[SuiteSection, ...]
    pairs: tuple[Pair, ...]
    run_pairs: tuple[RunPair, ...]
    relaxation: Relaxation | None
    corrections: tuple[CorrectionNote, ...]
    chemistry: ChemistrySection
    cards: tuple[Card, ...]
    failures: tuple[Failure, ...]
