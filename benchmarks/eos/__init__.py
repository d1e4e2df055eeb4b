"""Equations of state: a model's volume, bulk modulus and its derivative against DFT's.

The bulk modulus is a curvature, so the ratio of the model's to DFT's says how soft the model is near
equilibrium. It is taken twice: at DFT's equilibrium volume (``fixed-geometry``), where a model with
another equilibrium is under pressure, and at the model's own (``relaxed``). A model whose volume is too
large is softer at its own for that reason alone.
"""

from __future__ import annotations

from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Median, Share, below_one
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Fact, Variant
from umlip_bench.benchmarks.amplitudes import scan_metrics
from umlip_bench.benchmarks.eos.drawing import drawings
from umlip_bench.benchmarks.eos.properties import properties
from umlip_bench.benchmarks.eos.result import (
    AMPLITUDES,
    FIXED,
    RELAXED,
    EosComparison,
    JudgedCurve,
    amplitude,
    faults,
    is_lost,
    judged,
    own_bulk_modulus,
    own_derivative,
    own_volume,
    scan,
)
from umlip_bench.benchmarks.eos.words import caption, case_table, verdict
from umlip_bench.benchmarks.suite import Suite

SUITE = Suite(
    name="eos",
    version=4,
    title="Equations of state",
    place=5,
    measured_by=f"{__name__}.measure",
    result=EosComparison,
    variants=(Variant(FIXED, "fixed_"), Variant(RELAXED, "relaxed_")),
    view=judged,
    compared=lambda result: result.reference is not None,
    lost=is_lost,
    faults=faults,
    properties=properties,
    amplitude=amplitude,
    metrics=(
        Metric(
            "bulk_modulus_scale",
            JudgedCurve.bulk_modulus_scale,
            ranked=JudgedCurve.softest,
            over=(
                Median("bulk modulus / DFT", headline="bulk moduli", paired=True, always=True),
                Share("share softened", name="share_softened", holds=below_one),
            ),
        ),
        Metric(
            "volume_error",
            JudgedCurve.volume_error,
            ranked=JudgedCurve.volume_rank,
            over=(
                Median("volume error", unit="%", size=0.01),
                Median(
                    "|volume error|",
                    name="volume_error_mae",
                    unit="%",
                    size=0.01,
                    absolute=True,
                    paired=True,
                ),
            ),
        ),
        Metric(
            "derivative_error",
            JudgedCurve.derivative_error,
            ranked=JudgedCurve.farthest,
            over=(Median("|B0' error|", name="derivative_mae", absolute=True, paired=True),),
        ),
        Metric("pressure", JudgedCurve.pressure, "GPa", (Median("pressure"),), only=(FIXED,)),
        Metric(
            "energy_slope",
            JudgedCurve.energy_slope,
            over=(Median("energy slope", paired=True),),
            only=(FIXED,),
        ),
        Metric(
            "delta",
            JudgedCurve.delta,
            "meV/atom",
            (Median("delta", paired=True),),
            ranked=JudgedCurve.farthest,
        ),
        Metric(
            "nu", JudgedCurve.nu, "%", (Median("nu", paired=True),), ranked=JudgedCurve.farthest
        ),
        *scan_metrics(scan, AMPLITUDES, AMPLITUDES, "GPa", only=(FIXED,)),
        Metric(
            "no_minimum",
            JudgedCurve.has_no_minimum,
            over=(Share("no minimum", name="share_no_minimum"),),
            column=False,
        ),
    ),
    facts=(
        Fact("volume", own_volume),
        Fact("bulk_modulus", own_bulk_modulus),
        Fact("bulk_modulus_derivative", own_derivative),
    ),
    quantities=(
        Quantity("bulk modulus", "GPa", "bulk_modulus_scale_median", JudgedCurve.bulk_moduli),
    ),
    count="bulk_modulus_scale_median",
    verdict=verdict,
    caption=caption,
    case_table=case_table,
    drawing_title="Energy against volume",
    drawings=drawings,
)
