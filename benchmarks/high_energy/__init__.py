"""Forces, energies and stresses at the fixed geometries of DFT calculations.

Per material everything is compared over all components of its frames; then medians over the materials, which
weigh each material alike, and pooled values, which weigh each component alike and so follow the materials
with the largest forces.
"""

from __future__ import annotations

from umlip_bench.analysis.frames import Compared, MaterialComparison
from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Median, Share, above_one, below_one
from umlip_bench.analysis.over_sums import (
    ClusteredMedian,
    pooled_inverse,
    pooled_mae,
    pooled_r2,
    pooled_slope,
)
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.softening import inverse_of, mae_of, r2_of, slope_of
from umlip_bench.analysis.suite import Variant
from umlip_bench.analysis.within import FramesOfOneMaterial, WithinOneMaterial, block_sums
from umlip_bench.benchmarks.high_energy import distance
from umlip_bench.benchmarks.high_energy.parity import energies, forces, stresses
from umlip_bench.benchmarks.high_energy.words import caption, suspicious_table, verdict
from umlip_bench.benchmarks.suite import Suite


def compared(material: MaterialComparison, variant: str) -> Compared:
    """What metrics are made of."""
    return Compared(material)


def faults(material: MaterialComparison, variant: str) -> tuple[str, ...]:
    """Labels that are probably mistaken, so that the slope is not softness."""
    suspicious = Compared(material).suspicion is not None
    return ("labels that are probably mistaken, so that the slope is not softness",) * suspicious


SUITE = Suite(
    name="high-energy",
    version=3,
    title="High-energy states",
    place=1,
    measured_by=f"{__name__}.measure",
    result=MaterialComparison,
    variants=(Variant("fixed-geometry", ""),),
    view=compared,
    faults=faults,
    metrics=(
        Metric(
            "forces",
            lambda m: m.frame_sums,
            over=(
                ClusteredMedian(
                    "slope",
                    name="slope_median",
                    statistic=slope_of,
                    headline="forces",
                    inverse="inverse_median",
                    error_of_case="mae",
                    paired=True,
                ),
                pooled_slope(name="slope_pooled"),
                ClusteredMedian(
                    "inverse", name="inverse_median", statistic=inverse_of, paired=True
                ),
                pooled_inverse(name="inverse_pooled"),
                ClusteredMedian("r2", name="r2_median", statistic=r2_of, paired=True),
                pooled_r2(name="r2_pooled"),
                ClusteredMedian(
                    "MAE", name="mae", unit="eV/Å", statistic=mae_of, paired=True, error=True
                ),
                pooled_mae(name="mae_pooled", unit="eV/Å"),
            ),
            column=False,
        ),
        Metric("slope", lambda m: m.forces.slope),
        Metric("slope_intercept", lambda m: m.forces.slope_intercept),
        Metric("inverse", lambda m: m.forces.inverse),
        Metric("r2", lambda m: m.forces.r2),
        Metric("pearson", lambda m: m.forces.pearson),
        Metric("mae", lambda m: m.forces.mae, "eV/Å"),
        Metric("rmse", lambda m: m.forces.rmse, "eV/Å"),
        # The corrected errors depend on the slope of all frames, not on sums over frames alone:
        # their intervals resample materials only, as the order statistics do exactly.
        Metric(
            "cmae_rotate",
            lambda m: m.forces.cmae_rotate,
            "eV/Å",
            (Median("cMAE, rotate", name="cmae_rotate", always=True, paired=True, error=True),),
        ),
        Metric(
            "cmae_mse",
            lambda m: m.forces.cmae_mse,
            "eV/Å",
            (Median("cMAE, mse", name="cmae_mse", always=True, paired=True, error=True),),
        ),
        Metric(
            "soft",
            lambda m: float(
                m.forces.slope > 0.0 and below_one(m.forces.slope) and above_one(m.forces.inverse)
            ),
            over=(Share("share softened", name="share_soft", always=True),),
            column=False,
        ),
        Metric(
            "softened",
            lambda m: m.forces.slope,
            over=(
                # A negative slope is no soft model but another mistake, most likely of the labels.
                Share(
                    name="share_softened",
                    holds=lambda slope: slope > 0.0 and below_one(slope),
                    always=True,
                ),
            ),
            column=False,
        ),
        Metric(
            "above_one",
            lambda m: m.forces.inverse,
            over=(Share(name="share_inverse_above_one", holds=above_one, always=True),),
            column=False,
        ),
        Metric(
            "suspicious",
            lambda m: float(m.suspicion is not None),
            over=(Share("share probably not softness", name="share_suspicious", if_any=True),),
            column=False,
        ),
        Metric(
            "energy_slope",
            lambda m: m.energy_slope,
            over=(Median("energy slope", scale_of="energy differences", always=True, paired=True),),
        ),
        Metric(
            "stress_slope",
            lambda m: m.stress_slope,
            over=(Median("stress slope", scale_of="stresses", always=True, paired=True),),
        ),
        Metric(
            "stress_mae",
            lambda m: m.stress_mae,
            "eV/Å^3",
            (Median(name="stress_mae", always=True),),
        ),
        *distance.metrics(),
        Metric("blocks", block_sums, over=(WithinOneMaterial(),), column=False),
        Metric(
            "n_frames",
            lambda m: len(m.material.frames),
            over=(FramesOfOneMaterial("frames", name="frames_within"),),
        ),
        Metric("n_components", lambda m: m.forces.n),
    ),
    quantities=(
        Quantity("force component", "eV/Å", "slope_pooled", forces),
        Quantity("energy difference among equal compositions", "meV/atom", None, energies),
        Quantity("stress component", "GPa", None, stresses),
    ),
    count="slope_median",
    verdict=verdict,
    caption=caption,
    case_table=suspicious_table,
)
