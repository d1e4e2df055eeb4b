"""One energy per case and variant, compared with DFT: surfaces, defects, solid solutions.

A case has a value at the fixed geometry of the DFT calculation and one after the model's own
relaxation. Each is compared only with DFT prepared the same way: to set a relaxed model against
unrelaxed DFT would manufacture softening. What is left out of the statistics is counted, by reason.

Notation: x is DFT, y the model, one of each per case. Cases of one system (the faces of one crystal)
are not independent: intervals are over systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.intervals import JACKKNIFE_FROM
from umlip_bench.analysis.over_systems import LEVERAGE, leverage
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import beside_fixed, fixed_in_words, interval, number
from umlip_bench.analysis.under_factor import Power

FloatArray = NDArray[np.float64]


class EnergyVariant(StrEnum):
    """How the model's geometry came about."""

    FIXED = "fixed-geometry"
    """Single points at the geometry of the DFT calculation."""
    RELAXED = "relaxed"
    """Relaxed with the model."""
    APPROX_NEB = "approx-neb"
    """Images along a path relaxed with the model one by one, the moving ion held."""
    NEB = "neb"
    """A climbing-image elastic band of the model."""


class Standing(StrEnum):
    """Whether a value enters the statistics; if not, why."""

    COMPARABLE = "comparable"
    NO_REFERENCE = "no DFT value"
    NOT_COMPARABLE = "not comparable"
    """DFT's value belongs to a geometry that was prepared in another way."""
    NO_COMMON_ZERO = "without a common zero of energy"
    """DFT's value lacks the chemical potentials that would make it comparable."""
    NO_BARRIER = "without a barrier"
    """The energy of a path only rises or falls: what its highest image would give is its asymmetry."""
    UNCONVERGED = "not converged"
    CHANGED = "relaxed into something else"
    FAILED = "failed"


LEFT_OUT = (
    ("n_no_reference", Standing.NO_REFERENCE, "no DFT value"),
    ("n_not_comparable", Standing.NOT_COMPARABLE, "DFT's geometry prepared in another way"),
    ("n_no_common_zero", Standing.NO_COMMON_ZERO, "no chemical potentials in the data"),
    ("n_no_barrier", Standing.NO_BARRIER, ""),
    ("n_unconverged", Standing.UNCONVERGED, ""),
    ("n_changed", Standing.CHANGED, ""),
)
"""Metrics that count what the statistics leave out; values that failed are in ``n_failed``.

Third is what the card says of them, where it is through no fault of the model.
"""


