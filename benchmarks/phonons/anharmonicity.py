"""Whether curvature that changes with amplitude is anharmonicity, as DFT has it too, or ripples."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.under_factor import OF_DFT, Energies
from umlip_bench.datasets.cases import AmplitudeSeries
from umlip_bench.ground.readonly import ReadOnlyArrays

if TYPE_CHECKING:
    from umlip_bench.engine.requests import Task

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Anharmonicity(ReadOnlyArrays):
    """Restoring force over distance of one atom along one line, of a model and of DFT in the same cells.

    Parameters
    ----------
    distances
        Shape (D,), Å, rising.
    reference, model
        Shape (D,), eV/Å².
    """

    distances: FloatArray
    reference: Annotated[FloatArray, OF_DFT]
    model: Energies

    @property
    def of_dft(self) -> float:
        """Ln of DFT's curvature at the largest distance over that at the smallest; nan unless positive."""
        return _change(self.reference)

    @property
    def of_model(self) -> float:
        """The model's, likewise."""
        return _change(self.model)

    def in_words(self) -> str:
        """Both changes, for the notes of a table of cases."""
        first, last = self.distances[[0, -1]]
        own, dft = (
            "changes its sign" if np.isnan(each) else f"{round(np.expm1(each), 2) + 0.0:+.0%}"
            for each in (self.of_model, self.of_dft)
        )
        return (
            f"along one displacement, {last:.2g} Å against {first:.2g} Å: {own}, DFT itself {dft}"
        )


def _change(curvatures: FloatArray) -> float:
    ends = curvatures[[0, -1]]
    return float(np.log(ends[1] / ends[0])) if ends.min() > 0.0 else float("nan")


def anharmonicity(series: AmplitudeSeries) -> Task[Anharmonicity]:
    """The model in the cells of the series."""
    from umlip_bench.engine.requests import (
        Static,  # with torch, which a reader of results does not need
    )

    answers = yield [Static(cell) for cell in series.cells]
    own = replace(series, forces=np.array([each.forces for each in answers]))
    return Anharmonicity(series.distances, series.curvatures, own.curvatures)
