"""All that a report card says, before it is put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from umlip_bench.analysis.chemistry import ClassScale
from umlip_bench.analysis.sheet import PropertySheet
from umlip_bench.ground.level_of_theory import LevelOfTheory, differs
from umlip_bench.ground.model_card import ModelCard


@dataclass(frozen=True)
class CardScale:
    """How soft a model is in one suite and variant.

    Parameters
    ----------
    suite, variant
        Names.
    label
        What it is a scale of: ``"forces"``.
    value
        Model over DFT, dimensionless: below 1 is soft.
    low, high
        95 % interval; ``None`` for too few cases.
    factor, factor_low, factor_high
        Best factor on the model and its 95 % interval, dimensionless; ``None`` if the suite has none.
    n_cases
        Cases that it rests on.
    n_failed
        Cases of the suite without a result.
    verdict
        The suite's sentence on it.
    """

    suite: str
    variant: str
    label: str
    value: float
    low: float | None
    high: float | None
    factor: float | None
    factor_low: float | None
    factor_high: float | None
    n_cases: int
    n_failed: int
    verdict: str


@dataclass(frozen=True)
class CardCheck:
    """What a suite says that measures no scale: whether a model does what it must.

    Parameters
    ----------
    suite, variant
        Names.
    verdict
        The suite's sentence on the model.
    of_parent
        That on the model that it was made of; ``None`` if it was made of none, or the run has no case of it.
    broken
        Faults in cases where the parent has none.
    """

    suite: str
    variant: str
    verdict: str
    of_parent: str | None
    broken: tuple[str, ...]


@dataclass(frozen=True)
class CardCase:
    """A case that a model does badly.

    Parameters
    ----------
    suite, variant, case
        Names.
    label
        What `scale` is of.
    scale
        Model over DFT, dimensionless.
    """

    suite: str
    variant: str
    case: str
    label: str
    scale: float


@dataclass(frozen=True)
class CardCount:
    """How many cases of a suite something is true of.

    Parameters
    ----------
    suite, variant
        Names.
    what
        In words: ``"imaginary modes"``.
    n, of
        Cases, and of how many.
    """

    suite: str
    variant: str
    what: str
    n: int
    of: int


@dataclass(frozen=True)
class CardFailure:
    """A case without a result.

    Parameters
    ----------
    suite, case
        Names.
    reason
        Why.
    """

    suite: str
    case: str
    reason: str


@dataclass(frozen=True)
class CardFactor:
    """The factor on a model that its forces ask for.

    Parameters
    ----------
    value
        Best factor on the forces, median over materials; dimensionless.
    low, high
        95 % interval; ``None`` for too few materials.
    supported
        Whether the forces need a factor: the intervals of both the slope and the factor leave out 1, on
        opposite sides. ``None`` where there are too few materials for an interval.
    smallest, largest
        Of the factors that single materials ask for.
    n_materials
        Materials.
    worse
        Those whose mean absolute force error grows with the factor, which was found from all of them.
    stress_slope
        Of the model as it is, median over materials: the factor multiplies it; nan if not known.
    """

    value: float
    low: float | None
    high: float | None
    supported: bool | None
    smallest: float
    largest: float
    n_materials: int
    worse: tuple[str, ...]
    stress_slope: float


@dataclass(frozen=True)
class ModelCardContent:
    """All that a report card says.

    Parameters
    ----------
    title
        Name of the model, and of the run where several are shown.
    model
        Card of the model.
    sha256
        Digest of its weights.
    suites
        Suites with cases, and how many have a result.
    elements
        Elements in these cases, by atomic number.
    unmeasured
        Suites without a case.
    scales
        Of every suite and variant with a comparable case.
    checks
        Of every suite and variant that measures no scale.
    chemistry
        Scales of the forces by class of compounds.
    worst
        At most three cases of each suite and variant, those whose scales are farthest from 1 first.
    faults
        Counts of what went wrong.
    left_out
        Counts of what could not be compared.
    failures
        Cases without a result.
    factor
        What to correct; ``None`` without forces.
    sheet
        Properties of what has no reference; ``None`` where there is one.
    data, data_sha256
        Reference data.
    data_notes
        What is to be known of them, where they are not DFT's.
    data_level
        Its level of theory; ``None`` if not known.
    settings, versions
        Of the run, by name.
    measured_on
        Device.
    started
        When the last command of the run was given, ISO 8601.
    incomplete
        What of the run was planned and is not there, a sentence each.
    """

    title: str
    model: ModelCard
    sha256: str
    suites: Mapping[str, int]
    elements: tuple[str, ...]
    unmeasured: tuple[str, ...]
    scales: tuple[CardScale, ...]
    checks: tuple[CardCheck, ...]
    chemistry: tuple[ClassScale, ...]
    worst: tuple[CardCase, ...]
    faults: tuple[CardCount, ...]
    left_out: tuple[CardCount, ...]
    failures: tuple[CardFailure, ...]
    factor: CardFactor | None
    sheet: PropertySheet | None
    data: str
    data_notes: tuple[str, ...]
    data_sha256: str
    data_level: LevelOfTheory
    settings: Mapping[str, str]
    versions: Mapping[str, str]
    measured_on: str
    started: str
    incomplete: tuple[str, ...]

    @property
    def other_functional(self) -> bool:
        """Whether model and data are known to be of different functionals."""
        return differs(self.model.level_of_theory, self.data_level)
