"""A factor without any label: what a second potential says of a model, and how far that can be trusted.

On states of one material the second potential asks the model for the factor c_2 = sum(x y) / sum(y y), with
its own forces as x and the model's as y, as DFT's forces would. How DFT's factor c follows from it is known
where both are: over the materials of a calibration, log c = a + b log c_2 with a scatter of variance
s0^2 + s1^2 (1 - r2) / r2, r2 being that of the two potentials' forces. The interval is conformal (V. Vovk,
A. Gammerman, G. Shafer, Algorithmic Learning in a Random World, 2005; J. Lei et al., J. Am. Stat. Assoc. 113,
1094 (2018)): residuals of the calibration, scaled by that scatter, say how wide it has to be, whatever
their distribution.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from scipy.optimize import minimize

from umlip_bench.analysis.softening import softening
from umlip_bench.datasets.frame import composition
from umlip_bench.engine.prediction import predict
from umlip_bench.finetune.comparison import MIN_RMS_FORCE
from umlip_bench.finetune.method import ClosedFit
from umlip_bench.ground.errors import CorrectionError
from umlip_bench.potentials.corrections.modification import ScalarCorrection
from umlip_bench.potentials.protocol import Potential

FloatArray = NDArray[np.float64]

TABLE = Path(__file__).parent / "agreement.csv"
"""The calibration that comes with the package; `umlip_bench.finetune.agreement_study` makes it."""
LEVEL = 0.9
"""Of intervals."""
LEAST_MATERIALS = 20
"""Below it a conformal interval of `LEVEL` rests on a residual or two."""
LEAST_R2 = 0.5
"""Of the two potentials' forces: below it they do not speak of the same surface."""


@dataclass(frozen=True)
class Agreement:
    """A model and a second potential on one material, and DFT there.

    Parameters
    ----------
    data, material, formula
        Name of the data set, of the material in it, and its reduced formula.
    model, second
        Names of the two potentials.
    n_frames
        Frames that it rests on.
    log_factor
        log c of DFT's forces.
    log_ratio
        log c_2 of the second potential's.
    r2
        Of the two potentials' forces, uncentred.
    """

    data: str
    material: str
    formula: str
    model: str
    second: str
    n_frames: int
    log_factor: float
    log_ratio: float
    r2: float


@dataclass(frozen=True)
class AgreementLaw:
    """log c = intercept + slope log c_2, with a variance of still^2 + noisy^2 (1 - r2) / r2."""

    intercept: float
    slope: float
    still: float
    noisy: float

    def centre(self, log_ratio: FloatArray) -> FloatArray:
        """Expected log c."""
        return self.intercept + self.slope * log_ratio

    def scatter(self, r2: FloatArray) -> FloatArray:
        """Standard deviation of log c, up to a factor that the residuals give."""
        return np.sqrt(self.still**2 + self.noisy**2 * (1.0 - r2) / r2)


@dataclass(frozen=True)
class UnlabelledFactor:
    """A factor that no label had a part in.

    Parameters
    ----------
    factor
        c on the model's energy surface.
    low, high
        Ends of its interval at `LEVEL`.
    ratio, r2
        c_2 and r2 of the two potentials' forces on the states.
    n_states, n_components
        States with forces beyond the noise, and their force components.
    n_materials
        Of the calibration.
    """

    factor: float
    low: float
    high: float
    ratio: float
    r2: float
    n_states: int
    n_components: int
    n_materials: int


class Calibration:
    """What is known of a model and a second potential where DFT is known.

    Parameters
    ----------
    rows
        Of one model and one second potential, in any order.

    Raises
    ------
    CorrectionError
        If there are fewer than `LEAST_MATERIALS` that can be used.
    """

    def __init__(self, rows: Sequence[Agreement]) -> None:
        self.rows = tuple(row for row in rows if row.r2 >= LEAST_R2)
        if len(self.rows) < LEAST_MATERIALS:
            pairs = {f"{row.model} by {row.second}" for row in rows} or {"these potentials"}
            raise CorrectionError(
                f"the calibration has {len(self.rows)} materials for {' and '.join(sorted(pairs))}, of "
                f"{LEAST_MATERIALS} that are needed"
            )
        self._log_factor = np.array([row.log_factor for row in self.rows])
        self._log_ratio = np.array([row.log_ratio for row in self.rows])
        self._r2 = np.array([row.r2 for row in self.rows])

    @cached_property
    def law(self) -> AgreementLaw:
        """Of most likelihood for the rows, with Student's t (3 degrees of freedom) against outliers."""
        x, y, noise = self._log_ratio, self._log_factor, (1.0 - self._r2) / self._r2

        def loss(p: FloatArray) -> float:
            variance = np.exp(2 * p[2]) + np.exp(2 * p[3]) * noise
            square = (y - p[0] - p[1] * x) ** 2 / variance
            return float(np.sum(0.5 * np.log(variance) + 2.0 * np.log1p(square / 3.0)))

        found = minimize(
            loss,
            (0.0, 1.0, math.log(0.08), math.log(0.2)),
            method="Nelder-Mead",
            options={"maxiter": 4000, "fatol": 1e-8, "xatol": 1e-6},
        ).x
        return AgreementLaw(
            float(found[0]), float(found[1]), float(np.exp(found[2])), float(np.exp(found[3]))
        )

    @cached_property
    def _scaled(self) -> FloatArray:
        """Residuals in units of the scatter, without sign, sorted."""
        residuals = np.abs(self._log_factor - self.law.centre(self._log_ratio))
        return np.sort(residuals / self.law.scatter(self._r2))

    def half_width(self, r2: float) -> float:
        """Of the interval of log c."""
        n = len(self._scaled)
        rank = math.ceil((n + 1) * LEVEL)
        return float(self._scaled[min(rank, n) - 1] * self.law.scatter(np.array([r2]))[0])

    def without(self, formulas: Collection[str]) -> Calibration:
        """The same without materials of these formulas."""
        return Calibration([row for row in self.rows if row.formula not in formulas])

    def interval(self, log_ratio: float, r2: float) -> tuple[float, float, float]:
        """Give log c and the ends of its interval.

        Raises
        ------
        CorrectionError
            If the calibration says nothing of such a pair of forces: they are too different from each
            other, or differ by more than those of any of its materials.
        """
        if not r2 >= LEAST_R2:
            raise CorrectionError(
                f"not known: the two potentials' forces have r2 {r2:.2f}, and below {LEAST_R2} one says "
                "nothing of the other's softness; label a frame, or take another second potential"
            )
        least, most = float(self._log_ratio.min()), float(self._log_ratio.max())
        if not least <= log_ratio <= most:
            raise CorrectionError(
                f"not known: the second potential asks for a factor of {math.exp(log_ratio):.2f}, and on "
                f"none of the {len(self.rows)} materials of the calibration for more than "
                f"{math.exp(most):.2f} or less than {math.exp(least):.2f}; label a frame"
            )
        centre = float(self.law.centre(np.array([log_ratio]))[0])
        half = self.half_width(r2)
        return centre, centre - half, centre + half


