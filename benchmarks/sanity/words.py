"""Checks in words, and those that a model fails by name."""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.intervals import CLOPPER_PEARSON
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable
from umlip_bench.benchmarks.sanity.result import MEASURED, Measured, SanityCheck, SanityResult

VARIANT = "fixed-geometry"
CHECKED = "share_passed"
"""The row over checks of all kinds."""


def share_of(check: SanityCheck) -> str:
    """The row over checks of one kind."""
    return f"share_passed_{check.name.lower()}"


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model passed, and which checks it did not."""
    found = {row.metric: row for row in rows if row.model == model}
    checked = found.get(CHECKED)
    if checked is None or checked.n_cases == 0:
        return f"{model}: no verdict: nothing was checked"
    failing = [
        f"{check} {failed} of {row.n_cases}"
        for check in SanityCheck
        if (row := found.get(share_of(check))) is not None and (failed := _failed(row))
    ]
    if failing:
        return f"{model}: not sound: fails {', '.join(failing)} checks"
    n = checked.n_cases
    return f"{model}: sound: {f'all {n} checks' if n > 1 else 'the only check'} passed"


def _failed(share: Row) -> int:
    return share.n_cases - round(share.value * share.n_cases)


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows."""
    return (
        "Shares of the checks that are passed, and the largest deviation of each kind. Dimers are followed "
        "to 0.5 Å and crystals to 0.6 of their volume: inside the minimum the energy may not fall. Two cells "
        "and two bodies far apart have the sum of the energies; what is turned has the same energy; dynamics "
        "keep it for 1 ps; forces are its slope. A check that broke off ranks above all deviations. No "
        f"reference data. 95 % intervals of shares by {CLOPPER_PEARSON}."
    )


def faults(result: SanityResult, variant: str) -> tuple[str, ...]:
    """The check, by name, if the model fails it."""
    return (f"fails {result.name}",) if result.passed == 0.0 else ()


def case_table(results: Sequence[SanityResult]) -> CaseTable:
    """What was found at worst, and where; every check that is failed is named below."""
    return CaseTable(
        title="Checks",
        columns=("", "worst", "allowed", "unit", "of", "failed"),
        rows=[row for measured in MEASURED if (row := _worst(measured, results)) is not None],
        notes=[
            *(f"fails {each.name}: {'; '.join(each.reasons)}" for each in results if each.reasons),
            *(f"not checked: {each.name}: {each.left_out}" for each in results if each.left_out),
        ],
    )


def _worst(measured: Measured, results: Sequence[SanityResult]) -> tuple[str, ...] | None:
    of_kind = [each for each in results if each.check is measured.check and not each.left_out]
    found = [
        (finding, each.name)
        for each in of_kind
        for finding in each.findings
        if finding.key == measured.key
    ]
    broke = [each.name for each in of_kind if each.broke]
    if not found and not broke:
        return None
    n_failed = len(broke) + sum(not finding.passed for finding, _ in found)
    label = measured.label
    failed = f"{n_failed} of {len(found) + len(broke)}"
    if broke:
        return label, "broke off", "", measured.unit, broke[0], failed
    # Thresholds grow with rounding, so that what is worst is what comes nearest to its own.
    finding, name = max(found, key=lambda each: each[0].value / each[0].allowed)
    value, allowed = f"{finding.value:.2g}", f"{finding.allowed:.2g}"
    return label, value, allowed, measured.unit, name, failed
