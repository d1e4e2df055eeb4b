"""Surface energies of faces, and the Wulff shape that those of a crystal imply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.energies import EnergyResult, EnergyVariant
from umlip_bench.analysis.energy_metrics import JudgedEnergy
from umlip_bench.analysis.intervals import Estimate
from umlip_bench.ground.units import J_PER_M2

if TYPE_CHECKING:
    from pymatgen.analysis.wulff import WulffShape

SHAPE = "Wulff construction"
"""Method of an `Estimate` that has no interval: one crystal, one shape."""


@dataclass(frozen=True, eq=False)
class SurfaceResult(EnergyResult):
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

    miller_index: tuple[int, ...]
    lattice: NDArray[np.float64] | None
    left_out: tuple[str, ...] = ()


def wulff_shape(results: Sequence[SurfaceResult], variant: EnergyVariant) -> WulffShape | None:
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


def missing_faces(results: Sequence[SurfaceResult], shape: WulffShape) -> tuple[str, ...]:
    """Faces with indices of 0 and ±1 that a shape was made without; each might be on the true one.

    Parameters
    ----------
    results
        Faces of one crystal.
    shape
        From `wulff_shape`; faces are told apart by the symmetry of its lattice, as in its construction.
    """
    from pymatgen.core.surface import get_symmetrically_distinct_miller_indices

    given = {_hkl(result.miller_index) for result in results}
    operations = shape.lattice.get_recp_symmetry_operation(shape.symprec)
    low = get_symmetrically_distinct_miller_indices(shape.structure, 1)
    return tuple(
        "(" + " ".join(map(str, index)) + ")"
        for index in sorted(low, key=lambda index: (sum(map(abs, index)), index[::-1]))
        if given.isdisjoint(
            tuple(sign * round(k) for k in operation.operate(index))
            for operation in operations
            for sign in (1, -1)
        )
    )


def _hkl(index: tuple[int, ...]) -> tuple[int, int, int]:
    """Of four indices hkil the third follows from the first two."""
    return index[0], index[1], index[-1]


def wulff_estimates(faces: Sequence[JudgedEnergy[SurfaceResult]]) -> list[Estimate]:
    """Area-weighted surface energy in eV/Å² and J/m² and anisotropy of the Wulff shape, if there is one.

    The anisotropy is the standard deviation of the surface energies, weighted by area, over their mean. Last
    is how many low-index faces the shape was made without; see `missing_faces`.
    """
    if not faces:
        return []
    shape = wulff_shape([face.result for face in faces], faces[0].value.variant)
    if shape is None:
        return []
    weighted = shape.weighted_surface_energy
    missing = len(missing_faces([face.result for face in faces], shape))
    numbers = (weighted, weighted / J_PER_M2, shape.anisotropy, missing)
    return [Estimate(float(each), None, None, len(faces), SHAPE) for each in numbers]
