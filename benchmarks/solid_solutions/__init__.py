"""Mixing energies of orderings against their end members, rankings, and miscibility gaps."""

from __future__ import annotations

from functools import partial

from umlip_bench.analysis.energies import EnergyVariant, energy_verdict
from umlip_bench.analysis.energy_metrics import (
    JudgedEnergy,
    energy_metrics,
    faults,
    is_lost,
    judged,
    mean_absolute_error,
    mean_signed_error,
    plotted,
    ways,
)
from umlip_bench.analysis.metric import Together
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Fact
from umlip_bench.benchmarks.solid_solutions.result import ROWS, OrderingResult, solution_estimates
from umlip_bench.benchmarks.solid_solutions.words import WHAT, caption, case_table
from umlip_bench.benchmarks.suite import Suite
from umlip_bench.ground.units import MILLI

SUITE: Suite[OrderingResult, JudgedEnergy[OrderingResult]] = Suite(
    name="solid-solutions",
    version=1,
    title="Solid solutions",
    place=4,
    measured_by=f"{__name__}.measure",
    result=OrderingResult,
    variants=ways(EnergyVariant.FIXED, EnergyVariant.RELAXED),
    view=judged,
    lost=is_lost,
    faults=faults,
    metrics=energy_metrics(
        "eV/atom",
        WHAT,
        (
            mean_absolute_error(),
            mean_absolute_error("MAE", name="mae_mev", unit="meV/atom", size=MILLI, paired=True),
            mean_signed_error(),
            mean_signed_error(
                "signed error",
                name="mean_signed_error_mev",
                unit="meV/atom",
                size=MILLI,
                paired=True,
            ),
        ),
    ),
    together=(Together(solution_estimates, ROWS),),
    facts=(Fact("fraction", lambda result: result.fraction),),
    quantities=(Quantity("mixing energy", "meV/atom", "energy_scale", plotted(MILLI)),),
    cases_are="orderings",
    count="energy_scale",
    verdict=partial(energy_verdict, what=WHAT),
    caption=caption,
    case_table=case_table,
)
