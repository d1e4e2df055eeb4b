"""Solid solutions: ranking of orderings, and the miscibility gap that a regular solution implies.

A regular solution (Hildebrand, J. Am. Chem. Soc. 51, 66, 1929) has the mixing energy Ω x (1 - x) per
mixing site and the entropy of random mixing. Its free energy
Ω x (1 - x) + k_B T [x ln x + (1 - x) ln(1 - x)] stops being convex first at x = 1/2, where the second
derivative, -2 Ω + k_B T / (x (1 - x)), vanishes at T_c = Ω / (2 k_B): below it the solution decomposes,
if Ω is positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from ase.units import kB
from numpy.typing import ArrayLike
from scipy import stats

from umlip_bench.analysis.energies import (
    COUNT_METRIC,
    LABELS,
    EnergyComparison,
    Variant,
    cell,
    energy_caption,
    energy_verdict,
    remarks,
)
from umlip_bench.analysis.intervals import Estimate, median_estimate
from umlip_bench.analysis.softening import SUM_XX, SUM_YY, component_sums, r2_of, slope_of
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import CaseTable, Presentation

WHAT = "mixing energies"

MIN_RANKED = 3
"""Orderings below which a ranking says nothing."""

FRACTION_DIGITS = 6
"""Decimals to which fractions of one composition agree."""

SAME_ENERGY = 1e-5
"""eV/atom; orderings whose mixing energies differ by no more are not told apart."""

MILLI = 1e-3
"""1 meV in eV."""


@dataclass(frozen=True)
class OrderingResult:
    """Mixing energies of one ordering.

    Parameters
    ----------
    comparison
        In eV/atom.
    group
        Orderings of one system whose geometries were prepared in one way: only these are ranked and
        fitted together.
    fraction
        x, the share of the first end member.
    sites_per_atom
        Mixing sites over atoms: 1 in an alloy, 1/2 on the cations of rocksalt.
    """

    comparison: EnergyComparison
    group: str
    fraction: float
    sites_per_atom: float


@dataclass(frozen=True)
class Solution:
    """What follows from all orderings of one group.

    Parameters
    ----------
    group
        Which.
    n
        Orderings.
    tau
        Kendall's tau-b between the mixing energies of model and DFT; nan if there are fewer than
        three, or all of one side are equal.
    ordering_scale, ordering_r2
        As `ordering_slope`.
    interaction_reference, interaction_model
        Ω of DFT and of the model in eV per mixing site; nan without values.
    """

    group: str
    n: int
    tau: float
    ordering_scale: float
    ordering_r2: float
    interaction_reference: float
    interaction_model: float


def interaction(fractions: ArrayLike, energies: ArrayLike) -> float:
    """Ω of least squares in E = Ω x (1 - x).

    Parameters
    ----------
    fractions
        x, shape (n,).
    energies
        Mixing energies per mixing site, shape (n,), eV.

    Returns
    -------
    float
        In eV per mixing site; nan if there is nothing but end members.
    """
    x = np.asarray(fractions, dtype=float)
    shape = x * (1 - x)
    total = float(shape @ shape)
    return float(shape @ np.asarray(energies, dtype=float)) / total if total > 0 else float("nan")


def gap_temperature(omega: float) -> float:
    """T_c = Ω / (2 k_B) in K, the top of the miscibility gap; nan if Ω is not positive: there is none."""
    return omega / (2 * kB) if omega > 0 else float("nan")


def kendall_tau(reference: ArrayLike, model: ArrayLike) -> float:
    """Kendall's tau-b (Biometrika 33, 239, 1945); nan if there is no ranking to compare."""
    x, y = np.asarray(reference, dtype=float), np.asarray(model, dtype=float)
    if len(x) < MIN_RANKED or np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.kendalltau(x, y).statistic)


def ordering_slope(
    fractions: ArrayLike, reference: ArrayLike, model: ArrayLike
) -> tuple[float, float]:
    """Scale of the differences between orderings of one composition, in which end members cancel.

    A model that has the energy of a pure element wrong has wrong mixing energies at all compositions, and an
    energy scale that says little of its bonds.

    Parameters
    ----------
    fractions, reference, model
        Shape (n,): x, and mixing energies in eV/atom.

    Returns
    -------
    slope, r2
        Of the model on DFT, both less their mean over the orderings of the same x; nan if fewer than three
        differences are independent, or one side has none of more than `SAME_ENERGY`.
    """
    x, y = np.array(reference, dtype=float), np.array(model, dtype=float)
    _, which = np.unique(np.round(np.asarray(fractions), FRACTION_DIGITS), return_inverse=True)
    sizes = np.bincount(which)
    if len(x) - len(sizes) < MIN_RANKED:
        return float("nan"), float("nan")
    x -= (np.bincount(which, x) / sizes)[which]
    y -= (np.bincount(which, y) / sizes)[which]
    sums = component_sums(x, y)
    if min(sums[SUM_XX], sums[SUM_YY]) < len(x) * SAME_ENERGY**2:
        return float("nan"), float("nan")
    return float(slope_of(sums)), float(r2_of(sums))


