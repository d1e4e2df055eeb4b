"""Equations of state: a model's volume, bulk modulus and its derivative against DFT's.

The bulk modulus is a curvature, so the ratio of the model's to DFT's says how soft the model is near
equilibrium. It is taken twice: at DFT's equilibrium volume (``fixed-geometry``), where a model with
another equilibrium is under pressure, and at the model's own (``relaxed``). A model whose volume is too
large is softer at its own for that reason alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy import constants

from umlip_bench.analysis.intervals import (
    CLOPPER_PEARSON,
    MEDIAN_FROM,
    ORDER_STATISTICS,
    median_estimate,
    share_estimate,
)
from umlip_bench.analysis.softening import energy_slope
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import CaseTable, Presentation, number, with_interval
from umlip_bench.ground.birch_murnaghan import BirchMurnaghan, Equilibrium, delta, nu
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

SUITE = "eos"
FIXED = "fixed-geometry"
RELAXED = "relaxed"

GPA = constants.giga * constants.angstrom**3 / constants.electron_volt
"""1 GPa in eV/Å³."""


@dataclass(frozen=True, eq=False)
class Curve(ReadOnlyArrays):
    """Energies of one crystal at several volumes.

    Parameters
    ----------
    volumes
        Shape (P,), Å³ of the cell.
    energies
        Shape (P,), eV of the cell.
    """

    volumes: FloatArray
    energies: FloatArray

    def __post_init__(self) -> None:
        super().__post_init__()
        if np.ndim(self.volumes) != 1 or np.shape(self.volumes) != np.shape(self.energies):
            raise DataError(
                f"volumes of shape {np.shape(self.volumes)} and energies of shape "
                f"{np.shape(self.energies)}: one energy per volume is needed"
            )

    @property
    def fit(self) -> BirchMurnaghan:
        """Birch-Murnaghan curve through the points."""
        return BirchMurnaghan.fit(self.volumes, self.energies)

    @property
    def equilibrium(self) -> Equilibrium | None:
        """Minimum of the fit; ``None`` if it is not among the volumes."""
        return self.fit.equilibrium(float(self.volumes.min()), float(self.volumes.max()))


@dataclass(frozen=True, eq=False)
class EosComparison(ReadOnlyArrays):
    """What a model says of one material, beside DFT.

    Parameters
    ----------
    name
        Unique name of the material.
    n_atoms
        Atoms in the cell that all volumes and energies belong to.
    reference
        DFT's curve; ``None`` for a structure without reference.
    reference_points
        The points that DFT's curve was fitted to; ``None`` where only the fit is known.
    fixed
        The model at DFT's geometries; ``None`` without reference.
    relaxed
        The model around its own minimum; ``None`` if the relaxation failed.
    note
        Why something is missing; empty if nothing is.
    """

    name: str
    n_atoms: int
    reference: Equilibrium | None
    reference_points: Curve | None
    fixed: Curve | None
    relaxed: Curve | None
    note: str = ""


@dataclass(frozen=True)
class EosMetrics:
    """The numbers of one material; nan where there is no reference or no minimum.

    Parameters
    ----------
    fixed_bulk_modulus_scale
        B of the model at DFT's equilibrium volume over B₀ of DFT.
    fixed_pressure
        Pressure of the model there, GPa.
    fixed_energy_slope
        Of the model's energy differences against those of DFT, where DFT's points are known.
    fixed_volume_error, relaxed_volume_error
        Equilibrium volume relative to DFT's, minus one.
    relaxed_bulk_modulus_scale
        B₀ of the model over B₀ of DFT, each at its own volume.
    fixed_derivative_error, relaxed_derivative_error
        B₀' minus DFT's.
    fixed_delta, relaxed_delta
        meV/atom; see `umlip_bench.ground.birch_murnaghan.delta`.
    fixed_nu, relaxed_nu
        Percent; see `umlip_bench.ground.birch_murnaghan.nu`.
    volume
        The model's own, Å³/atom.
    bulk_modulus
        The model's own, GPa.
    bulk_modulus_derivative
        The model's own.
    """

    fixed_bulk_modulus_scale: float = np.nan
    fixed_pressure: float = np.nan
    fixed_energy_slope: float = np.nan
    fixed_volume_error: float = np.nan
    fixed_derivative_error: float = np.nan
    fixed_delta: float = np.nan
    fixed_nu: float = np.nan
    relaxed_bulk_modulus_scale: float = np.nan
    relaxed_volume_error: float = np.nan
    relaxed_derivative_error: float = np.nan
    relaxed_delta: float = np.nan
    relaxed_nu: float = np.nan
    volume: float = np.nan
    bulk_modulus: float = np.nan
    bulk_modulus_derivative: float = np.nan


def eos_metrics(material: EosComparison) -> EosMetrics:
    """Compare the curves of one material.

    Raises
    ------
    DataError
        If a curve has too few points; names the material.
    """
    try:
        own = None if material.relaxed is None else material.relaxed.equilibrium
        numbers: dict[str, float] = {}
        if own is not None:
            numbers |= {
                "volume": own.volume / material.n_atoms,
                "bulk_modulus": own.bulk_modulus / GPA,
                "bulk_modulus_derivative": own.bulk_modulus_derivative,
            }
        if material.reference is not None:
            if own is not None:
                numbers |= _prefixed("relaxed", _differences(own, material))
                ratio = own.bulk_modulus / material.reference.bulk_modulus
                numbers["relaxed_bulk_modulus_scale"] = ratio
            if material.fixed is not None:
                numbers |= _prefixed("fixed", _at_reference(material.fixed, material))
    except DataError as error:
        raise DataError(f"material {material.name!r}: {error}") from error
    return EosMetrics(**numbers)


def _prefixed(variant: str, numbers: dict[str, float]) -> dict[str, float]:
    return {f"{variant}_{key}": value for key, value in numbers.items()}


def _at_reference(curve: Curve, material: EosComparison) -> dict[str, float]:
    """The model at DFT's volumes."""
    reference = material.reference
    assert reference is not None
    fit = curve.fit
    numbers = {
        "bulk_modulus_scale": float(fit.bulk_modulus(reference.volume)) / reference.bulk_modulus,
        "pressure": float(fit.pressure(reference.volume)) / GPA,
    }
    if material.reference_points is not None:
        energies = material.reference_points.energies
        # Equal compositions all: one group.
        numbers["energy_slope"] = energy_slope(energies, curve.energies, [""] * len(energies))
    minimum = curve.equilibrium
    return numbers if minimum is None else numbers | _differences(minimum, material)


