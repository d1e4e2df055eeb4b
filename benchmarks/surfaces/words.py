"""Surfaces face by face."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from umlip_bench.analysis.energies import EnergyValue, EnergyVariant, cell, remarks
from umlip_bench.analysis.tables import CaseTable
from umlip_bench.benchmarks.surfaces.result import SurfaceResult, missing_faces, wulff_shape
from umlip_bench.ground.units import J_PER_M2

if TYPE_CHECKING:
    from pymatgen.analysis.wulff import WulffShape


def case_table(results: Sequence[SurfaceResult]) -> CaseTable:
    """Energies of each face in J/m² and eV/Å², DFT's where there are any, and areas of the Wulff shape."""
    shapes = {
        variant: wulff_shape(results, variant)
        for variant in (EnergyVariant.FIXED, EnergyVariant.RELAXED)
    }
    fractions = {
        variant: {} if shape is None else _fractions(shape) for variant, shape in shapes.items()
    }
    reference = any(
        not np.isnan(value.reference) for result in results for value in result.comparison.values
    )
    columns = ["surface"]
    for variant in (EnergyVariant.FIXED, EnergyVariant.RELAXED):
        columns += [f"{variant} (J/m²)", "(eV/Å²)"]
        columns += ["over DFT"] if reference else []
        columns += ["area"] if fractions[variant] else []
    said = remarks([result.comparison for result in results])
    rows = []
    for result in results:
        row = [result.comparison.name]
        for variant in (EnergyVariant.FIXED, EnergyVariant.RELAXED):
            value = result.comparison.value(variant)
            row += [cell(value, 3, J_PER_M2), cell(value, 4)]
            row += [_ratio(value)] if reference else []
            row += [_area(result, value, fractions[variant])] if fractions[variant] else []
        rows.append(row)
    for variant, shape in shapes.items():
        if shape is not None:
            weighted = shape.weighted_surface_energy
            missing = missing_faces(results, shape)
            without = (
                f", without {', '.join(missing)}, which may be on the true one" if missing else ""
            )
            said.append(
                f"Wulff shape, {variant}: mean over its area {weighted / J_PER_M2:.3f} J/m² "
                f"({weighted:.4f} eV/Å²), anisotropy {shape.anisotropy:.3f}{without}"
            )
    left_out = dict.fromkeys(words for result in results for words in result.left_out)
    if left_out:
        said.append(f"Left out: {', '.join(left_out)}.")
    return CaseTable("surface energies", columns, rows, said)


def _fractions(shape: WulffShape) -> Mapping[tuple[int, ...], float]:
    return {tuple(index): share for index, share in shape.area_fraction_dict.items()}


def _ratio(value: EnergyValue | None) -> str:
    return f"{value.ratio:.2f}" if value is not None and value.comparable else "-"


def _area(
    result: SurfaceResult,
    value: EnergyValue | None,
    fractions: Mapping[tuple[int, ...], float],
) -> str:
    return "-" if value is None else f"{fractions.get(result.miller_index, 0.0):.0%}"
