"""Whether the cheap scale, that of forces, ranks potentials and materials as the expensive suites do.

Forces of distorted cells cost a single point each; surfaces, defects, barriers and phonons cost supercells.
If they ranked alike, forces alone would do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from statistics import median
from typing import Any

from umlip_bench.analysis.chemistry import case_scales
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.comparison import PairedRow
from umlip_bench.analysis.force_chemistry import suite_of_forces
from umlip_bench.analysis.rank_correlation import (
    RANKED_FROM,
    RankCorrelation,
    rank_correlation,
)
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.suite import AnySuite, DeclaredSuite, Headline, R, V

FARTHEST = 2
"""Materials that are named, those whose ranks are farthest apart."""


class Over(StrEnum):
    """What is ranked."""

    POTENTIALS = "potentials"
    MATERIALS = "materials"


class By(StrEnum):
    """What it is ranked by."""

    SCALE = "scale"
    """The softest first."""
    ERROR = "distance from DFT"
    """The nearest to 1 first, as a ratio: 0.8 and 1.25 are as far."""


@dataclass(frozen=True)
class Ranked:
    """A potential or a material.

    Parameters
    ----------
    name
        Of it.
    cheap, expensive
        Scale of the forces and of the other suite, model over DFT, dimensionless; infinite for what has but a
        rank.
    """

    name: str
    cheap: float
    expensive: float


@dataclass(frozen=True)
class Ranking:
    """Forces against another suite.

    Parameters
    ----------
    over, by
        What is ranked, and by what.
    of
        The potential whose materials are ranked; empty where potentials are.
    data
        Reference data.
    suite, label
        The other suite, and what its scale is of.
    ranked
        What both have.
    correlation
        Of the two orders.
    misleads
        Where forces mislead, in sentences; empty if nowhere.
    """

    over: Over
    by: By
    of: str
    data: str
    suite: str
    label: str
    ranked: tuple[Ranked, ...]
    correlation: RankCorrelation
    misleads: tuple[str, ...]


Pairs = Mapping[tuple[str, str], Sequence[PairedRow]]
"""Paired differences by the labels of first and second."""


def rankings(everyone: Sequence[Side], pairs: Pairs) -> tuple[Ranking, ...]:
    """All comparisons that there are enough potentials or materials for.

    Parameters
    ----------
    everyone
        Potentials of one data set and of its functional.
    pairs
        Their paired differences.
    """
    return (*_of_potentials(everyone, pairs), *_of_materials(everyone))


@dataclass(frozen=True, eq=False)
class _Compared:
    """A suite and its scale that is compared."""

    suite: AnySuite
    headline: Headline[Any]

    @property
    def name(self) -> str:
        return self.suite.name

    @property
    def label(self) -> str:
        return self.headline.label

    @property
    def row(self) -> tuple[str, str, str]:
        return self.suite.name, self.suite.variant_names[0], self.headline.metric


def leading(suite: DeclaredSuite[R, V], everyone: Sequence[Side]) -> Headline[V] | None:
    """The first headline at DFT's geometry that a potential has a value of; ``None`` if there is none."""
    for headline in suite.headlines:
        for side in everyone:
            names = suite.name, suite.variant_names[0], side.model, headline.metric
            row = side.run.find(*names)
            if row is not None and row.n_cases:
                return headline
    return None


def answer(rankings: Sequence[Ranking]) -> tuple[str, ...]:
    """Whether forces rank as the other suites do, in a sentence for each of what is ranked, and by what."""
    return tuple(
        _in_short(over, by, found)
        for over in Over
        for by in By
        if (found := [r.correlation for r in rankings if (r.over, r.by) == (over, by)])
    )


def _in_short(over: Over, by: By, found: Sequence[RankCorrelation]) -> str:
    values = [each.rho for each in found if not math.isnan(each.rho)]
    alike = sum(each.low is not None and each.low > 0.0 for each in found)
    with_interval = sum(each.low is not None for each in found)
    sizes = sorted({each.n for each in found})
    n = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    spread = (
        f"rho from {min(values):.2f} to {max(values):.2f}, {median(values):.2f} in the median"
        if values
        else "no order"
    )
    return (
        f"{over.capitalize()} by {by}: {spread} of {len(found)} comparisons of {n} {over} each; above zero "
        f"with the whole interval in {alike} of the {with_interval} that have one."
    )


def _compared(everyone: Sequence[Side]) -> tuple[_Compared | None, list[_Compared]]:
    """Forces, and the other suites that a potential has a scale of."""
    forces = next((s for side in everyone if (s := suite_of_forces(side.run))), None)
    found = [
        _Compared(suite, headline)
        for suite in all_suites().values()
        if (headline := leading(suite, everyone)) is not None
    ]
    own = next((each for each in found if each.suite is forces), None)
    return own, [each for each in found if each is not own]


