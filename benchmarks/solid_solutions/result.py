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

import numpy as np
import scipy
from ase.units import kB
from numpy.typing import ArrayLike

from umlip_bench.analysis.energies import EnergyResult, EnergyValue, EnergyVariant, Standing
from umlip_bench.analysis.energy_metrics import JudgedEnergy
from umlip_bench.analysis.intervals import Estimate, median_estimate
from umlip_bench.analysis.over import WITHOUT_INTERVAL
from umlip_bench.analysis.softening import SUM_XX, SUM_YY, component_sums, r2_of, slope_of

MIN_RANKED = 3
"""Orderings below which a ranking says nothing."""

FRACTION_DIGITS = 6
"""Decimals to which fractions of one composition agree."""

SAME_ENERGY = 1e-5
"""eV/atom; orderings whose mixing energies differ by no more are not told apart."""


@dataclass(frozen=True, eq=False)
class OrderingResult(EnergyResult):
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
    is_rigid
        Whether neither DFT nor the model relaxed the orderings: a gap is then that of a rigid lattice, which
        comes out too high without the energy that atoms of different size gain by relaxing.
    """

    group: str
    n: int
    tau: float
    ordering_scale: float
    ordering_r2: float
    interaction_reference: float
    interaction_model: float
    is_rigid: bool


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
    return float(scipy.stats.kendalltau(x, y).statistic)


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


def solutions(results: Sequence[OrderingResult], variant: EnergyVariant) -> list[Solution]:
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
                is_rigid=variant is EnergyVariant.FIXED and not any(map(_dft_relaxed, members)),
            )
        )
    return found


def _dft_relaxed(member: tuple[OrderingResult, EnergyValue]) -> bool:
    """Whether DFT relaxed an ordering: then what the model relaxed could be compared with it."""
    relaxed = member[0].comparison.value(EnergyVariant.RELAXED)
    with_dft = (Standing.COMPARABLE, Standing.UNCONVERGED, Standing.CHANGED)
    return relaxed is not None and relaxed.standing in with_dft


ROWS = (
    ("kendall_tau", "Kendall tau", ""),
    ("ordering_scale", "one x, scale", ""),
    ("ordering_r2", "one x, r2", ""),
    ("interaction_dft", "", "eV"),
    ("interaction_model", "", "eV"),
    ("gap_temperature_dft", "gap, DFT", "K"),
    ("gap_temperature_model", "gap, model", "K"),
    ("gap_temperature_shift", "shift", "K"),
    ("n_rigid_lattice", "of a rigid lattice", ""),
)
"""What follows from all orderings of a system: medians over systems, of `solution_estimates`.

Gaps are of systems that have one, their shift (model less DFT) of those that have one on both sides; last is
how many systems have gaps of orderings that were not relaxed.
"""


def solution_estimates(orderings: Sequence[JudgedEnergy[OrderingResult]]) -> list[Estimate]:
    """Medians over systems of what `ROWS` names; counts orderings, intervals are over systems."""
    results = [seen.result for seen in orderings]
    found = solutions(results, orderings[0].value.variant) if orderings else []
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
        median([s.tau for s in found]),
        median([s.ordering_scale for s in found]),
        median([s.ordering_r2 for s in found]),
        median([s.interaction_reference for s in found]),
        median([s.interaction_model for s in found]),
        median(dft),
        median(model),
        median(shift),
        Estimate(float(sum(s.is_rigid for s in found)), None, None, len(results), WITHOUT_INTERVAL),
    ]
