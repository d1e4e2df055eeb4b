"""When a difference from DFT is probably a mistake in the labels and not softness."""

from __future__ import annotations

from ase import units

HARTREE_PER_BOHR = units.Hartree / units.Bohr
"""51.42 eV/Å."""
LEAST_R2 = 0.3
"""Models that follow DFT at all have more, however soft they are."""
FAR = 10.0
"""No model is as much stiffer or softer than DFT; the nearest unit of forces is 25 times as large."""


def label_suspicion(slope: float, r2: float) -> str | None:
    """Say why a slope of forces is probably not softness.

    Parameters
    ----------
    slope
        Of the model's forces against the labels, through the origin; dimensionless.
    r2
        Uncentred, of the same.

    Returns
    -------
    str or None
        What the labels may be instead; ``None`` where nothing speaks against softness.
    """
    if r2 < LEAST_R2:
        return f"r2 is {r2:.2f}: are the labels' forces in another order of atoms, or of other geometries?"
    if slope < 0:
        return "the slope is negative: are the labels gradients instead of forces?"
    if slope > FAR:
        unit = "Hartree" if slope > HARTREE_PER_BOHR / 2**0.5 else "Rydberg"
        return f"the slope is {slope:.1f}: are the labels' forces in {unit}/bohr?"
    if slope < 1 / FAR:
        return f"the slope is {slope:.4f}: were the labels' forces multiplied by a unit twice?"
    return None