def _differences(model: Equilibrium, material: EosComparison) -> dict[str, float]:
    reference = material.reference
    assert reference is not None
    per_atom = [
        Equilibrium(e.volume / material.n_atoms, e.bulk_modulus, e.bulk_modulus_derivative)
        for e in (model, reference)
    ]
    return {
        "volume_error": model.volume / reference.volume - 1.0,
        "derivative_error": model.bulk_modulus_derivative - reference.bulk_modulus_derivative,
        "delta": 1000.0 * delta(*per_atom),
        "nu": nu(model, reference),
    }


def eos_rows(model: str, data: str, materials: Sequence[EosComparison], n_failed: int) -> list[Row]:
    """Summarise a model over materials, each variant apart.

    Parameters
    ----------
    model, data
        Names for the rows.
    materials
        Those that the model gave results for; may be empty.
    n_failed
        Materials that it gave none for; those without one of the variants are added to it.

    Returns
    -------
    list of Row
        Medians over materials with order statistic intervals, and the share of curves that have no minimum
        among their volumes. Those rank as what they are: the softest around their own minimum, of too
        large a volume if the energy falls to the largest, farthest from DFT's curve.
    """
    found = [(each, eos_metrics(each)) for each in materials if each.reference is not None]
    rows: list[Row] = []
    if materials and not found:
        return rows
    for variant, prefix in ((FIXED, "fixed"), (RELAXED, "relaxed")):
        pairs = [
            (_of_variant(prefix, numbers), curve)
            for each, numbers in found
            if (curve := each.fixed if variant == FIXED else each.relaxed) is not None
        ]
        metrics, curves = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
        head = RowHead(model, data, SUITE, variant, n_failed + len(found) - len(metrics))
        without = [curve for curve in curves if curve.equilibrium is None]
        scales = [m["bulk_modulus_scale"] for m in metrics if np.isfinite(m["bulk_modulus_scale"])]
        # At DFT's volume a curve has a curvature whether or not it has a minimum.
        softest = len(metrics) - len(scales)
        softened = sum(scale < 1.0 for scale in scales) + softest
        expands = sum(bool(curve.energies[-1] < curve.energies[0]) for curve in without)
        volume = median_estimate(
            _defined(metrics, "volume_error"), below=len(without) - expands, above=expands
        )
        rows += [
            head.row("bulk_modulus_scale_median", "", median_estimate(scales, below=softest)),
            head.row("share_softened", "", share_estimate(softened, len(metrics))),
            head.row("volume_error_median", "%", volume),
            *(
                head.row(f"{key}_median", unit, median_estimate(_defined(metrics, key)))
                for key, unit in (("pressure", "GPa"), ("energy_slope", ""))
            ),
            *(
                head.row(
                    name,
                    unit,
                    median_estimate(np.abs(_defined(metrics, key)), above=len(without)),
                )
                for name, key, unit in _DISTANCES
            ),
            head.row("share_no_minimum", "", share_estimate(len(without), len(metrics))),
        ]
    return [row for row in rows if row.n_cases or row.metric == "bulk_modulus_scale_median"]


