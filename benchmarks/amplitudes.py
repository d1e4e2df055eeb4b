"""Curvature at several amplitudes: whether a model's surface is harmonic where curvatures are measured.

Networks may be rippled: bent on a scale of hundredths of Å as no crystal is. CHGNet's mean ω² of GaAs is
1.0, 3.5, 3.6 and 8.5 THz² at displacements of 0.003, 0.01, 0.03 and 0.1 Å; M3GNet's is 11.2 to 11.9. Numbers
taken at different amplitudes then do not belong together. So beside the amplitude of DFT's data, at which
models are compared, the model alone is measured at several, in the number format of the run. Double precision
would need a second model beside it for what single precision tells as well: at 0.003 Å it moves ω² by 0.8 %
at most (Al, CHGNet), elsewhere by 0.3 %, and a surface counts as harmonic within 10 %.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.metric import Metric
from umlip_bench.analysis.over import Median, Share
from umlip_bench.analysis.under_factor import Energies
from umlip_bench.ground.readonly import ReadOnlyArrays

V = TypeVar("V")

FloatArray = NDArray[np.float64]
NAN = float("nan")

HARMONIC = 0.1
"""Curvatures that differ by no more than this share are those of a harmonic surface."""


@dataclass(frozen=True, eq=False)
class AmplitudeScan(ReadOnlyArrays):
    """One curvature of a model at several amplitudes, each of both signs.

    Parameters
    ----------
    amplitudes
        Shape (A,), rising: displacements in Å, strains, or relative volumes.
    curvatures
        Shape (A,), in any unit.
    scales
        Over DFT's, which was taken at the amplitude of its data; shape (A,), nan without one.
    """

    amplitudes: FloatArray
    curvatures: Energies
    scales: Energies

    def curvature(self, amplitude: float) -> float:
        """The curvature at one of the amplitudes; nan at another."""
        return _at(self.amplitudes, self.curvatures, amplitude)

    def scale(self, amplitude: float) -> float:
        """Over DFT's, likewise."""
        return _at(self.amplitudes, self.scales, amplitude)

    def ripple(self, small: float, large: float) -> float:
        """Ln of the curvature at the larger amplitude over that at the smaller; nan unless positive."""
        ends = self.curvature(small), self.curvature(large)
        return float(np.log(ends[1] / ends[0])) if min(ends) > 0.0 else NAN

    @property
    def not_harmonic(self) -> tuple[float, ...]:
        """Amplitudes at which the curvature is not that at the smallest, within `HARMONIC`."""
        first = self.curvatures[0]
        off = ~(np.abs(self.curvatures - first) <= HARMONIC * abs(first))
        return tuple(self.amplitudes[off].tolist())


def _at(amplitudes: FloatArray, values: FloatArray, amplitude: float) -> float:
    (found,) = np.nonzero(np.isclose(amplitudes, amplitude))
    return float(values[found[0]]) if len(found) else NAN


def scan_metrics(
    of: Callable[[V], AmplitudeScan | None],
    amplitudes: Sequence[float],
    ends: tuple[float, float],
    unit: str,
    only: tuple[str, ...],
) -> tuple[Metric[V], ...]:
    """What a suite declares of its scans.

    Parameters
    ----------
    of
        The scan of a case, if there is one.
    amplitudes
        That were measured.
    ends
        Amplitudes between which the ripple is taken; beyond them true anharmonicity shows.
    unit
        Of the curvatures.
    only
        Variants that have it.
    """

    def number(value: Callable[[AmplitudeScan], float]) -> Callable[[V], float]:
        def found(view: V) -> float:
            scan = of(view)
            return NAN if scan is None else value(scan)

        return found

    def at(amplitude: float) -> tuple[Metric[V], ...]:
        return (
            Metric(
                f"curvature_at_{amplitude:g}",
                number(lambda s: s.curvature(amplitude)),
                unit,
                only=only,
            ),
            Metric(
                f"scale_at_{amplitude:g}",
                number(lambda s: s.scale(amplitude)),
                over=(Median(f"/ DFT at {amplitude:g}"),),
                only=only,
            ),
        )

    return (
        *(metric for amplitude in amplitudes for metric in at(amplitude)),
        Metric("ripple", number(lambda s: s.ripple(*ends)), over=(Median("ripple"),), only=only),
        Metric(
            "not_harmonic",
            number(lambda s: float(any(a <= ends[1] for a in s.not_harmonic))),
            over=(Share("not harmonic", name="share_not_harmonic"),),
            only=only,
        ),
    )


def remark(scan: AmplitudeScan, what: str, unit: str, ends: tuple[float, float], of: str) -> str:
    """Curvatures at all amplitudes and the ripple in words, for the notes of a table of cases."""
    values = " / ".join(f"{each:.3g}" for each in scan.curvatures)
    at = " / ".join(f"{each:g}" for each in scan.amplitudes)
    ripple = scan.ripple(*ends)
    said = "" if np.isnan(ripple) else f", ripple {ripple:.2f}"
    off = [f"{each:g}" for each in scan.not_harmonic if each <= ends[1]]
    flag = f"; not harmonic at {', '.join(off)}" if off else ""
    return f"{what} {values} {unit} at {at} {of}{said}{flag}"