def compared(second: Sequence[FloatArray], model: Sequence[FloatArray]) -> tuple[float, float, int]:
    """Give log c_2, r2 and the number of components of two potentials' forces on the same states.

    Parameters
    ----------
    second, model
        Forces of each state, shape (N, 3), eV/Å; states at rest are left out by the caller.

    Raises
    ------
    CorrectionError
        If they point the other way.
    """
    both = softening(
        np.concatenate([each.ravel() for each in second]),
        np.concatenate([each.ravel() for each in model]),
    )
    if not both.inverse > 0:
        raise CorrectionError(
            "not known: the two potentials' forces point in opposite directions; label a frame"
        )
    return math.log(both.inverse), both.r2, both.n


def factor_of_states(
    model: Potential, second: Potential, states: Sequence[Atoms], calibration: Calibration
) -> UnlabelledFactor:
    """The factor that a second potential makes likely.

    Parameters
    ----------
    model
        To be corrected.
    second
        The other.
    states
        High-energy states of one material, such as frames of dynamics.
    calibration
        Of these two; materials of the states' formulas have no part.

    Raises
    ------
    CorrectionError
        If it cannot be said: see `Calibration.interval`; or if all states are at rest.
    StructureError
        If a potential cannot evaluate a state.
    """
    found = [
        [each.forces for each in predict(potential, states, stress=False)]
        for potential in (second, model)
    ]
    moved = [k for k, forces in enumerate(found[0]) if np.sqrt(np.mean(forces**2)) >= MIN_RMS_FORCE]
    if not moved:
        raise CorrectionError(
            f"all {len(states)} states are at rest (forces below {MIN_RMS_FORCE} eV/Å); give states of "
            "dynamics"
        )
    log_ratio, r2, n = compared(*([forces[k] for k in moved] for forces in found))
    known = calibration.without({composition(atoms) for atoms in states})
    centre, low, high = (math.exp(each) for each in known.interval(log_ratio, r2))
    return UnlabelledFactor(
        centre, low, high, math.exp(log_ratio), r2, len(moved), n, len(known.rows)
    )


@dataclass(frozen=True)
class UnlabelledFit(ClosedFit):
    """A scalar correction that no label had a part in.

    Parameters
    ----------
    found
        The factor.
    second
        Name of the second potential.
    """

    found: UnlabelledFactor
    second: str

    @property
    def correction(self) -> ScalarCorrection:
        """See `ClosedFit`."""
        return ScalarCorrection(self.found.factor)

    def labels_record(self) -> dict[str, object]:
        """See `Fit`."""
        return {"n_frames": 0, "n_states": self.found.n_states}


# ---- the table


COLUMNS = tuple(field.name for field in fields(Agreement))


def read_table(path: Path = TABLE) -> tuple[Agreement, ...]:
    """Rows of a calibration.

    Raises
    ------
    CorrectionError
        If it is no such table.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise CorrectionError(
                    f"{path} is no calibration: its columns are {', '.join(reader.fieldnames or ())}, not "
                    f"{', '.join(COLUMNS)}"
                )
            return tuple(_row(entry) for entry in reader)
    except (OSError, ValueError, UnicodeDecodeError, csv.Error) as error:
        raise CorrectionError(f"{path} cannot be read as a calibration: {error}") from error


def _row(entry: dict[str, str]) -> Agreement:
    found = Agreement(
        entry["data"],
        entry["material"],
        entry["formula"],
        entry["model"],
        entry["second"],
        int(entry["n_frames"]),
        float(entry["log_factor"]),
        float(entry["log_ratio"]),
        float(entry["r2"]),
    )
    if not all(map(math.isfinite, (found.log_factor, found.log_ratio, found.r2))):
        raise ValueError(f"not a finite number in the row of {found.material}")
    return found


def calibration_of(model: str, second: str, rows: Sequence[Agreement]) -> Calibration:
    """The calibration of a model by a second potential.

    Raises
    ------
    CorrectionError
        If the rows have none for these two.
    """
    own = [row for row in rows if (row.model, row.second) == (model, second)]
    if not own:
        pairs = sorted({f"{row.model} by {row.second}" for row in rows})
        raise CorrectionError(
            f"there is no calibration of {model} by {second}; there is one of {', '.join(pairs)}. "
            "python -m umlip_bench.finetune.agreement_study makes one of run folders of both"
        )
    return Calibration(own)
