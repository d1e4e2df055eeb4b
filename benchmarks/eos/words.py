"""Equations of state in words and case by case."""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.intervals import CLOPPER_PEARSON, MEDIAN_FROM, ORDER_STATISTICS
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import (
    CaseTable,
    beside_fixed,
    fixed_in_words,
    number,
    with_interval,
)
from umlip_bench.benchmarks.amplitudes import HARMONIC, remark
from umlip_bench.benchmarks.eos.result import (
    AMPLITUDES,
    FIXED,
    EosComparison,
    own_bulk_modulus,
    own_derivative,
    own_volume,
)
from umlip_bench.ground.units import GPA


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model's bulk moduli are too small."""
    found = {row.metric: row for row in rows if row.model == model}
    scale = found.get("bulk_modulus_scale_median")
    if scale is None or scale.n_cases == 0:
        return f"{model}: no verdict: no material with a curve"
    if scale.ci_low is None or scale.ci_high is None:
        judged = "undecided (too few materials for an interval)"
    elif scale.ci_high < 1.0:
        judged = "soft"
    elif scale.ci_low > 1.0:
        judged = "stiff"
    else:
        judged = "no softening resolved"
    text = (
        f"{model}: {judged}: bulk moduli are {with_interval(scale, 2)} of DFT's in the median of "
        f"{scale.n_cases} material{'' if scale.n_cases == 1 else 's'}"
    )
    if "volume_error_median" in found:
        text += f", volumes {number(found['volume_error_median'].value, 1, '+')} %"
    return text + beside_fixed(found, "bulk_modulus_scale_median")


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows."""
    place = (
        "at DFT's equilibrium volume, fractional coordinates fixed"
        if rows[0].variant == FIXED
        else "at the model's own equilibrium, cell and atoms relaxed"
    )
    scanned = (
        f" Besides, from pressures of the model at relative volumes of {AMPLITUDES[0]:.0%} and "
        f"{AMPLITUDES[1]:.0%}, of both signs: the modulus over DFT's, and as ripple the ln of the second "
        f"over the first; not harmonic: they differ by more than {HARMONIC:.0%}."
        if any(row.metric == "ripple_median" for row in rows)
        else ""
    )
    return (
        f"Bulk modulus over DFT's, {place} ({rows[0].amplitude}). Birch-Murnaghan fits of third order. "
        "delta: root mean square difference of the curves within 6 % in volume; nu: weighted difference of "
        "V0, B0, B0'; no minimum: curves without one among their volumes, which rank as the softest and the "
        f"farthest from DFT's. Medians over materials, 95 % intervals by {ORDER_STATISTICS}, shares by "
        f"{CLOPPER_PEARSON}; medians need {MEDIAN_FROM} materials for an interval."
        f"{fixed_in_words(rows)}{scanned}"
    )


def case_table(materials: Sequence[EosComparison]) -> CaseTable:
    """The model's own equation of state of each material, and DFT's where it is known."""
    rows, notes = [], []
    for each in materials:
        dft = each.reference
        rows.append(
            (
                each.name,
                number(own_volume(each), 3),
                "-" if dft is None else number(dft.volume / each.n_atoms, 3),
                number(own_bulk_modulus(each), 1),
                "-" if dft is None else number(dft.bulk_modulus / GPA, 1),
                number(own_derivative(each), 2),
                "-" if dft is None else number(dft.bulk_modulus_derivative, 2),
            )
        )
        if each.scan is not None:
            notes.append(
                f"{each.name}: {remark(each.scan, 'bulk modulus', 'GPa', AMPLITUDES, 'of the volume')}"
            )
        if each.note:
            notes.append(f"{each.name}: {each.note}")
    return CaseTable(
        title="Equations of state at the model's own equilibrium",
        columns=("", "V0 (Å³/atom)", "DFT", "B0 (GPa)", "DFT", "B0'", "DFT"),
        rows=rows,
        notes=notes,
    )
