"""What elastic constants say of a crystal without a reference."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.properties import Property
from umlip_bench.benchmarks.cells import BULK_MODULUS, lattice_properties
from umlip_bench.benchmarks.elastic.elasticity import moduli
from umlip_bench.benchmarks.elastic.result import FIXED, ElasticComparison, JudgedTensor, judged
from umlip_bench.ground.units import GPA

NEGLIGIBLE = 1e-6
"""Of the largest constant: less is zero by symmetry, or equal but for rounding."""


def properties(material: ElasticComparison, variant: str) -> Sequence[Property]:
    """Lattice constants, moduli, the constants that symmetry leaves different, and stability."""
    seen = judged(material, variant)
    if seen is None:
        failure = material.fixed_failure if variant == FIXED else material.relaxed_failure
        return (Property(key="failure", label="not measured", text=failure),) if failure else ()
    cell = None if variant == FIXED else material.own_cell
    lowest = f"lowest stiffness {seen.lowest_eigenvalue:.1f} GPa"
    return (
        *lattice_properties(cell),
        _bulk_modulus(seen),
        Property(
            key="shear_modulus",
            label="shear modulus G",
            value=seen.moduli["shear"],
            unit="GPa",
            digits=1,
        ),
        *(
            Property(
                key=f"C{i + 1}{j + 1}",
                label=f"C{i + 1}{j + 1}",
                value=float(seen.constants[i, j]) / GPA,
                unit="GPa",
                digits=1,
            )
            for i, j in distinct(seen.constants)
        ),
        Property(
            key="stability",
            label="mechanically stable",
            text=f"yes, {lowest}" if seen.is_stable else f"no, {lowest}",
        ),
    )


def distinct(constants: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    """Indices of the constants that are not zero, nor those of an earlier one but for the sign.

    Parameters
    ----------
    constants
        Shape (6, 6), symmetric.
    """
    near = NEGLIGIBLE * np.abs(constants).max()
    seen: list[float] = [0.0]
    for i, j in zip(*np.triu_indices(6), strict=True):
        size = abs(float(constants[i, j]))
        if min(abs(size - each) for each in seen) > near:
            seen.append(size)
            yield int(i), int(j)


def _bulk_modulus(seen: JudgedTensor) -> Property:
    """Hill's average; of the model's own cell with the steps that lead to it from energies."""
    strain = f"{100 * seen.material.strain:g} %"
    held = seen.material.held_bulk_modulus / GPA
    known = seen.is_stable and seen.variant != FIXED
    voigt = moduli(seen.constants).bulk_voigt / GPA if seen.is_stable else np.nan
    return Property(
        key="bulk_modulus",
        label="bulk modulus K",
        value=seen.moduli["bulk"],
        unit="GPa",
        digits=1,
        quantity=BULK_MODULUS if known else "",
        measured=f"stresses (strains of {strain}, atoms relaxed, Hill's average)",
        steps=(
            (f"at strains of {strain} of the relaxed cell", held),
            ("with atoms relaxed", voigt),
            (
                "where the shape may change (Hill's average in place of Voigt's)",
                seen.moduli["bulk"],
            ),
        )
        if known and np.isfinite(held)
        else (),
    )