@dataclass(frozen=True)
class EnergyValue:
    """The value of one case in one variant.

    Parameters
    ----------
    variant
        How the model's geometry came about.
    reference
        DFT's value in the unit of the case; nan if there is none.
    model
        The model's, likewise; nan if it failed.
    standing
        Whether the two may be compared.
    reason
        Why not; empty for comparable values.
    flags
        What a reader should know of a value all the same, e.g. ``"cleavage energy"``.
    """

    variant: EnergyVariant
    reference: float
    model: Annotated[float, Power(1.0)]
    standing: Standing
    reason: str = ""
    flags: tuple[str, ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether it enters the statistics."""
        return self.standing is Standing.COMPARABLE

    @property
    def vanished(self) -> bool:
        """Whether DFT has a barrier and the model none: it ranks below all others."""
        return self.standing is Standing.NO_BARRIER and not np.isnan(self.reference)

    @property
    def converged(self) -> bool:
        """Whether the relaxation, if there was one, came to its end."""
        return self.standing not in (Standing.UNCONVERGED, Standing.FAILED)

    @property
    def ratio(self) -> float:
        """Model over DFT; nan without a reference, or one of zero."""
        return self.model / self.reference if self.reference else float("nan")


@dataclass(frozen=True)
class EnergyComparison:
    """All values of one case.

    Parameters
    ----------
    name
        The case.
    system
        The material: cases of one system are not independent.
    unit
        Of all values, e.g. ``"eV/Å^2"``.
    values
        One for each variant that was measured.
    """

    name: str
    system: str
    unit: str
    values: tuple[EnergyValue, ...]

    def value(self, variant: EnergyVariant) -> EnergyValue | None:
        """The value of a variant; ``None`` if it was not measured."""
        return next((value for value in self.values if value.variant is variant), None)


@dataclass(frozen=True, eq=False)
class EnergyResult:
    """A result that is one energy per variant, and what else a suite needs to know of it.

    Parameters
    ----------
    comparison
        The energies.
    """

    comparison: EnergyComparison

    @property
    def name(self) -> str:
        """Of the case."""
        return self.comparison.name

    @property
    def system(self) -> str:
        """The material: cases of one system are not independent."""
        return self.comparison.system


# ---- in words


def energy_verdict(rows: Sequence[Row], model: str, what: str) -> str:
    """Say in one line whether a model's energies are too small.

    Parameters
    ----------
    rows
        Rows of one data set, suite and variant.
    model
        The model to judge.
    what
        The energies, in the plural: ``"surface energies"``.
    """
    found = {row.metric: row for row in rows if row.model == model}
    left_out = _left_out(found)
    ratio = found.get("system_ratio_median")
    if ratio is None or np.isnan(ratio.value):
        return f"{model}: no verdict: no comparable {what}{left_out}"
    n = round(found["n_systems"].value)
    share = found["share_underpredicted"]
    text = (
        f"{model}: {_judgement(ratio, found['system_inverse_median'])}: {what} are "
        f"{number(ratio.value, 2)} of DFT{interval(ratio, 2)} in the median of {n} system"
        f"{'' if n == 1 else 's'}, {round(share.value * share.n_cases)}/{share.n_cases} too small"
    )
    scale, errors = found["energy_scale"], found["mean_signed_error"]
    if not np.isnan(scale.value):
        text += (
            f"; pooled slope {scale.value:.2f}{interval(scale, 2)}, r2 {found['r2'].value:.3f}"
            f"{_leverage(found)}, mean error {errors.value:+.3g} {errors.unit}"
        )
    return text + beside_fixed(found, "system_ratio_median") + left_out


def _leverage(found: Mapping[str, Row]) -> str:
    largest = found.get("leverage")
    if largest is None:
        return ""
    rest = found["energy_scale_without"]
    return f" ({largest.value:.0%} of it rests on one value: {rest.value:.2f} without)"


def _left_out(found: Mapping[str, Row]) -> str:
    counts = [
        (round(row.value), standing)
        for name, standing, _ in LEFT_OUT
        if (row := found.get(name)) is not None and row.value
    ]
    return "".join(f"; {n} {_in_words(standing)}" for n, standing in counts)


def _in_words(standing: Standing) -> str:
    if standing is Standing.NOT_COMPARABLE:
        return "not comparable: DFT's geometry was prepared in another way"
    return str(standing)


def _judgement(scale: Row, inverse: Row) -> str:
    if scale.ci_low is None or scale.ci_high is None or inverse.ci_low is None:
        return "undecided (too few systems for an interval)"
    if scale.ci_low > 1.0:
        return "too large"
    if scale.ci_high >= 1.0:
        return "no softening resolved"
    return "soft" if inverse.ci_low > 1.0 else "no correctable softening resolved"


def energy_caption(rows: Sequence[Row], what: str) -> str:
    """State what the table shows and how its intervals were made.

    Parameters
    ----------
    rows
        Rows of one data set, suite and variant.
    what
        As in `energy_verdict`.
    """
    systems = sorted({round(row.value) for row in rows if row.metric == "n_systems"})
    if not any(systems):
        return f"A model's {what} are compared only with DFT's that were prepared in the same way."
    span = " to ".join(str(n) for n in dict.fromkeys((systems[0], systems[-1])))
    return (
        f"Over all {what} ({span} system{'' if span == '1' else 's'}). ratio, systems: of model to DFT, "
        "the median over systems of that of their cases, below all where the model alone has no barrier; "
        "inverse: best factor on the model, likewise; pooled slope: model against DFT through the origin, "
        "which the largest values decide; pooled slope x pooled inverse = r2; its largest share: of one "
        f"value in sum(DFT^2), where above {LEVERAGE:.0%}; signed error: mean of model minus DFT; share too "
        "small: model over DFT below one. Brackets: 95 % intervals over systems (order statistics; jackknife "
        f"of what is pooled), from {JACKKNIFE_FROM} on.{fixed_in_words(rows)}"
    )


# ---- one by one


def cell(value: EnergyValue | None, digits: int = 3, unit: float = 1.0) -> str:
    """The model's value for a table, in a unit given in that of the case; ``"-"`` if there is none."""
    if value is None or np.isnan(value.model):
        return "-"
    return f"{value.model / unit:.{digits}f}"


def remarks(comparisons: Sequence[EnergyComparison]) -> list[str]:
    """What must be said of single values, each thing once, with the cases that it is true of."""
    said: dict[str, list[str]] = {}
    for comparison in comparisons:
        for value in comparison.values:
            for remark in (*([value.reason] if value.reason else []), *value.flags):
                said.setdefault(f"{value.variant}: {remark}", []).append(comparison.name)
    return [
        f"{remark} ({'all' if len(names) == len(comparisons) > 1 else '; '.join(names)})"
        for remark, names in said.items()
    ] + _decided_by_one(comparisons)


def _decided_by_one(comparisons: Sequence[EnergyComparison]) -> list[str]:
    """Pooled slopes that one value decides: which, and what they are without it."""
    found: dict[EnergyVariant, list[tuple[EnergyComparison, EnergyValue]]] = {}
    for comparison in comparisons:
        for value in comparison.values:
            if value.comparable:
                found.setdefault(value.variant, []).append((comparison, value))
    lines = []
    for variant, members in found.items():
        x, y = np.array([[v.reference, v.model] for _, v in members]).T
        if (largest := leverage(x**2)) is not None:
            k, share = largest
            rest = np.arange(len(x)) != k
            own = members[k][0]
            name = own.name if own.system in own.name else f"{own.name} of {own.system}"
            with np.errstate(divide="ignore", invalid="ignore"):
                without = (x[rest] @ y[rest]) / (x[rest] @ x[rest])
            lines.append(
                f"{variant}: {share:.0%} of the pooled slope, {x @ y / (x @ x):.2f}, rests on {name} alone; "
                f"without it {without:.2f}"
            )
    return lines
