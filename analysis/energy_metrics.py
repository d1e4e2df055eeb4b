"""Metrics of suites with one energy per case and variant, compared with DFT's.

Notation: x is DFT, y the model. Cases of one system (the faces of one crystal) are not independent: intervals
are over systems.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis import suite
from umlip_bench.analysis.energies import (
    LEFT_OUT,
    EnergyComparison,
    EnergyValue,
    EnergyVariant,
    Standing,
)
from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Count, Median, Over, Share, below_one
from umlip_bench.analysis.over_sums import (
    Pooled,
    SystemMedian,
    Systems,
    pooled_inverse,
    pooled_mae,
    pooled_r2,
    pooled_slope,
)
from umlip_bench.analysis.over_systems import Leverage, MedianOfSystems
from umlip_bench.analysis.properties import Property
from umlip_bench.analysis.softening import N_COMPONENTS, component_sums, inverse_of, slope_of
from umlip_bench.analysis.suite import NO_RESULT

FloatArray = NDArray[np.float64]


class Energetic(Protocol):
    """A result with one energy per variant."""

    @property
    def comparison(self) -> EnergyComparison:
        """The energies."""
        ...


E = TypeVar("E", bound=Energetic)


SIGNED_ERROR = 5
"""Column of `Judged.sums` after those of `component_sums`: y - x."""


@dataclass(frozen=True, eq=False)
class JudgedEnergy(Generic[E]):
    """A result, and its energy in one variant."""

    result: E
    value: EnergyValue

    def ratio(self) -> float:
        """Model over DFT, where they may be compared."""
        return self.value.ratio if self.value.comparable else float("nan")

    def rank(self) -> float:
        """Below all where the model alone has no barrier: whatever it has instead, it is too small."""
        return -np.inf if self.value.vanished else float("nan")

    def sums(self) -> FloatArray:
        """Those of `component_sums`, then y - x; shape (6,), nan where they may not be compared."""
        if not self.value.comparable:
            return np.full(6, np.nan)
        x, y = self.value.reference, self.value.model
        return np.array([*component_sums(x, y), y - x])


def judged(result: E, variant: str) -> JudgedEnergy[E] | None:
    """What metrics are made of; ``None`` for a variant that was not measured."""
    value = result.comparison.value(EnergyVariant(variant))
    return None if value is None else JudgedEnergy(result, value)


def is_lost(result: Energetic, variant: str) -> bool:
    """Whether the model failed in a variant."""
    value = result.comparison.value(EnergyVariant(variant))
    return value is not None and value.standing is Standing.FAILED


FAULTS = {
    Standing.UNCONVERGED: "relaxation not converged",
    Standing.CHANGED: "relaxed into something else",
    Standing.FAILED: NO_RESULT,
}
"""Standings that are a fault of the model, in words."""


def faults(result: Energetic, variant: str) -> tuple[str, ...]:
    """Energies that are missing, or of a geometry that is not the one that was to be relaxed."""
    value = result.comparison.value(EnergyVariant(variant))
    return (FAULTS[value.standing],) if value is not None and value.standing in FAULTS else ()


def energy_property(
    key: str, label: str, unit: str, size: float = 1.0, digits: int = 3
) -> Callable[[Energetic, str], tuple[Property, ...]]:
    """What makes the one property of a result in a variant.

    Parameters
    ----------
    key, label, unit, digits
        As of `Property`; the name of the case follows the label.
    size
        The unit in that of the energies.
    """

    def properties(result: Energetic, variant: str) -> tuple[Property, ...]:
        value = result.comparison.value(EnergyVariant(variant))
        if value is None:
            return ()
        wrong = value.reason if value.standing in FAULTS else ""
        return (
            Property(
                key=key,
                label=f"{label}, {result.comparison.name}",
                value=value.model / size,
                unit=unit,
                digits=digits,
                remark="; ".join([*([wrong] if wrong else []), *value.flags]),
            ),
        )

    return properties


def ways(*variants: EnergyVariant) -> tuple[suite.Variant, ...]:
    """Variants as a suite declares them."""
    return tuple(suite.Variant(str(each), f"{each.replace('-', '_')}_") for each in variants)


def plotted(size: float = 1.0) -> Callable[[JudgedEnergy[E]], tuple[FloatArray, FloatArray] | None]:
    """One point of a parity plot, if it is comparable, in a unit given in that of the energies."""

    def point(seen: JudgedEnergy[E]) -> tuple[FloatArray, FloatArray] | None:
        if not seen.value.comparable:
            return None
        x, y = np.array([[seen.value.reference], [seen.value.model]]) / size
        return x, y

    return point


def _signed_error_of(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., SIGNED_ERROR] / sums[..., N_COMPONENTS])


mean_absolute_error = partial(pooled_mae, name="mae")
# Errors grow with the values: the mean rests on the systems with the largest, as the slope does. With numbers
# of cases as weights the interval covers 0.85 to 0.94 for 16 systems, with these 0.91 to 0.95.
mean_signed_error = partial(
    Pooled, name="mean_signed_error", statistic=_signed_error_of, ratio=False
)
"""Mean of y - x over cases."""


def energy_metrics(
    unit: str, headline: str, errors: tuple[Over, ...]
) -> tuple[Metric[JudgedEnergy[E]], ...]:
    """The metrics that all these suites have.

    Parameters
    ----------
    unit
        Of the energies.
    headline
        What they are: ``"surface energies"``.
    errors
        How mean errors are shown, made of `mean_absolute_error` and `mean_signed_error`.
    """
    parts: tuple[tuple[Metric[JudgedEnergy[E]], ...], ...] = (
        _values(unit),
        _over_systems(headline),
        _over_cases(unit, headline, errors),
        _counts(),
    )
    return tuple(metric for part in parts for metric in part)


def _values(unit: str) -> tuple[Metric[JudgedEnergy[E]], ...]:
    """Of a case, as they are."""
    return (
        Metric("reference", lambda seen: seen.value.reference, unit),
        Metric("model", lambda seen: seen.value.model, unit),
        Metric("comparable", lambda seen: int(seen.value.comparable)),
        Metric("converged", lambda seen: int(seen.value.converged)),
    )


def _over_systems(headline: str) -> tuple[Metric[JudgedEnergy[E]], ...]:
    """What a system says, whatever the number of its cases: the headline and its inverse."""
    return (
        Metric(
            "system_ratio",
            JudgedEnergy.ratio,
            ranked=JudgedEnergy.rank,
            over=(
                MedianOfSystems(
                    "ratio, systems",
                    always=True,
                    paired=True,
                    headline=headline,
                    inverse="system_inverse_median",
                ),
            ),
            column=False,
        ),
        Metric(
            "system_inverse",
            JudgedEnergy.sums,
            over=(
                SystemMedian(
                    "inverse, systems",
                    name="system_inverse_median",
                    statistic=inverse_of,
                    paired=True,
                ),
            ),
            column=False,
        ),
    )


def _over_cases(
    unit: str, headline: str, errors: tuple[Over, ...]
) -> tuple[Metric[JudgedEnergy[E]], ...]:
    """What all cases say together."""
    return (
        Metric(
            "sums",
            JudgedEnergy.sums,
            unit,
            (
                pooled_slope(
                    "pooled slope",
                    name="energy_scale",
                    unit="",
                    paired=True,
                    scale_of=f"{headline}, pooled",
                ),
                pooled_inverse("pooled inverse", name="inverse", unit="", paired=True),
                pooled_r2("pooled r2", name="r2", unit=""),
                Leverage(
                    "its largest share",
                    name="leverage",
                    unit="",
                    without=("energy_scale_without", "pooled slope without it"),
                ),
                *errors,
            ),
            column=False,
        ),
        Metric(
            "ratio",
            JudgedEnergy.ratio,
            ranked=JudgedEnergy.rank,
            over=(
                Share("share too small", name="share_underpredicted", holds=below_one, always=True),
                Median(always=True),
            ),
            column=False,
        ),
        Metric(
            "by_system",
            JudgedEnergy.sums,
            over=(
                SystemMedian(name="scale_median", statistic=slope_of),
                Systems(name="n_systems"),
            ),
            column=False,
        ),
    )


def _counts() -> tuple[Metric[JudgedEnergy[E]], ...]:
    """Cases that are left out or flagged."""
    left_out: list[Metric[JudgedEnergy[E]]] = [
        _count(name, standing, said) for name, standing, said in LEFT_OUT
    ]
    return (
        *left_out,
        Metric(
            "n_flagged", lambda seen: int(bool(seen.value.flags)), over=(Count(),), column=False
        ),
    )


def _count(key: str, standing: Standing, said: str) -> Metric[JudgedEnergy[E]]:
    def of(seen: JudgedEnergy[E]) -> int:
        return int(seen.value.standing is standing)

    return Metric(key, of, over=(Count(left_out=said),), column=False)
