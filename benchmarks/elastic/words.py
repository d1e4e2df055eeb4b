"""Elastic moduli in words and case by case."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

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
from umlip_bench.benchmarks.elastic.result import (
    FIXED,
    RELAXED,
    RIPPLE,
    ElasticComparison,
    judged,
)
from umlip_bench.ground.units import GPA


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model's moduli are too small, and which crystals are unstable."""
    found = {row.metric: row for row in rows if row.model == model}
    bulk, shear = (found.get(f"{kind}_modulus_scale_median") for kind in ("bulk", "shear"))
    if bulk is None or shear is None:
        return f"{model}: no verdict: no stable material with a reference"
    if bulk.ci_low is None or shear.ci_low is None:
        judged = "undecided (too few materials for an interval)"
    else:
        words = {
            "bulk": _judgement(bulk),
            "shear": _judgement(shear),
        }
        same = words["bulk"] == words["shear"]
        judged = words["bulk"] if same else f"{words['bulk']} in bulk, {words['shear']} in shear"
    text = (
        f"{model}: {judged}: bulk moduli are {with_interval(bulk, 2)}, shear moduli "
        f"{with_interval(shear, 2)} of DFT's in the median of {bulk.n_cases} "
        f"material{'' if bulk.n_cases == 1 else 's'}"
    )
    unstable = found["share_unstable"]
    for kind in ("bulk", "shear"):
        beside = beside_fixed(found, f"{kind}_modulus_scale_median")
        text += f"{beside} in {kind}" if beside else ""
    return f"{text}; mechanically unstable {round(unstable.value * unstable.n_cases)}/{unstable.n_cases}"


def _judgement(scale: Row) -> str:
    assert scale.ci_low is not None
    assert scale.ci_high is not None
    if scale.ci_high < 1.0:
        return "soft"
    return "stiff" if scale.ci_low > 1.0 else "no softening resolved"


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows."""
    where = "DFT's cell" if rows[0].variant == FIXED else "the model's own cell"
    scanned = (
        " Besides, the model alone at other strains: shear modulus over DFT's, and as ripple the ln of "
        f"Voigt's at {100 * RIPPLE[1]:g} % over that at {100 * RIPPLE[0]:g} %; not harmonic: by more than "
        f"{HARMONIC:.0%} other than there."
        if any(row.metric == "ripple_median" for row in rows)
        else ""
    )
    return (
        f"Voigt-Reuss-Hill moduli over DFT's, from stresses at {rows[0].amplitude} of both signs of "
        f"{where}, atoms relaxed; unstable crystals rank below all moduli, means leave them out. Left "
        f"over is the share of the stresses that constants do not explain. Medians over materials, "
        f"95 % intervals by {ORDER_STATISTICS}, shares by {CLOPPER_PEARSON}; medians need "
        f"{MEDIAN_FROM} materials for an interval.{fixed_in_words(rows)}{scanned}"
    )


def case_table(materials: Sequence[ElasticComparison]) -> CaseTable:
    """Moduli and some elastic constants of each material and variant."""
    rows = []
    failures: dict[str, list[str]] = {}
    for each in materials:
        dft = each.reference
        for variant in (FIXED, RELAXED):
            seen = judged(each, variant)
            if seen is None:
                continue
            constants = seen.constants
            rows.append(
                (
                    each.name,
                    "fixed" if variant == FIXED else variant,
                    number(seen.moduli["bulk"], 1),
                    "-" if dft is None else number(dft.bulk / GPA, 1),
                    number(seen.moduli["shear"], 1),
                    "-" if dft is None else number(dft.shear / GPA, 1),
                    *(number(constants[i, j] / GPA, 1) for i, j in ((0, 0), (0, 1), (3, 3))),
                    f"{100 * each.strain:g} %",
                    "-" if np.isnan(seen.residual) else f"{100 * seen.residual:.1f} %",
                    "yes" if seen.is_stable else "no",
                )
            )
        for variant, failure in (
            ("fixed", each.fixed_failure),
            ("relaxed", each.relaxed_failure),
            ("at other strains", each.scan_failure),
        ):
            if failure:
                failures.setdefault(f"{variant}: {failure}", []).append(each.name)
    return CaseTable(
        title="Elastic moduli (GPa)",
        columns=(
            *("", "geometry", "K", "DFT", "G", "DFT", "C11", "C12", "C44"),
            *("strain", "left over", "stable"),
        ),
        rows=rows,
        notes=[
            "C11, C12, C44: along the conventional axes of the crystal (IEEE Std 176-1987), however it lies "
            "in its file; left over: the share of the stresses that constants of its symmetry leave "
            "unexplained",
            *(f"{failure} ({'; '.join(names)})" for failure, names in failures.items()),
            *(
                f"{each.name}: {remark(each.scan, 'shear modulus', 'GPa', RIPPLE, 'of strain')}"
                for each in materials
                if each.scan is not None
            ),
        ],
    )
