"""Point defects: formation energies one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

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
from umlip_bench.analysis.tables import CaseTable, Presentation

WHAT = "defect energies"

POTENTIALS = (
    "Atoms that a defect adds or removes are counted at the potentials of their elements; those of a "
    "compound's most electronegative element, where the data have none, at what is left of the compound's."
)


@dataclass(frozen=True)
class DefectResult:
    """Formation energies of a defect, or of a pair.

    Parameters
    ----------
    comparison
        In eV.
    largest_displacement
        Of any atom by the model's relaxation, in Å; nan if it failed.
    """

    comparison: EnergyComparison
    largest_displacement: float


def defect_table(results: Sequence[DefectResult]) -> CaseTable:
    """DFT's and the model's values in eV, and how far atoms moved."""
    rows = []
    for result in results:
        values = [result.comparison.value(variant) for variant in (Variant.FIXED, Variant.RELAXED)]
        references = [v.reference for v in values if v is not None and not np.isnan(v.reference)]
        moved = result.largest_displacement
        rows.append(
            [
                result.comparison.name,
                f"{references[0]:.3f}" if references else "-",
                *(cell(value) for value in values),
                "-" if np.isnan(moved) else f"{moved:.2f}",
            ]
        )
    said = remarks([result.comparison for result in results])
    return CaseTable(
        "formation energies",
        ["defect", "DFT (eV)", "fixed-geometry (eV)", "relaxed (eV)", "moved (Å)"],
        rows,
        [*said, POTENTIALS],
    )


DEFECTS = Presentation(
    labels=LABELS,
    count_metric=COUNT_METRIC,
    cases="defects",
    verdict=partial(energy_verdict, what=WHAT),
    caption=partial(energy_caption, what=WHAT),
)
"""For `umlip_bench.analysis.tables.print_table`."""
