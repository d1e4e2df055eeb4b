"""Solid solutions in words and case by case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from umlip_bench.analysis.energies import EnergyVariant, cell, energy_caption, remarks
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable
from umlip_bench.benchmarks.solid_solutions.result import (
    OrderingResult,
    Solution,
    gap_temperature,
    solutions,
)
from umlip_bench.ground.units import MILLI

WHAT = "mixing energies"


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows and how its intervals were made."""
    return (
        f"{energy_caption(rows, WHAT)} Kendall tau: ranking of a system's orderings; one x, scale and "
        "r2: of the differences between orderings of one composition, in which the end members cancel; "
        "gap: T_c = Ω / 2 k_B of a regular solution fitted to them, model less DFT is the shift; medians "
        "over systems that have one. of a rigid lattice: systems whose orderings were not relaxed; their "
        "gaps lack the energy of relaxation and come out too high."
    )


def case_table(results: Sequence[OrderingResult]) -> CaseTable:
    """Mixing energies one by one in meV/atom, and what follows from those of each system."""
    rows = []
    for result in results:
        fixed, relaxed = map(result.comparison.value, (EnergyVariant.FIXED, EnergyVariant.RELAXED))
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
        for variant in (EnergyVariant.FIXED, EnergyVariant.RELAXED)
        for solution in solutions(results, variant)
    ]
    return CaseTable(
        "mixing energies",
        ["ordering", "x", "DFT (meV/atom)", "fixed-geometry (meV/atom)", "relaxed (meV/atom)"],
        rows,
        [*said, *remarks([result.comparison for result in results])],
    )


def _in_words(solution: Solution) -> str:
    lattice = ", rigid lattice" if solution.is_rigid else ""
    parts = [
        f"regular solution of {solution.n} orderings{lattice}: {_gap(solution.interaction_model)}"
    ]
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
