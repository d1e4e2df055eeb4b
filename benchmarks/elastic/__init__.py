"""Elastic moduli: a model's bulk and shear modulus against DFT's, and whether the crystal is stable.

Moduli are curvatures: their ratios to DFT's say how soft a model is near equilibrium. They are taken at
DFT's cell (``fixed-geometry``; atoms relax in the strained cells, as in DFT) and at the model's own
(``relaxed``).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Mean, Median, Share, below_one
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Variant
from umlip_bench.benchmarks.amplitudes import scan_metrics
from umlip_bench.benchmarks.elastic.properties import properties
from umlip_bench.benchmarks.elastic.result import (
    AMPLITUDES,
    FIXED,
    RELAXED,
    RIPPLE,
    ElasticComparison,
    JudgedTensor,
    amplitude,
    faults,
    is_lost,
    judged,
    scan,
)
from umlip_bench.benchmarks.elastic.words import caption, case_table, verdict
from umlip_bench.benchmarks.suite import Suite
from umlip_bench.ground.units import GPA


def modulus(kind: str, symbol: str) -> tuple[Metric[JudgedTensor], ...]:
    """Metrics of the bulk or the shear modulus."""
    return (
        Metric(f"{kind}_modulus", lambda seen: seen.moduli[kind], "GPa"),
        Metric(
            f"{kind}_modulus_scale",
            lambda seen: seen.moduli[kind] / seen.dft[kind],
            ranked=JudgedTensor.rank,
            over=(
                Median(f"{symbol} / DFT", headline=f"{kind} moduli", paired=True),
                Share(f"share softened, {symbol}", name=f"{kind}_share_softened", holds=below_one),
            ),
        ),
        Metric(
            f"{kind}_modulus_error",
            lambda seen: seen.moduli[kind] - seen.dft[kind],
            "GPa",
            (
                Median(f"|{symbol} error|", absolute=True, paired=True),
                Mean(f"|{symbol} error|, mean", name=f"{kind}_modulus_mae"),
            ),
            ranked=JudgedTensor.rank,
        ),
    )


def constant(i: int, j: int) -> Metric[JudgedTensor]:
    """An elastic constant along the conventional axes of the crystal, Voigt's indices from 0."""
    return Metric(f"C{i + 1}{j + 1}", lambda seen: float(seen.constants[i, j]) / GPA, "GPa")


CONSTANTS = tuple(constant(i, j) for i in range(6) for j in range(i, 6))


def plotted(kind: str) -> Quantity[JudgedTensor]:
    """DFT's modulus and the model's, of a stable crystal."""

    def values(seen: JudgedTensor) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        if seen.material.reference is None or not seen.is_stable:
            return None
        return np.array([seen.dft[kind]]), np.array([seen.moduli[kind]])

    return Quantity(f"{kind} modulus", "GPa", f"{kind}_modulus_scale_median", values)


SUITE = Suite(
    name="elastic",
    version=6,
    title="Elasticity",
    place=8,
    measured_by=f"{__name__}.measure",
    result=ElasticComparison,
    variants=(Variant(FIXED, "fixed_"), Variant(RELAXED, "relaxed_")),
    view=judged,
    compared=lambda result: result.reference is not None,
    lost=is_lost,
    faults=faults,
    properties=properties,
    amplitude=amplitude,
    metrics=(
        *modulus("shear", "G"),
        *modulus("bulk", "K"),
        Metric("fit_residual", lambda seen: seen.residual, over=(Median("stress left over"),)),
        Metric(
            "is_stable",
            lambda seen: float(seen.is_stable),
            over=(
                Share(
                    "share unstable",
                    name="share_unstable",
                    holds=lambda stable: not stable,
                    always=True,
                ),
            ),
        ),
        *scan_metrics(scan, AMPLITUDES, RIPPLE, "GPa", only=(FIXED,)),
        *CONSTANTS,
        Metric("lowest_eigenvalue", lambda seen: seen.lowest_eigenvalue, "GPa"),
        Metric("strain", lambda seen: seen.material.strain),
    ),
    quantities=(plotted("bulk"), plotted("shear")),
    count="share_unstable",
    verdict=verdict,
    caption=caption,
    case_table=case_table,
)
