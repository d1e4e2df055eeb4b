"""Formation energies of point defects, one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from umlip_bench.analysis.energies import EnergyResult, EnergyVariant, cell, remarks
from umlip_bench.analysis.tables import CaseTable

POTENTIALS = (
    "Atoms that a defect adds or removes are counted at the potentials of their elements; those of a "
    "compound's most electronegative element, where the data have none, at what is left of the compound's."
)


@dataclass(frozen=True, eq=False)
class DefectResult(EnergyResult):
    """Formation energies of a defect, or of a pair.

    Parameters
    ----------
    comparison
        In eV.
    largest_displacement
        Of any atom by the model's relaxation, in Å; nan if it failed.
    """

    largest_displacement: float


def case_table(results: Sequence[DefectResult]) -> CaseTable:
    """DFT's and the model's values in eV, and how far atoms moved."""
    rows = []
    for result in results:
        values = [
            result.comparison.value(variant)
            for variant in (EnergyVariant.FIXED, EnergyVariant.RELAXED)
        ]
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
