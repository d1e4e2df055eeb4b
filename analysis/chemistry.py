"""Where a model is soft: by element and by chemistry.

The scale of each case as the suite defines it, median over systems. None of this is causal: an element is
measured in the compounds that the data have of it, and where few materials stand behind a number, it may be
theirs. Forces on single atoms are in `umlip_bench.analysis.force_chemistry`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import (
    median_estimate,
)
from umlip_bench.analysis.registry import suite_of
from umlip_bench.analysis.run_files import CaseRecord
from umlip_bench.analysis.runs import Run
from umlip_bench.ground.elements import SYMBOLS
from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]


# ---- cases by what they are made of


class Chemistry(StrEnum):
    """Classes of compounds, by their anion; see `chemistry_of`."""

    OXIDE = "oxide"
    HALIDE = "halide"
    CHALCOGENIDE = "chalcogenide"
    PNICTIDE = "nitride or other pnictide"
    CARBIDE = "carbide, boride or silicide"
    HYDRIDE = "hydride"
    METAL = "metal or intermetallic"
    ELEMENTAL = "elemental semiconductor or non-metal"


ANIONS = {
    "F": Chemistry.HALIDE,
    "O": Chemistry.OXIDE,
    "Cl": Chemistry.HALIDE,
    "N": Chemistry.PNICTIDE,
    "Br": Chemistry.HALIDE,
    "I": Chemistry.HALIDE,
    "S": Chemistry.CHALCOGENIDE,
    "C": Chemistry.CARBIDE,
    "Se": Chemistry.CHALCOGENIDE,
    "H": Chemistry.HYDRIDE,
    "P": Chemistry.PNICTIDE,
    "As": Chemistry.PNICTIDE,
    "Te": Chemistry.CHALCOGENIDE,
    "Sb": Chemistry.PNICTIDE,
    "B": Chemistry.CARBIDE,
    "Ge": Chemistry.CARBIDE,
    "Si": Chemistry.CARBIDE,
}
"""Elements that make anions, by falling electronegativity (Pauling), and what their compounds are called."""
NOBLE_GASES = frozenset({"He", "Ne", "Ar", "Kr", "Xe", "Rn"})


def chemistry_of(elements: Iterable[str]) -> Chemistry:
    """Class of a material by its elements.

    One element: a metal, or an elemental semiconductor or non-metal if it is one of `ANIONS` or a noble gas.
    Several: the class of the most electronegative of `ANIONS` that there is, germanium and silicon counting
    as anions of the others only beside them; without any, a metal or intermetallic. An oxyfluoride so is a
    halide, SiC a carbide, GaAs a pnictide, MoSi2 a silicide. Oxidation states and amounts play no part.

    Parameters
    ----------
    elements
        Chemical symbols, at least one.

    Raises
    ------
    DataError
        If there is none.
    """
    present = set(elements)
    if not present:
        raise DataError("no elements: the chemistry of nothing is not defined")
    if present <= NOBLE_GASES or (len(present) == 1 and present <= set(ANIONS)):
        return Chemistry.ELEMENTAL
    return next((kind for anion, kind in ANIONS.items() if anion in present), Chemistry.METAL)


@dataclass(frozen=True)
class ElementScale:
    """The scale of a suite over the cases that contain an element.

    Parameters
    ----------
    symbol
        The element.
    n_cases
        Cases with a scale that contain it.
    n_systems
        Materials that these are of; the independent unit.
    median
        Over the systems, of the median over the cases of each; dimensionless, 1 is right.
    ci_low, ci_high
        95 % interval by order statistics; ``None`` below six systems.
    """

    symbol: str
    n_cases: int
    n_systems: int
    median: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class ClassScale:
    """The scale of a suite over the cases of one chemistry.

    Parameters
    ----------
    chemistry
        The class; see `chemistry_of`.
    n_cases, n_systems, median, ci_low, ci_high
        As of `ElementScale`.
    """

    chemistry: Chemistry
    n_cases: int
    n_systems: int
    median: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True)
class CaseScale:
    """The scale of one case.

    Parameters
    ----------
    record
        The case.
    system
        Its material.
    scale
        Model over DFT, dimensionless.
    """

    record: CaseRecord
    system: str
    scale: float


def case_scales(
    run: Run, suite: str, variant: str, model: str, metric: str | None = None
) -> list[CaseScale]:
    """Scales of the cases of a suite, of those that have one in the variant; none if it measures none.

    Parameters
    ----------
    run, suite, variant, model
        As of `by_element`.
    metric
        Row of the headline; by default the suite's first.

    Raises
    ------
    UmlipBenchError
        If there is no such suite, or a file of its predictions cannot be read.
    """
    analysis = suite_of(suite)
    if not analysis.headlines:
        return []
    headlines = (each for each in analysis.headlines if metric in (None, each.metric))
    headline = next(headlines)
    found = (
        CaseScale(record, analysis.system(result), analysis.scale(result, variant, headline))
        for record in run.of(suite, model)
        for result in [run.result(record)]
    )
    return [case for case in found if np.isfinite(case.scale)]


def by_element(
    run: Run, suite: str, variant: str, model: str, metric: str | None = None
) -> list[ElementScale]:
    """A suite's scale for every element, over the cases that contain it.

    A case counts for each of its elements: whether one or the other is soft, it does not tell.
    `element_forces` does.

    Parameters
    ----------
    run
        The run.
    suite, variant, model
        Names.
    metric
        Row of the headline that is the scale; by default the suite's first.

    Returns
    -------
    list of ElementScale
        By atomic number; elements without a case that has a scale are left out.
    """
    cases = case_scales(run, suite, variant, model, metric)
    present = {symbol for case in cases for symbol in case.record.elements}
    return [
        ElementScale(symbol, *_over_systems([c for c in cases if symbol in c.record.elements]))
        for symbol in SYMBOLS
        if symbol in present
    ]


def by_class(
    run: Run, suite: str, variant: str, model: str, metric: str | None = None
) -> list[ClassScale]:
    """A suite's scale for every class of compounds that it has cases of.

    Parameters
    ----------
    run, suite, variant, model, metric
        As of `by_element`.

    Returns
    -------
    list of ClassScale
        In the order of `Chemistry`.
    """
    cases = case_scales(run, suite, variant, model, metric)
    classes = [chemistry_of(case.record.elements) for case in cases]
    return [
        ClassScale(
            chemistry,
            *_over_systems([c for c, own in zip(cases, classes, strict=True) if own is chemistry]),
        )
        for chemistry in Chemistry
        if chemistry in classes
    ]


def _over_systems(
    cases: Sequence[CaseScale],
) -> tuple[int, int, float, float | None, float | None]:
    """Number of cases and systems, median and interval."""
    systems: dict[str, list[float]] = {}
    for case in cases:
        systems.setdefault(case.system, []).append(case.scale)
    estimate = median_estimate([float(np.median(scales)) for scales in systems.values()])
    return len(cases), estimate.n, estimate.value, estimate.low, estimate.high