def solutions(results: Sequence[OrderingResult], variant: Variant) -> list[Solution]:
    """Ranking and interaction of each group.

    Where DFT has values, both are of the orderings that may be compared, and of the same for model and DFT;
    otherwise the model's interaction is of all orderings that converged.
    """
    found = []
    for group in dict.fromkeys(result.group for result in results):
        members = [
            (result, value)
            for result in results
            if result.group == group
            and (value := result.comparison.value(variant)) is not None
            and value.converged
        ]
        compared = [(result, value) for result, value in members if value.comparable]
        used = compared or members
        if not used:
            continue
        x = np.array([result.fraction for result, _ in used])
        per_site = 1 / np.array([result.sites_per_atom for result, _ in used])
        reference = np.array([value.reference for _, value in used])
        model = np.array([value.model for _, value in used])
        scale, r2 = (
            ordering_slope(x, reference, model) if compared else (float("nan"), float("nan"))
        )
        found.append(
            Solution(
                group=group,
                n=len(used),
                tau=kendall_tau(reference, model) if compared else float("nan"),
                ordering_scale=scale,
                ordering_r2=r2,
                interaction_reference=interaction(x, reference * per_site),
                interaction_model=interaction(x, model * per_site),
            )
        )
    return found


def solution_rows(head: RowHead, results: Sequence[OrderingResult]) -> list[Row]:
    """Medians over systems of ranking, interaction and miscibility gap.

    Parameters
    ----------
    head
        With the variant.
    results
        Orderings of any number of systems.

    Returns
    -------
    list of Row
        ``kendall_tau``, ``ordering_scale`` and ``ordering_r2`` (see `ordering_slope`),
        ``interaction_dft``, ``interaction_model`` (eV per mixing site), ``gap_temperature_dft``,
        ``gap_temperature_model`` (K), of systems with a gap, and ``gap_temperature_shift`` (model less
        DFT, K), of systems with a gap on both sides. ``n_cases`` counts their orderings;
        intervals are over systems.
    """
    found = solutions(results, Variant(head.variant))
    if not found:
        return []
    dft = [gap_temperature(s.interaction_reference) for s in found]
    model = [gap_temperature(s.interaction_model) for s in found]
    shift = [after - before for before, after in zip(dft, model, strict=True)]

    def median(values: Sequence[float]) -> Estimate:
        known = [k for k, value in enumerate(values) if not np.isnan(value)]
        estimate = median_estimate([values[k] for k in known])
        return replace(estimate, n=sum(found[k].n for k in known))

    return [
        head.row("kendall_tau", "", median([s.tau for s in found])),
        head.row("ordering_scale", "", median([s.ordering_scale for s in found])),
        head.row("ordering_r2", "", median([s.ordering_r2 for s in found])),
        head.row("interaction_dft", "eV", median([s.interaction_reference for s in found])),
        head.row("interaction_model", "eV", median([s.interaction_model for s in found])),
        head.row("gap_temperature_dft", "K", median(dft)),
        head.row("gap_temperature_model", "K", median(model)),
        head.row("gap_temperature_shift", "K", median(shift)),
    ]


def ordering_table(results: Sequence[OrderingResult]) -> CaseTable:
    """Mixing energies one by one in meV/atom, and what follows from those of each system."""
    rows = []
    for result in results:
        fixed, relaxed = map(result.comparison.value, (Variant.FIXED, Variant.RELAXED))
        reference = next(
            (v.reference for v in (fixed, relaxed) if v is not None and not np.isnan(v.reference)),
            float("nan"),
        )
        rows.append(
            [
                result.comparison.name,
                f"{result.fraction:.3f}",
                "-" if np.isnan(reference) else f"{reference / MILLI:.1f}",
                cell(fixed, 1, MILLI),
                cell(relaxed, 1, MILLI),
            ]
        )
    said = [
        f"{solution.group}, {variant}: {_in_words(solution)}"
        for variant in (Variant.FIXED, Variant.RELAXED)
        for solution in solutions(results, variant)
    ]
    return CaseTable(
        "mixing energies",
        ["ordering", "x", "DFT (meV/atom)", "fixed-geometry (meV/atom)", "relaxed (meV/atom)"],
        rows,
        [*said, *remarks([result.comparison for result in results])],
    )


def _in_words(solution: Solution) -> str:
    parts = [f"regular solution of {solution.n} orderings: {_gap(solution.interaction_model)}"]
    if not np.isnan(solution.interaction_reference):
        parts.append(f"DFT {_gap(solution.interaction_reference)}")
    if not np.isnan(solution.tau):
        parts.append(f"Kendall tau {solution.tau:.2f}")
    if not np.isnan(solution.ordering_scale):
        parts.append(
            f"between orderings of one x {solution.ordering_scale:.2f} of DFT, "
            f"r2 {solution.ordering_r2:.2f}"
        )
    return ", ".join(parts)


def _gap(omega: float) -> str:
    if not omega > 0:
        return f"Ω {omega:.3f} eV, no gap"
    return f"Ω {omega:.3f} eV, gap up to {gap_temperature(omega):.0f} K"


def _caption(rows: Sequence[Row]) -> str:
    return (
        f"{energy_caption(rows, WHAT)} Kendall tau: ranking of a system's orderings; one x, scale and "
        "r2: of the differences between orderings of one composition, in which the end members cancel; "
        "gap: T_c = Ω / 2 k_B of a regular solution fitted to them, model less DFT is the shift; medians "
        "over systems that have one."
    )


SOLID_SOLUTIONS = Presentation(
    labels=(
        *LABELS[:3],
        ("mae_mev", "MAE"),
        ("mean_signed_error_mev", "signed error"),
        *LABELS[5:],
        ("kendall_tau", "Kendall tau"),
        ("ordering_scale", "one x, scale"),
        ("ordering_r2", "one x, r2"),
        ("gap_temperature_dft", "gap, DFT"),
        ("gap_temperature_model", "gap, model"),
        ("gap_temperature_shift", "shift"),
    ),
    count_metric=COUNT_METRIC,
    cases="orderings",
    verdict=partial(energy_verdict, what=WHAT),
    caption=_caption,
)
"""For `umlip_bench.analysis.tables.print_table`."""
