"""Surface energies, (E_slab - n e_bulk) / 2A, of stoichiometric slabs, and Wulff shapes."""

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
from umlip_bench.analysis.metric import Metric, Together
from umlip_bench.analysis.parity import Quantity
from umlip_bench.benchmarks.suite import Suite
from umlip_bench.benchmarks.surfaces.result import SurfaceResult, wulff_estimates
from umlip_bench.benchmarks.surfaces.words import case_table
from umlip_bench.ground.units import J_PER_M2

WHAT = "surface energies"

ENERGIES: tuple[Metric[JudgedEnergy[SurfaceResult]], ...] = energy_metrics(
    "eV/Å^2",
    WHAT,
    (
        mean_absolute_error("MAE"),
        mean_absolute_error("MAE", name="mae_si", unit="J/m^2", size=J_PER_M2, paired=True),
        mean_signed_error(),
        mean_signed_error(
            "signed error",
            name="mean_signed_error_si",
            unit="J/m^2",
            size=J_PER_M2,
            paired=True,
        ),
    ),
)

SUITE: Suite[SurfaceResult, JudgedEnergy[SurfaceResult]] = Suite(
    name="surfaces",
    version=1,
    title="Surfaces",
    place=2,
    measured_by=f"{__name__}.measure",
    result=SurfaceResult,
    variants=ways(EnergyVariant.FIXED, EnergyVariant.RELAXED),
    view=judged,
    lost=is_lost,
    faults=faults,
    properties=energy_property("surface_energy", "surface energy", "J/m²", J_PER_M2),
    metrics=(
        *ENERGIES,
        Metric("reference_si", lambda seen: seen.value.reference / J_PER_M2, "J/m^2"),
        Metric("model_si", lambda seen: seen.value.model / J_PER_M2, "J/m^2"),
    ),
    together=(
        Together(
            wulff_estimates,
            (
                ("weighted_surface_energy", "", "eV/Å^2"),
                ("weighted_surface_energy_si", "", "J/m^2"),
                ("shape_anisotropy", "", ""),
                ("shape_missing_faces", "", ""),
            ),
        ),
    ),
    quantities=(Quantity("surface energy", "J/m²", "energy_scale", plotted(J_PER_M2)),),
    cases_are="surfaces",
    count="energy_scale",
    verdict=partial(energy_verdict, what=WHAT),
    caption=partial(energy_caption, what=WHAT),
    case_table=case_table,
)
