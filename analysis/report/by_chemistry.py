"""Where models are soft: by element, by class of compounds, by what may predict it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from umlip_bench.analysis.chemistry import by_class, by_element
from umlip_bench.analysis.compared_models import Side
from umlip_bench.analysis.force_chemistry import element_forces, suite_of_forces
from umlip_bench.analysis.predictors import predictors
from umlip_bench.analysis.registry import all_suites
from umlip_bench.analysis.report.content import ChemistrySection, ElementMap, ElementValue

MAP_FROM = 5
"""Cases of a suite; of fewer a map of the elements says nothing."""


def chemistry_of(everyone: Sequence[Side]) -> ChemistrySection:
    """By element for every suite with enough cases; the rest for forces."""
    forces = [(side, suite) for side in everyone if (suite := suite_of_forces(side.run))]
    return ChemistrySection(
        elements=tuple(_element_maps(everyone)),
        classes=tuple(
            (side.label, scale)
            for side, suite in forces
            for scale in by_class(side.run, suite.name, suite.variant_names[0], side.model)
        ),
        predictors=tuple(
            (side.label, found) for side, _ in forces for found in predictors(side.run, side.model)
        ),
    )


def _element_maps(everyone: Sequence[Side]) -> Iterator[ElementMap]:
    forces = tuple(
        (
            side.label,
            tuple(
                ElementValue(e.symbol, e.slope, e.slope_low, e.slope_high, e.n_materials)
                for e in element_forces(side.run, side.model)
            ),
        )
        for side in everyone
    )
    if any(values for _, values in forces):
        yield ElementMap(
            "forces-on-atoms",
            "forces on the element's own atoms",
            tuple(each for each in forces if each[1]),
        )
    for analysis in all_suites().values():
        variant = analysis.variant_names[0]
        if all(len(side.run.of(analysis.name, side.model)) < MAP_FROM for side in everyone):
            continue
        found = tuple(
            (
                side.label,
                tuple(
                    ElementValue(e.symbol, e.median, e.ci_low, e.ci_high, e.n_systems)
                    for e in by_element(side.run, analysis.name, variant, side.model)
                ),
            )
            for side in everyone
        )
        if any(values for _, values in found):
            yield ElementMap(
                analysis.name,
                f"{analysis.headlines[0].label} of all cases with the element",
                tuple(each for each in found if each[1]),
            )
