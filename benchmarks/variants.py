"""What the suites of one energy per case share: which variants may be compared with which DFT."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from umlip_bench.analysis.energies import EnergyValue, EnergyVariant, Standing
from umlip_bench.datasets.cases import Preparation
from umlip_bench.engine import Relaxed, Task
from umlip_bench.ground.errors import UmlipBenchError

NAN = float("nan")

FMAX = 0.05
"""eV/Å, of ions at a fixed cell; as Deng et al., npj Comput. Mater. 11, 9 (2025)."""
FMAX_CELL = 0.005
"""eV/Å, of crystals with a free cell: at 0.05, lattice constants of soft metals are 1 % off."""

DFT_NOT_RELAXED = "not comparable: DFT at fixed geometry"
DFT_NOT_STORED = "not comparable: DFT's relaxed geometry is not stored"


def fixed_value(
    reference: float, model: float, preparation: Preparation, flags: Sequence[str] = ()
) -> EnergyValue:
    """Value of single points at the stored geometry.

    Parameters
    ----------
    reference
        DFT's value; nan if there is none.
    model
        The model's.
    preparation
        Of DFT's value: it belongs to the stored geometry unless that says otherwise.
    flags
        See `EnergyValue`.
    """
    standing, reason = Standing.COMPARABLE, ""
    if np.isnan(reference):
        standing = Standing.NO_REFERENCE
    elif preparation is Preparation.NOT_STORED:
        standing, reason, reference = Standing.NOT_COMPARABLE, DFT_NOT_STORED, NAN
    return EnergyValue(EnergyVariant.FIXED, reference, model, standing, reason, tuple(flags))


def relaxed_value(
    reference: float,
    model: float,
    preparation: Preparation,
    relaxations: Iterable[Relaxed],
    *,
    changed: str = "",
    flags: Sequence[str] = (),
) -> EnergyValue:
    """Value after the model's own relaxation.

    Parameters
    ----------
    reference, model, preparation, flags
        As of `fixed_value`; DFT has to be relaxed, too.
    relaxations
        All that the model's value rests on.
    changed
        What it relaxed into, if that is something else than DFT's; empty otherwise.
    """
    unconverged = next((each for each in relaxations if not each.converged), None)
    standing, reason = Standing.COMPARABLE, ""
    if unconverged is not None:
        standing = Standing.UNCONVERGED
        reason = f"not converged: {unconverged.fmax:.2g} eV/Å after {unconverged.steps} steps"
    elif changed:
        standing, reason = Standing.CHANGED, changed
    elif np.isnan(reference):
        standing = Standing.NO_REFERENCE
    elif preparation in (Preparation.AS_BUILT, Preparation.SAMPLED):
        standing, reason = Standing.NOT_COMPARABLE, DFT_NOT_RELAXED
    if preparation in (Preparation.AS_BUILT, Preparation.SAMPLED):
        reference = NAN
    return EnergyValue(EnergyVariant.RELAXED, reference, model, standing, reason, tuple(flags))


def failed_value(error: UmlipBenchError) -> EnergyValue:
    """What there is of a relaxation that failed: the reason."""
    return EnergyValue(EnergyVariant.RELAXED, NAN, NAN, Standing.FAILED, f"failed: {error}")


def attempt(task: Task[EnergyValue]) -> Task[EnergyValue]:
    """Relax; if that fails, say so and keep the single points."""
    try:
        return (yield from task)
    except UmlipBenchError as error:
        return failed_value(error)
