"""Labels of curvature: how DFT's forces change when atoms are displaced from rest.

The row of the Hessian along a displacement u, H u / |u|, averaged over the way from rest to u, is exactly
(F(0) - F(u)) / |u|. So the curvature of a surface that is not harmonic, or rippled as CHGNet's, is compared
over the very amplitude of DFT's set; that of a smooth one is the same at every small amplitude.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from umlip_bench.analysis.softening import Softening, softening
from umlip_bench.datasets.frame import Frame, composition
from umlip_bench.engine.prediction import predict
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.potentials.protocol import Potential

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ForceSet(ReadOnlyArrays):
    """DFT's forces on displaced supercells of a crystal that is at rest without.

    Parameters
    ----------
    system
        Name of the material.
    rest
        The supercell at rest.
    displaced
        The displaced supercells.
    forces
        DFT's on these, shape (D, N, 3), eV/Å.
    """

    system: str
    rest: Atoms
    displaced: tuple[Atoms, ...]
    forces: FloatArray

    @property
    def composition(self) -> str:
        """Reduced formula."""
        return composition(self.rest)

    @property
    def lengths(self) -> FloatArray:
        """|u| over all atoms of each supercell, shape (D,), Å."""
        moved = [atoms.positions - self.rest.positions for atoms in self.displaced]
        return np.array([np.linalg.norm(each) for each in moved])

    @property
    def rows(self) -> FloatArray:
        """DFT's rows of the Hessian, shape (D, N, 3), eV/Å²; the forces at rest count as zero."""
        return -self.forces / self.lengths[:, None, None]

    def frames(self, system: str) -> list[Frame]:
        """The supercell at rest, then the displaced ones, as frames that a model is judged by.

        Parameters
        ----------
        system
            Name that they get.
        """
        cells = (self.rest, *self.displaced)
        labels = (np.zeros((len(self.rest), 3)), *self.forces)
        return [
            Frame(atoms, math.nan, forces, None, system, k)
            for k, (atoms, forces) in enumerate(zip(cells, labels, strict=True))
        ]


def curvature(potential: Potential, sets: Sequence[ForceSet]) -> Softening:
    """A model's rows of the Hessian against DFT's, over the amplitudes of the sets; in eV/Å².

    Raises
    ------
    StructureError
        If the model cannot evaluate a supercell.
    """
    found = []
    for each in sets:
        forces = [p.forces for p in predict(potential, [each.rest, *each.displaced], stress=False)]
        changes = forces[0] - np.array(forces[1:])
        found.append(changes / each.lengths[:, None, None])
    rows = [each.rows.ravel() for each in sets]
    return softening(np.concatenate(rows), np.concatenate([each.ravel() for each in found]))
