"""Formation energies of point defects, E_defect - E_host - sum of mu_i dN_i."""

from __future__ import annotations

from functools import partial

from umlip_bench.analysis.energies import EnergyVariant, energy_caption, energy_verdict
from umlip_bench.analysis.energy_metrics import (
    JudgedEnergy,
    energy_metrics,
    energy_property,
    faults,
    is_lost,
    judged,
    mean_absolute_error,
    mean_signed_error,
    plotted,
    ways,
)
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Fact
from umlip_bench.benchmarks.defects.result import DefectResult, case_table
from umlip_bench.benchmarks.suite import Suite

WHAT = "defect energies"

SUITE: Suite[DefectResult, JudgedEnergy[DefectResult]] = Suite(
    name="defects",
    version=3,
    title="Defects",
    place=3,
    measured_by=f"{__name__}.measure",
    result=DefectResult,
    variants=ways(EnergyVariant.FIXED, EnergyVariant.RELAXED),
    view=judged,
    lost=is_lost,
    faults=faults,
    properties=energy_property("formation_energy", "formation energy", "eV"),
    metrics=energy_metrics(
        "eV",
        WHAT,
        (mean_absolute_error("MAE", paired=True), mean_signed_error("signed error", paired=True)),
    ),
    facts=(Fact("largest_displacement", lambda result: result.largest_displacement),),
    quantities=(Quantity("formation energy", "eV", "energy_scale", plotted()),),
    cases_are="defects",
    count="energy_scale",
    verdict=partial(energy_verdict, what=WHAT),
    caption=partial(energy_caption, what=WHAT),
    case_table=case_table,
)
