"""Everything on the page, as data: numbers of the run folders, and the words beside them.

Numbers are those of summary.json, cases.jsonl and predictions/ themselves. What only a plot needs
(densities, quartiles) is calculated from them in `plots`.
"""

from __future__ import annotations

from dataclasses import dataclass

from umlip_bench.analysis.chemistry import ClassScale
from umlip_bench.analysis.document import Section as CardSection
from umlip_bench.analysis.predictors import PredictorBin
from umlip_bench.analysis.report.comparison_content import (
    CorrectionNote,
    Pair,
    RelaxationEffect,
    RunPair,
)
from umlip_bench.analysis.report.model_content import HeadlineScale, Member
from umlip_bench.analysis.report.suite_content import SuiteSection
from umlip_bench.analysis.sheet import PropertySheet
from umlip_bench.ground.level_of_theory import LevelOfTheory


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
        Label of the model, and slope and inverse of its forces in a bin of what may predict it.
    """

    elements: tuple[ElementMap, ...]
    classes: tuple[tuple[str, ClassScale], ...]
    predictors: tuple[tuple[str, PredictorBin], ...]


@dataclass(frozen=True)
class CardContent:
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
class ReportContent:
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
    sheets
        Properties of what has no reference, by its name.
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
    sheets: tuple[tuple[str, PropertySheet], ...]
    relaxation: RelaxationEffect | None
    corrections: tuple[CorrectionNote, ...]
    chemistry: ChemistrySection
    cards: tuple[CardContent, ...]
    failures: tuple[Failure, ...]
