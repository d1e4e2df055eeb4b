"""One energy per case and variant, compared with DFT: surfaces, defects, solid solutions.

A case has a value at the fixed geometry of the DFT calculation and one after the model's own
relaxation. Each is compared only with DFT prepared the same way: to set a relaxed model against
unrelaxed DFT would manufacture softening. What is left out of the statistics is counted, by reason.

Notation: x is DFT, y the model, one of each per case. Cases of one system (the faces of one crystal)
are not independent: intervals are over systems.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis import over
from umlip_bench.analysis.intervals import (
    JACKKNIFE_FROM,
    NO_VALUE,
    Estimate,
    median_estimate,
    pooled_estimate,
    share_estimate,
)
from umlip_bench.analysis.softening import component_sums, slope_of
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import interval
from umlip_bench.analysis.under_factor import Power
from umlip_bench.ground.errors import DataError

FloatArray = NDArray[np.float64]

COUNT = "count"
"""Method of an `Estimate` that only counts."""


class Variant(StrEnum):
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
    ("n_no_reference", Standing.NO_REFERENCE),
    ("n_not_comparable", Standing.NOT_COMPARABLE),
    ("n_no_common_zero", Standing.NO_COMMON_ZERO),
    ("n_no_barrier", Standing.NO_BARRIER),
    ("n_unconverged", Standing.UNCONVERGED),
    ("n_changed", Standing.CHANGED),
)
"""Metrics that count what the statistics leave out; values that failed are in ``n_failed``."""


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

    variant: Variant
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

    def value(self, variant: Variant) -> EnergyValue | None:
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


# ---- summary


def energy_rows(
    model: str,
    data: str,
    suite: str,
    comparisons: Sequence[EnergyComparison],
    n_failed: int,
    variants: Sequence[Variant] = (Variant.FIXED, Variant.RELAXED),
) -> list[Row]:
    """Summarise a model over cases, variant by variant.

    Parameters
    ----------
    model, data, suite
        Names for the rows.
    comparisons
        Cases that the model gave results for; may be empty.
    n_failed
        Cases that it gave none for. A relaxation that failed while the single point did not is
        counted on top, in the rows of that variant alone.
    variants
        Those of the suite.

    Returns
    -------
    list of Row
        For each variant that was measured: ``energy_scale`` (slope of model on DFT through the
        origin over all cases), ``inverse`` (best factor on the model), ``r2``, ``mae``,
        ``mean_signed_error``, ``share_underpredicted`` (model over DFT below one), ``ratio_median``
        over cases, ``scale_median`` over systems, and the numbers of systems, of flagged values and
        of those left out, by reason. ``n_cases`` counts cases; intervals are over systems.

    Raises
    ------
    DataError
        If two cases share a name, or their units differ.
    """
    repeated = sorted(n for n, count in Counter(c.name for c in comparisons).items() if count > 1)
    if repeated:
        raise DataError(f"cases given more than once: {', '.join(repeated)}")
    units = sorted({comparison.unit for comparison in comparisons})
    if len(units) > 1:
        raise DataError(f"cases in different units: {', '.join(units)}")
    rows: list[Row] = []
    for variant in variants:
        found = [(c.system, value) for c in comparisons if (value := c.value(variant)) is not None]
        if not found and comparisons:
            continue
        failures = sum(value.standing is Standing.FAILED for _, value in found)
        head = RowHead(model, data, suite, variant, n_failed + failures)
        rows += _comparison_rows(head, units[0] if units else "", found)
    return rows


def _comparison_rows(
    head: RowHead, unit: str, found: Sequence[tuple[str, EnergyValue]]
) -> list[Row]:
    compared = [(system, value) for system, value in found if value.comparable]
    x = np.array([value.reference for _, value in compared])
    y = np.array([value.model for _, value in compared])
    systems = np.array([system for system, _ in compared], dtype=str)
    names = list(dict.fromkeys(systems.tolist()))
    per_case = [
        np.array([component_sums(x[k], y[k]) for k in np.flatnonzero(systems == name)])
        for name in names
    ]
    sums = np.array([cases.sum(axis=0) for cases in per_case]).reshape(-1, 5)
    # No case is compared with zero alone: neither a scale nor a factor exists there.
    scaled = bool(np.any(x) and np.any(y))
    n, none = len(x), Estimate(float("nan"), None, None, 0, NO_VALUE)

    def over_cases(estimate: Estimate) -> Estimate:
        return replace(estimate, n=n) if n else none

    ratios = [value.ratio for _, value in compared if value.reference]
    # DFT's has a value: of no barrier at all, whatever the model has, it is too small.
    vanished = [system for system, value in found if value.vanished]
    independent = len({*names, *vanished}) == n + len(vanished)
    below = len(vanished)
    too_small = sum(ratio < 1.0 for ratio in ratios) + below
    return [
        head.row(
            "energy_scale",
            "",
            over_cases(over.pooled_slope().estimate(names, list(sums))) if scaled else none,
        ),
        head.row(
            "inverse",
            "",
            over_cases(over.pooled_inverse().estimate(names, list(sums))) if scaled else none,
        ),
        head.row(
            "r2", "", over_cases(over.pooled_r2().estimate(names, list(sums))) if scaled else none
        ),
        head.row(
            "mae", unit, over_cases(over.pooled_mae().estimate(names, list(sums))) if n else none
        ),
        head.row("mean_signed_error", unit, over_cases(_mean_error(x, y, systems))),
        head.row(
            "share_underpredicted",
            "",
            _if(independent, share_estimate(too_small, len(ratios) + below)),
        ),
        head.row("ratio_median", "", _if(independent, median_estimate(ratios, below=below))),
        head.row("scale_median", "", over_cases(_median_over_systems(per_case))),
        head.row("n_systems", "", _count(len(names), n)),
        *(
            head.row(name, "", _count(sum(v.standing is reason for _, v in found), len(found)))
            for name, reason in LEFT_OUT
        ),
        head.row("n_flagged", "", _count(sum(bool(v.flags) for _, v in found), len(found))),
    ]


def _mean_error(x: FloatArray, y: FloatArray, systems: NDArray[np.str_]) -> Estimate:
    """Mean of y - x over cases, with an interval over systems."""
    groups = [systems == name for name in np.unique(systems)]
    sums = np.array([[(y - x)[g].sum(), g.sum()] for g in groups]).reshape(-1, 2)
    # Errors grow with the values: the mean rests on the systems with the largest, as the slope does. With
    # numbers of cases as weights the interval covers 0.85 to 0.94 for 16 systems, with these 0.91 to 0.95.
    weights = [float(x[group] @ x[group]) for group in groups]
    return pooled_estimate(sums, lambda s: np.asarray(s[..., 0] / s[..., 1]), weights)


def _median_over_systems(per_case: Sequence[FloatArray]) -> Estimate:
    # Not by the hierarchical bootstrap: of few cases it draws the scatter within a system a second time,
    # and covers 0.99 for 40 systems of 1 to 6.
    totals = [cases.sum(axis=0) for cases in per_case]
    return median_estimate([float(slope_of(total)) for total in totals if total[0] > 0.0])


def _if(independent: bool, estimate: Estimate) -> Estimate:
    """The estimate, without its interval where cases are not independent."""
    return estimate if independent else replace(estimate, low=None, high=None)


def _count(value: int, n: int) -> Estimate:
    return Estimate(float(value), None, None, n, COUNT)


def in_unit(row: Row, suffix: str, unit: str, size: float) -> Row:
    """The same row in another unit, as a metric of its own.

    Parameters
    ----------
    row
        Of an energy.
    suffix
        Appended to the name of the metric.
    unit
        Its name.
    size
        The new unit in the old one.
    """

    def converted(value: float | None) -> float | None:
        return None if value is None else value / size

    return replace(
        row,
        metric=f"{row.metric}_{suffix}",
        unit=unit,
        value=row.value / size,
        ci_low=converted(row.ci_low),
        ci_high=converted(row.ci_high),
    )


ERRORS = ("mae", "mean_signed_error")
"""Metrics in the unit of the energies."""


# ---- in words


LABELS = (
    ("energy_scale", "energy scale"),
    ("inverse", "inverse"),
    ("r2", "r2"),
    ("mae", "MAE"),
    ("mean_signed_error", "signed error"),
    ("share_underpredicted", "share too small"),
    ("ratio_median", "ratio, median"),
    ("scale_median", "scale, systems"),
)
"""Rows that a table shows, with their labels."""

COUNT_METRIC = "energy_scale"


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
    scale = found.get("energy_scale")
    if scale is None or np.isnan(scale.value):
        return f"{model}: no verdict: no comparable {what}{left_out}"
    share = found["share_underpredicted"]
    errors = found["mean_signed_error"]
    text = (
        f"{model}: {_judgement(scale, found['inverse'])}: {what} are {scale.value:.2f} of DFT"
        f"{interval(scale, 2)}, r2 {found['r2'].value:.3f}, "
        f"{round(share.value * share.n_cases)}/{share.n_cases} too small, "
        f"mean error {errors.value:+.3g} {errors.unit}"
    )
    return text + left_out


def _left_out(found: Mapping[str, Row]) -> str:
    counts = [
        (round(row.value), standing)
        for name, standing in LEFT_OUT
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
        f"Over all {what} ({span} system{'' if span == '1' else 's'}). energy scale: model against "
        "DFT through the origin; inverse: best factor on the model; scale x inverse = r2; signed error: "
        "mean of model minus DFT; share too small: model over DFT below one; ratio: of model to DFT, below "
        "all where the model alone has no barrier; scale, systems: median over systems of their own scale. "
        f"Brackets: 95 % intervals over systems (jackknife or order statistics), from {JACKKNIFE_FROM} on; "
        "share and ratio only where each case is a system of its own."
    )


# ---- files


def comparison_metrics(comparison: EnergyComparison) -> dict[str, float | int]:
    """The numbers of one case; ``comparable`` and ``converged`` are 0 or 1."""
    numbers: dict[str, float | int] = {}
    for value in comparison.values:
        prefix = value.variant.replace("-", "_")
        numbers |= {
            f"{prefix}_reference": value.reference,
            f"{prefix}_model": value.model,
            f"{prefix}_comparable": int(value.comparable),
            f"{prefix}_converged": int(value.converged),
        }
    return numbers


_BETWEEN_FLAGS = "\n"


def comparison_to_arrays(comparison: EnergyComparison) -> dict[str, np.ndarray]:
    """All of a comparison but its name; flags are lines of one string."""
    values = comparison.values
    return {
        "system": np.array(comparison.system),
        "unit": np.array(comparison.unit),
        "variant": np.array([str(v.variant) for v in values], dtype=str),
        "reference": np.array([v.reference for v in values], dtype=float),
        "model": np.array([v.model for v in values], dtype=float),
        "standing": np.array([str(v.standing) for v in values], dtype=str),
        "reason": np.array([v.reason for v in values], dtype=str),
        "flags": np.array([_BETWEEN_FLAGS.join(v.flags) for v in values], dtype=str),
    }


def comparison_from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> EnergyComparison:
    """The comparison again."""
    values = (
        EnergyValue(
            variant=Variant(str(arrays["variant"][k])),
            reference=float(arrays["reference"][k]),
            model=float(arrays["model"][k]),
            standing=Standing(str(arrays["standing"][k])),
            reason=str(arrays["reason"][k]),
            flags=tuple(filter(None, str(arrays["flags"][k]).split(_BETWEEN_FLAGS))),
        )
        for k in range(len(arrays["variant"]))
    )
    return EnergyComparison(name, str(arrays["system"]), str(arrays["unit"]), tuple(values))


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
    ]
