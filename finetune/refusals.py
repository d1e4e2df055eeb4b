"""When labels get no factor at all: c = 1 is written then, with the reason.

Both rules were held against 10,000 choices of 1, 2 and 4 labels (`umlip_bench.finetune.factor_study`): where
a factor makes its own labels worse, held-out forces get worse in most choices too, and by 1 % in the mean.
Of labels that no factor makes worse, a small r2 alone is no reason: down to r2 = 0.2 the factor of least
squared error lowers held-out errors, since it is small itself. Below what chance gives it rests on nothing.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import scipy

from umlip_bench.analysis.intervals import CONFIDENCE
from umlip_bench.analysis.softening import r2_of
from umlip_bench.finetune.factors import N_DISTINCT, FloatArray


def unsupported(sums: FloatArray) -> str | None:
    """Why labels do not support any factor; ``None`` if they do.

    Forces that have nothing to do with DFT's show an r2 too: with m components it stays below
    t² / (t² + m - 1) in 95 % of cases, t being Student's.
    """
    total = sums.sum(axis=0)
    components = max(3.0 * float(total[N_DISTINCT]), 2.0)
    t2 = float(scipy.stats.t.ppf(CONFIDENCE, components - 1.0)) ** 2
    chance, r2 = t2 / (t2 + components - 1.0), float(r2_of(total))
    if r2 > chance:
        return None
    return (
        f"r2 is {r2:.2f}, and forces that have nothing to do with DFT's show up to {chance:.2f} on as few "
        "independent components"
    )


def worsened(pairs: Iterable[tuple[FloatArray, FloatArray]], factor: float) -> str | None:
    """Whether a factor makes the labels' own forces worse; ``None`` if it does not.

    Parameters
    ----------
    pairs
        x and y of each frame, in eV/Å.
    factor
        The factor at the labels' own amplitude.
    """
    errors = np.array(
        [(np.abs(y - x).sum(), np.abs(factor * y - x).sum(), x.size) for x, y in pairs]
    )
    before, after, n = errors.sum(axis=0)
    if after <= before:
        return None
    return (
        f"{factor:.3f} would make the labels' own forces worse, their MAE {after / n:.3f} instead of "
        f"{before / n:.3f} eV/Å"
    )