_DISTANCES = (
    ("delta_median", "delta", "meV/atom"),
    ("nu_median", "nu", "%"),
    ("volume_error_mae", "volume_error", "%"),
    ("derivative_mae", "derivative_error", ""),
)
"""From DFT's curve: row, number of a material, unit."""


def _of_variant(prefix: str, metrics: EosMetrics) -> dict[str, float]:
    start = f"{prefix}_"
    numbers = asdict(metrics)
    found = {
        field.name.removeprefix(start): float(numbers[field.name])
        for field in fields(metrics)
        if field.name.startswith(start)
    }
    return found | {"volume_error": 100.0 * found["volume_error"]}


def _defined(metrics: Sequence[dict[str, float]], key: str) -> list[float]:
    return [m[key] for m in metrics if np.isfinite(m.get(key, np.nan))]


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model's bulk moduli are too small."""
    found = {row.metric: row for row in rows if row.model == model}
    scale = found.get("bulk_modulus_scale_median")
    if scale is None or scale.n_cases == 0:
        return f"{model}: no verdict: no material with a curve"
    if scale.ci_low is None or scale.ci_high is None:
        judged = "undecided (too few materials for an interval)"
    elif scale.ci_high < 1.0:
        judged = "soft"
    elif scale.ci_low > 1.0:
        judged = "stiff"
    else:
        judged = "no softening resolved"
    text = (
        f"{model}: {judged}: bulk moduli are {with_interval(scale, 2)} of DFT's in the median of "
        f"{scale.n_cases} material{'' if scale.n_cases == 1 else 's'}"
    )
    if "volume_error_median" in found:
        text += f", volumes {number(found['volume_error_median'].value, 1, '+')} %"
    return text


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows."""
    place = (
        "at DFT's equilibrium volume, fractional coordinates fixed"
        if rows[0].variant == FIXED
        else "at the model's own equilibrium, cell and atoms relaxed"
    )
    return (
        f"Bulk modulus over DFT's, {place}. Birch-Murnaghan fits of third order. delta: root mean "
        f"square difference of the curves within 6 % in volume; nu: weighted difference of V0, B0, B0'; no "
        f"minimum: curves without one among their volumes, which rank as the softest and the farthest from "
        f"DFT's. Medians over materials, 95 % intervals by {ORDER_STATISTICS}, shares by "
        f"{CLOPPER_PEARSON}; medians need {MEDIAN_FROM} materials for an interval."
    )


def case_table(materials: Sequence[EosComparison]) -> CaseTable:
    """The model's own equation of state of each material, and DFT's where it is known."""
    rows, notes = [], []
    for each in materials:
        metrics = eos_metrics(each)
        dft = each.reference
        rows.append(
            (
                each.name,
                number(metrics.volume, 3),
                "-" if dft is None else number(dft.volume / each.n_atoms, 3),
                number(metrics.bulk_modulus, 1),
                "-" if dft is None else number(dft.bulk_modulus / GPA, 1),
                number(metrics.bulk_modulus_derivative, 2),
                "-" if dft is None else number(dft.bulk_modulus_derivative, 2),
            )
        )
        if each.note:
            notes.append(f"{each.name}: {each.note}")
    return CaseTable(
        title="Equations of state at the model's own equilibrium",
        columns=("", "V0 (Å³/atom)", "DFT", "B0 (GPa)", "DFT", "B0'", "DFT"),
        rows=rows,
        notes=notes,
    )


EOS = Presentation(
    labels=(
        ("bulk_modulus_scale_median", "bulk modulus / DFT"),
        ("share_softened", "share softened"),
        ("volume_error_median", "volume error"),
        ("volume_error_mae", "|volume error|"),
        ("derivative_mae", "|B0' error|"),
        ("pressure_median", "pressure"),
        ("energy_slope_median", "energy slope"),
        ("delta_median", "delta"),
        ("nu_median", "nu"),
        ("share_no_minimum", "no minimum"),
    ),
    count_metric="bulk_modulus_scale_median",
    cases="materials",
    verdict=verdict,
    caption=caption,
)
"""For `umlip_bench.analysis.tables.print_table`."""
