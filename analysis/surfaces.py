"""Surfaces: tables face by face, and the Wulff shape that a crystal's surface energies imply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from ase.units import J, m
from numpy.typing import NDArray

from umlip_bench.analysis.energies import (
    COUNT_METRIC,
    LABELS,
    EnergyComparison,
    EnergyValue,
    Variant,
    cell,
    energy_caption,
    energy_verdict,
    remarks,
)
from umlip_bench.analysis.intervals import Estimate
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import CaseTable, Presentation

WHAT = "surface energies"

if TYPE_CHECKING:
    from pymatgen.analysis.wulff import WulffShape

SI = J / m**2
"""1 J/m² in eV/Å²."""

VARIANTS = (Variant.FIXED, Variant.RELAXED)

SHAPE = "Wulff construction"
"""Method of an `Estimate` that has no interval: one crystal, one shape."""


@dataclass(frozen=True, eq=False)
class SurfaceResult:
    """Surface energies of one face.

    Parameters
    ----------
    comparison
        In eV/Å².
    miller_index
        Three integers, or four for hexagonal axes.
    lattice
        Shape (3, 3), Å: conventional cell that the index refers to; ``None`` where it is not known.
    left_out
        Terminations of the crystal that were not measured, in words.
    """

    comparison: EnergyComparison
    miller_index: tuple[int, ...]
    lattice: NDArray[np.float64] | None
    left_out: tuple[str, ...] = ()


def wulff_shape(results: Sequence[SurfaceResult], variant: Variant) -> WulffShape | None:
    """Shape of least surface energy of a crystal with these faces.

    Wulff, Z. Kristallogr. 34, 449 (1901); constructed by pymatgen (Tran et al., Sci. Data 3, 160080
    (2016)). Of several terminations of a face, the one of least energy counts.

    Parameters
    ----------
    results
        Faces of one crystal.
    variant
        Whose energies.

    Returns
    -------
    WulffShape or None
        ``None`` if the faces are of several crystals or of one without its lattice, if one has no
        positive energy (a crystal that cleaves by itself has no shape), or if they enclose no volume.
    """
    from pymatgen.analysis.wulff import WulffShape
    from pymatgen.core import Lattice
    from scipy.spatial import QhullError

    if len({result.comparison.system for result in results}) != 1:
        return None
    least: dict[tuple[int, ...], float] = {}
    for result in results:
        value = result.comparison.value(variant)
        if result.lattice is None or value is None or not value.model > 0 or not value.converged:
            return None
        known = least.get(result.miller_index, np.inf)
        least[result.miller_index] = min(known, value.model)
    try:
        return WulffShape(Lattice(results[0].lattice), list(least), list(least.values()))
    except (QhullError, ValueError):
        # Faces of one direction alone do not close.
        return None


def wulff_rows(head: RowHead, results: Sequence[SurfaceResult]) -> list[Row]:
    """Area-weighted surface energy in eV/Å² and J/m² and anisotropy of the Wulff shape.

    The anisotropy is the standard deviation of the surface energies, weighted by area, over their mean.

    Parameters
    ----------
    head
        With the variant.
    results
        Faces; no rows if they have no shape.
    """
    shape = wulff_shape(results, Variant(head.variant))
    if shape is None:
        return []

    def estimate(value: float) -> Estimate:
        return Estimate(float(value), None, None, len(results), SHAPE)

    weighted = shape.weighted_surface_energy
    return [
        head.row("weighted_surface_energy", "eV/Å^2", estimate(weighted)),
        head.row("weighted_surface_energy_si", "J/m^2", estimate(weighted / SI)),
        head.row("shape_anisotropy", "", estimate(shape.anisotropy)),
    ]


def surface_table(results: Sequence[SurfaceResult]) -> CaseTable:
    """Energies of each face in J/m² and eV/Å², DFT's where there are any, and areas of the Wulff shape."""
    shapes = {variant: wulff_shape(results, variant) for variant in VARIANTS}
    fractions = {
        variant: {} if shape is None else _fractions(shape) for variant, shape in shapes.items()
    }
    reference = any(
        not np.isnan(value.reference) for result in results for value in result.comparison.values
    )
    columns = ["surface"]
    for variant in VARIANTS:
        columns += [f"{variant} (J/m²)", "(eV/Å²)"]
        columns += ["over DFT"] if reference else []
        columns += ["area"] if fractions[variant] else []
    said = remarks([result.comparison for result in results])
    rows = []
    for result in results:
        row = [result.comparison.name]
        for variant in VARIANTS:
            value = result.comparison.value(variant)
            row += [cell(value, 3, SI), cell(value, 4)]
            row += [_ratio(value)] if reference else []
            row += [_area(result, value, fractions[variant])] if fractions[variant] else []
        rows.append(row)
    for variant, shape in shapes.items():
        if shape is not None:
            weighted = shape.weighted_surface_energy
            said.append(
                f"Wulff shape, {variant}: mean over its area {weighted / SI:.3f} J/m² "
                f"({weighted:.4f} eV/Å²), anisotropy {shape.anisotropy:.3f}"
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


SURFACES = Presentation(
    labels=(
        *LABELS[:4],
        ("mae_si", "MAE"),
        ("mean_signed_error_si", "signed error"),
        *LABELS[5:],
    ),
    count_metric=COUNT_METRIC,
    cases="surfaces",
    verdict=partial(energy_verdict, what=WHAT),
    caption=partial(energy_caption, what=WHAT),
)
"""For `umlip_bench.analysis.tables.print_table`."""
