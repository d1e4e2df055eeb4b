"""Migration barriers of ions: along DFT's images, by ApproxNEB, and by a climbing-image elastic band.

The barrier compared is the kinetically resolved one, E_max - (E_first + E_last) / 2.
"""

from __future__ import annotations

from collections.abc import Callable

from umlip_bench.analysis.energies import EnergyVariant
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
from umlip_bench.analysis.metric import Metric, Spread
from umlip_bench.analysis.over import Median, Quantiles, Share
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Fact
from umlip_bench.benchmarks.migration.drawing import drawings
from umlip_bench.benchmarks.migration.result import (
    VARIANTS,
    MigrationComparison,
    PathDeviation,
    Profile,
    path_deviation,
)
from umlip_bench.benchmarks.migration.words import WHAT, caption, case_table, verdict
from umlip_bench.benchmarks.suite import Suite

NAN = float("nan")
FIXED = (EnergyVariant.FIXED,)
Path = JudgedEnergy[MigrationComparison]
PROFILE: dict[str, Callable[[Profile], float | int]] = {
    "forward": lambda profile: profile.forward_barrier,
    "backward": lambda profile: profile.backward_barrier,
    "saddle": lambda profile: profile.saddle,
    "saddle_position": lambda profile: profile.saddle_position,
}
"""Numbers of a profile, the model's or DFT's: barriers in eV, index of the highest image, its place."""


def of_profile(key: str) -> Callable[[Path], float | int]:
    """A number of the model's profile."""

    def of(seen: Path) -> float | int:
        profile = seen.result.profile(seen.value.variant)
        return NAN if profile is None else PROFILE[key](profile)

    return of


def of_reference(key: str) -> Callable[[MigrationComparison], float | int]:
    """A number of DFT's profile."""

    def of(result: MigrationComparison) -> float | int:
        return NAN if result.reference is None else PROFILE[key](result.reference)

    return of


def deviation(seen: Path) -> PathDeviation:
    """How far the ion's way is from DFT's."""
    profile, reference = seen.result.profile(seen.value.variant), seen.result.reference
    if profile is None or reference is None:
        return PathDeviation(NAN, NAN)
    return path_deviation(profile, reference)


def difference(seen: Path) -> float:
    """Barrier of the model minus DFT's."""
    return seen.value.model - seen.value.reference if seen.value.comparable else NAN


ENERGIES: tuple[Metric[Path], ...] = energy_metrics(
    "eV",
    WHAT,
    (mean_absolute_error("MAE", paired=True), mean_signed_error("signed error", paired=True)),
)

SUITE: Suite[MigrationComparison, Path] = Suite(
    name="migration",
    version=3,
    title="Migration barriers",
    place=6,
    measured_by=f"{__name__}.measure",
    result=MigrationComparison,
    variants=ways(*VARIANTS),
    view=judged,
    lost=is_lost,
    faults=faults,
    properties=energy_property("barrier", "kinetically resolved barrier", "eV"),
    metrics=(
        *ENERGIES,
        Metric(
            "energy_slope",
            lambda seen: seen.result.energy_slope if seen.result.slopes_known else NAN,
            over=(Median("E(s) slope", name="path_energy_slope_median"),),
            only=FIXED,
        ),
        Metric(
            "force_slope",
            lambda seen: seen.result.force_slope if seen.result.slopes_known else NAN,
            over=(Median("force slope", name="path_force_slope_median"),),
            only=FIXED,
        ),
        Metric(
            "stories_differ",
            lambda seen: float(seen.result.stories_differ) if seen.result.slopes_known else NAN,
            over=(Share("they differ", name="share_stories_differ"),),
            column=False,
            only=FIXED,
        ),
        Metric(
            "difference",
            difference,
            "eV",
            (Quantiles("difference", percents=(10, 25, 50, 75, 90), least=10),),
            column=False,
            spread=Spread("barrier, model minus DFT", 0.0),
        ),
        Metric("forward", of_profile("forward"), "eV"),
        Metric("backward", of_profile("backward"), "eV"),
        Metric("saddle", of_profile("saddle")),
        Metric("saddle_position", of_profile("saddle_position")),
        Metric("path_deviation_rms", lambda seen: deviation(seen).rms, "Å", only=VARIANTS[1:]),
        Metric("path_deviation_max", lambda seen: deviation(seen).maximum, "Å", only=VARIANTS[1:]),
    ),
    facts=tuple(Fact(f"reference_{key}", of_reference(key)) for key in PROFILE),
    quantities=(Quantity("kinetically resolved barrier", "eV", "energy_scale", plotted()),),
    cases_are="paths",
    count="energy_scale",
    verdict=verdict,
    caption=caption,
    case_table=case_table,
    drawing_title="Energy profiles",
    drawings=drawings,
)