def _of_potentials(everyone: Sequence[Side], pairs: Pairs) -> Iterator[Ranking]:
    forces, others = _compared(everyone)
    for other in others if forces else ():
        assert forces is not None
        ranked = [
            Ranked(side.label, cheap, expensive)
            for side in everyone
            if not math.isnan(cheap := _summary(side, forces))
            and not math.isnan(expensive := _summary(side, other))
        ]
        for by in By:
            misled = tuple(_opposed(ranked, by, pairs, forces, other))
            found = _ranking(Over.POTENTIALS, by, "", everyone[0].run.data, other, ranked, misled)
            if found is not None:
                yield found


def _summary(side: Side, compared: _Compared) -> float:
    suite, variant, metric = compared.row
    row = side.run.find(suite, variant, side.model, metric)
    return math.nan if row is None or not row.n_cases else row.value


def _opposed(
    ranked: Sequence[Ranked], by: By, pairs: Pairs, forces: _Compared, other: _Compared
) -> Iterator[str]:
    """Potentials that the two suites order oppositely, and, of scales, how sure that is."""
    word = "softer" if by is By.SCALE else "nearer to DFT"
    for pair in combinations(ranked, 2):
        first, second = sorted(pair, key=lambda each: _value(by, each.cheap))
        if _value(by, first.cheap) == _value(by, second.cheap):
            continue
        if _value(by, first.expensive) <= _value(by, second.expensive):
            continue
        said = (
            f"{first.name} is {word} than {second.name} in forces ({first.cheap:.2f}, "
            f"{second.cheap:.2f}), but not in {other.label} ({first.expensive:.2f}, "
            f"{second.expensive:.2f})"
        )
        if by is By.SCALE:
            rows = [_paired(pairs, first.name, second.name, each) for each in (forces, other)]
            said = f"{said}; material by material {_resolved(rows, other.label)}"
        yield said


def _resolved(rows: Sequence[PairedRow | None], label: str) -> str:
    sure = [
        name
        for name, row in zip(("forces", label), rows, strict=True)
        if row is not None and row.resolved
    ]
    if len(sure) == len(rows):
        return "both differences are resolved"
    return f"only that in {sure[0]} is resolved" if sure else "neither difference is resolved"


def _paired(pairs: Pairs, first: str, second: str, compared: _Compared) -> PairedRow | None:
    rows = pairs.get((first, second)) or pairs.get((second, first)) or ()
    return next((r for r in rows if (r.suite, r.variant, r.metric) == compared.row), None)


def _of_materials(everyone: Sequence[Side]) -> Iterator[Ranking]:
    forces, others = _compared(everyone)
    for side in everyone if forces else ():
        assert forces is not None
        cheap = _of_systems(side, forces)
        for other in others:
            expensive = _of_systems(side, other)
            ranked = [
                Ranked(name, cheap[name], expensive[name]) for name in cheap if name in expensive
            ]
            for by in By:
                misled = tuple(_apart(ranked, by, other.label))
                found = _ranking(
                    Over.MATERIALS, by, side.label, side.run.data, other, ranked, misled
                )
                if found is not None:
                    yield found


def _of_systems(side: Side, compared: _Compared) -> dict[str, float]:
    """Median scale of the cases of each material."""
    suite, variant, metric = compared.row
    cases: dict[str, list[float]] = {}
    for case in case_scales(side.run, suite, variant, side.model, metric):
        cases.setdefault(case.system, []).append(case.scale)
    return {system: median(scales) for system, scales in cases.items()}


def _apart(ranked: Sequence[Ranked], by: By, label: str) -> Iterator[str]:
    """Materials whose places in the two orders are farthest apart."""
    if len(ranked) < RANKED_FROM:
        return
    cheap = sorted(ranked, key=lambda each: _value(by, each.cheap))
    expensive = sorted(ranked, key=lambda each: _value(by, each.expensive))
    places = {each.name: (cheap.index(each) + 1, expensive.index(each) + 1) for each in ranked}
    order = sorted(ranked, key=lambda each: -abs(places[each.name][0] - places[each.name][1]))
    first = "softest" if by is By.SCALE else "nearest to DFT"
    for each in order[:FARTHEST]:
        one, other = places[each.name]
        if one != other:
            yield (
                f"{each.name}: number {one} of {len(ranked)} in forces ({each.cheap:.2f}), the {first} "
                f"first, and number {other} in {label} ({each.expensive:.2f})"
            )


def _ranking(
    over: Over,
    by: By,
    of: str,
    data: str,
    other: _Compared,
    ranked: Sequence[Ranked],
    misleads: tuple[str, ...],
) -> Ranking | None:
    if len(ranked) < RANKED_FROM:
        return None
    correlation = rank_correlation(
        [_value(by, each.cheap) for each in ranked], [_value(by, each.expensive) for each in ranked]
    )
    return Ranking(
        over, by, of, data, other.name, other.label, tuple(ranked), correlation, misleads
    )


def _value(by: By, scale: float) -> float:
    """What is ranked; a wrong sign is farther than anything."""
    if by is By.SCALE:
        return scale
    return abs(math.log(scale)) if 0.0 < scale < math.inf else math.inf
