"""What must hold whatever DFT says: atoms repel, energies add up, and forces are their gradients.

No reference data is needed: a model passes a check or it does not. A factor on the energy surface keeps its
shape, and with it every sign; weights that were trained anew may break what the parent had learned, which
softness alone would not show.
"""

from __future__ import annotations

from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Count, Largest, Share
from umlip_bench.analysis.suite import Variant
from umlip_bench.benchmarks.sanity.drawing import drawings
from umlip_bench.benchmarks.sanity.result import MEASURED, NAN, Measured, SanityCheck, SanityResult
from umlip_bench.benchmarks.sanity.words import (
    CHECKED,
    VARIANT,
    caption,
    case_table,
    faults,
    share_of,
    verdict,
)
from umlip_bench.benchmarks.suite import Suite


def passed(check: SanityCheck) -> Metric[SanityResult]:
    """Share of the checks of one kind that are passed."""
    return Metric(
        share_of(check),
        lambda result: result.passed if result.check is check else NAN,
        over=(Share(f"passed: {check}", paired=True),),
        column=False,
    )


def worst(measured: Measured) -> Metric[SanityResult]:
    """The largest of a number."""
    return Metric(
        measured.key,
        lambda result: result.value(measured.key),
        measured.unit,
        (Largest(measured.label, paired=True),),
        ranked=lambda result: result.beyond(measured),
    )


SUITE = Suite(
    name="sanity",
    version=2,
    title="Sanity",
    place=9,
    measured_by=f"{__name__}.measure",
    result=SanityResult,
    variants=(Variant(VARIANT, ""),),
    faults=faults,
    metrics=(
        Metric(
            "passed",
            lambda result: result.passed,
            over=(Share("passed", name=CHECKED, always=True, paired=True),),
        ),
        *map(passed, SanityCheck),
        *map(worst, MEASURED),
        Metric(
            "left_out",
            lambda result: float(bool(result.left_out)),
            over=(Count(name="n_unknown", left_out="elements that the model does not know"),),
            column=False,
        ),
    ),
    cases_are="checks",
    count=CHECKED,
    verdict=verdict,
    caption=caption,
    case_table=case_table,
    drawing_title="Energies along the checks",
    drawings=drawings,
)
