"""A suite of someone else's package: pressures of slightly compressed crystals against DFT's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from umlip_bench.analysis.metric import Metric, Spread
from umlip_bench.analysis.over import Median, Share, below_one
from umlip_bench.analysis.parity import Quantity
from umlip_bench.analysis.suite import Variant
from umlip_bench.analysis.under_factor import Power
from umlip_bench.benchmarks.suite import Suite
from umlip_bench.ground.units import GPA


@dataclass(frozen=True, eq=False)
class Pressures:
    """Pressures of one crystal at 98 % of DFT's volume, eV/Å³."""

    name: str
    dft: float
    model: Annotated[float, Power(1.0)]


SUITE: Suite[Pressures, Pressures] = Suite(
    name="pressures",
    version=1,
    title="Compressed crystals",
    measured_by=f"{__name__}.measure",
    result=Pressures,
    variants=(Variant("fixed-geometry", ""),),
    metrics=(
        Metric(
            "pressure_scale",
            lambda result: result.model / result.dft,
            over=(
                Median("pressure / DFT", headline="pressures", paired=True, always=True),
                Share("share too low", name="share_softened", holds=below_one),
            ),
            spread=Spread("pressure, model over DFT", 1.0),
        ),
        Metric("pressure", lambda result: result.model / GPA, "GPa", (Median("pressure"),)),
    ),
    quantities=(
        Quantity(
            "pressure",
            "GPa",
            "pressure_scale_median",
            lambda result: (np.array([result.dft]) / GPA, np.array([result.model]) / GPA),
        ),
    ),
    count="pressure_scale_median",
    verdict=lambda rows, model: f"{model}: measured: {len(rows)} numbers on pressures",
    caption=lambda rows: "Pressures at 98 % of DFT's equilibrium volume.",
)
