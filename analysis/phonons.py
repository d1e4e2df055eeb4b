"""Phonons: a model's frequencies, force constants and thermodynamics against DFT's.

Both sides have the same supercell, primitive cell and symmetrisation of force constants, no non-analytical
term, and are compared at the same q-points. Frequencies are in THz, imaginary ones negative, sorted at each
q-point.

The measure of softness is that of the squared frequencies, which are curvatures: the slope through the
origin of the model's signed ω² against DFT's. Frequencies themselves go with its root. The ratio of the
highest frequencies is that of Fig. 4 of B. Deng et al., npj Comput. Mater. 11, 9 (2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.harmonic import overlap, thermodynamics
from umlip_bench.analysis.intervals import (
    CLOPPER_PEARSON,
    MEDIAN_FROM,
    ORDER_STATISTICS,
    Estimate,
    median_estimate,
    share_estimate,
)
from umlip_bench.analysis.softening import softening
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import CaseTable, Presentation, interval, number, with_interval
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

SUITE = "phonons"
FIXED = "fixed-geometry"
RELAXED = "relaxed"

IMAGINARY = 0.1
"""THz; a mode is imaginary below minus this, which is beyond rounding."""
TEMPERATURE = 300.0
"""K."""


@dataclass(frozen=True, eq=False)
class BandPath(ReadOnlyArrays):
    """Lines between points of high symmetry.

    Parameters
    ----------
    qpoints
        Shape (P, 3), in units of the primitive cell's reciprocal vectors.
    distances
        Shape (P,), 1/Å along the path.
    segments
        Shape (P,), number of the segment that each point lies on.
    labels
        Of the two ends of each segment, shape (segments, 2).
    """

    qpoints: FloatArray
    distances: FloatArray
    segments: NDArray[np.int64]
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class FrequencySampling(ReadOnlyArrays):
    """Where frequencies are compared.

    Parameters
    ----------
    weights
        Shape (Q,), multiplicities of the q-points of the mesh.
    path
        For the bands.
    """

    weights: FloatArray
    path: BandPath


@dataclass(frozen=True, eq=False)
class Phonons(ReadOnlyArrays):
    """One side of a comparison.

    Parameters
    ----------
    mesh
        Shape (Q, B), THz, sorted at each q-point.
    bands
        Shape (P, B), THz, along the path.
    commensurate
        Shape (C, B), THz, at the wave vectors that fit into the supercell. There finite displacements are
        exact; elsewhere frequencies are interpolated, and may dip below zero near the zone centre.
    force_constants
        Shape (n, N, 3, 3), eV/Å², of the n atoms of the primitive cell with the N of the supercell.
    """

    mesh: FloatArray
    bands: FloatArray
    commensurate: FloatArray
    force_constants: FloatArray

    @property
    def highest(self) -> float:
        """Highest frequency on the mesh, THz."""
        return float(self.mesh.max())

    @property
    def lowest(self) -> float:
        """Lowest frequency anywhere, THz."""
        return float(min(self.mesh.min(), self.bands.min(), self.commensurate.min()))

    @property
    def imaginary(self) -> float:
        """Share of the modes that fit into the supercell that are imaginary."""
        return float((self.commensurate < -IMAGINARY).mean())

    @property
    def is_stable(self) -> bool:
        """Whether no mode that fits into the supercell is imaginary."""
        return self.imaginary == 0.0

    @property
    def dips(self) -> bool:
        """Whether modes are imaginary by interpolation alone, in a supercell too small to tell."""
        return self.is_stable and self.lowest < -IMAGINARY


@dataclass(frozen=True, eq=False)
class PhononComparison(ReadOnlyArrays):
    """What a model says of one material, beside DFT.

    Parameters
    ----------
    name
        Unique name of the material.
    sampling
        Where all sides were evaluated.
    reference
        DFT; ``None`` where there are no forces.
    reference_heat_capacity
        DFT's at 300 K in J/(mol K) per mole of atoms; ``None`` where only forces are known.
    fixed
        The model at DFT's geometry, or at that given.
    relaxed
        The model at its own; ``None`` if it is not comparable or could not be relaxed.
    not_comparable
        Why DFT's geometry is not one that the model may be relaxed from; empty if it is.
    not_relaxed
        Why the relaxation failed; empty if it did not.
    """

    name: str
    sampling: FrequencySampling
    reference: Phonons | None
    reference_heat_capacity: float | None
    fixed: Phonons
    relaxed: Phonons | None
    not_comparable: str = ""
    not_relaxed: str = ""


@dataclass(frozen=True)
class PhononMetrics:
    """The numbers of one material in one variant; nan where there is nothing to compare with.

    Parameters
    ----------
    max_ratio
        Highest frequency over DFT's.
    mean_ratio
        Mean frequency over DFT's, imaginary ones negative.
    curvature_scale, curvature_inverse, curvature_r2
        Of signed ω² on the mesh: slope through the origin, best factor on the model, their product.
    frequency_mae
        On the mesh, THz.
    band_mae
        Along the path, THz.
    dos_overlap
        ∫ min(g, g_DFT) dν of densities of states normalised to one.
    force_constant_slope, force_constant_inverse, force_constant_r2
        Of the elements of the force constants; only at DFT's geometry.
    imaginary
        Share of the modes at wave vectors that fit into the supercell that are below -0.1 THz.
    is_stable, reference_is_stable
        Whether there are none; nan for a reference without forces.
    stability_right
        Whether these agree.
    dips
        Whether modes are below -0.1 THz between those wave vectors alone.
    lowest, reference_lowest, highest, reference_highest
        Frequencies in THz; the lowest of mesh, path and wave vectors of the supercell.
    heat_capacity, entropy
        At 300 K, J/(mol K) per mole of atoms; nan with imaginary modes, interpolated ones included.
    free_energy
        At 300 K, meV/atom; nan likewise.
    heat_capacity_error, entropy_error, free_energy_error
        Minus DFT's, in the same units; nan if either side has imaginary modes.
    too_soft
        1 where the model has imaginary modes and DFT none: a mode that goes to zero takes heat capacity
        and entropy to their largest, and the free energy to minus infinity, so that the material ranks there.
    """

    max_ratio: float
    mean_ratio: float
    curvature_scale: float
    curvature_inverse: float
    curvature_r2: float
    frequency_mae: float
    band_mae: float
    dos_overlap: float
    force_constant_slope: float
    force_constant_inverse: float
    force_constant_r2: float
    imaginary: float
    is_stable: float
    reference_is_stable: float
    stability_right: float
    dips: float
    lowest: float
    reference_lowest: float
    highest: float
    reference_highest: float
    heat_capacity: float
    entropy: float
    free_energy: float
    heat_capacity_error: float
    entropy_error: float
    free_energy_error: float
    too_soft: float


def phonon_metrics(material: PhononComparison) -> Mapping[str, PhononMetrics]:
    """Compare phonons with DFT's.

    Returns
    -------
    mapping
        From the variant, ``fixed-geometry`` or ``relaxed``, to its numbers.

    Raises
    ------
    DataError
        If frequencies are not finite or DFT's are all zero; names the material.
    """
    try:
        found = {FIXED: _compare(material, material.fixed, same_geometry=True)}
        if material.relaxed is not None:
            found[RELAXED] = _compare(material, material.relaxed, same_geometry=False)
    except DataError as error:
        raise DataError(f"material {material.name!r}: {error}") from error
    return found


def signed_squares(frequencies: FloatArray) -> FloatArray:
    """ω² with the sign of the eigenvalue that it is; THz², of the shape of the frequencies."""
    return np.asarray(frequencies * np.abs(frequencies))


def _compare(material: PhononComparison, model: Phonons, *, same_geometry: bool) -> PhononMetrics:
    if not (np.isfinite(model.mesh).all() and np.isfinite(model.bands).all()):
        raise DataError("the model's frequencies are not finite")
    weights = material.sampling.weights
    numbers = dict.fromkeys(PhononMetrics.__dataclass_fields__, float("nan"))
    numbers |= {
        "imaginary": model.imaginary,
        "is_stable": float(model.is_stable),
        "dips": float(model.dips),
        "lowest": model.lowest,
        "highest": model.highest,
    }
    own = thermodynamics(model.mesh, weights, TEMPERATURE)
    if _is_real(model):
        numbers |= {
            "heat_capacity": own.heat_capacity,
            "entropy": own.entropy,
            "free_energy": own.free_energy,
        }
        if material.reference_heat_capacity is not None:
            numbers["heat_capacity_error"] = own.heat_capacity - material.reference_heat_capacity
    dft = material.reference
    if dft is not None:
        numbers["too_soft"] = float(_is_real(dft) and not _is_real(model))
    elif material.reference_heat_capacity is not None:
        # Without DFT's cells, modes that are imaginary by interpolation tell of the supercell.
        numbers["too_soft"] = float(not model.is_stable)
    if dft is None:
        return PhononMetrics(**numbers)
    # Each mode as often as its q-point counts.
    root = np.sqrt(weights)[:, None]
    curvature = softening(root * signed_squares(dft.mesh), root * signed_squares(model.mesh))
    numbers |= {
        "max_ratio": model.highest / dft.highest,
        "mean_ratio": float((weights @ model.mesh).sum() / (weights @ dft.mesh).sum()),
        "curvature_scale": curvature.slope,
        "curvature_inverse": curvature.inverse,
        "curvature_r2": curvature.r2,
        "frequency_mae": float(
            weights @ np.abs(model.mesh - dft.mesh).mean(axis=1) / weights.sum()
        ),
        "band_mae": float(np.abs(model.bands - dft.bands).mean()),
        "dos_overlap": overlap(dft.mesh, model.mesh, weights),
        "reference_is_stable": float(dft.is_stable),
        "stability_right": float(dft.is_stable == model.is_stable),
        "reference_lowest": dft.lowest,
        "reference_highest": dft.highest,
    }
    if same_geometry:
        constants = softening(dft.force_constants, model.force_constants)
        numbers |= {
            "force_constant_slope": constants.slope,
            "force_constant_inverse": constants.inverse,
            "force_constant_r2": constants.r2,
        }
    if _is_real(model) and _is_real(dft):
        theirs = thermodynamics(dft.mesh, weights, TEMPERATURE)
        numbers |= {
            "heat_capacity_error": own.heat_capacity - theirs.heat_capacity,
            "entropy_error": own.entropy - theirs.entropy,
            "free_energy_error": own.free_energy - theirs.free_energy,
        }
    return PhononMetrics(**numbers)


def _is_real(side: Phonons) -> bool:
    """Whether the modes that thermodynamics sums over are all real."""
    return side.is_stable and float(side.mesh.min()) >= -IMAGINARY


def phonon_rows(
    model: str, data: str, materials: Sequence[PhononComparison], n_failed: int
) -> list[Row]:
    """Summarise a model over materials, each variant apart.

    Parameters
    ----------
    model, data
        Names for the rows.
    materials
        Those that the model gave results for; may be empty.
    n_failed
        Materials that it gave none for; those that could not be relaxed are added to it in that variant.
        The variant leaves out materials whose reference is not at its equilibrium.

    Returns
    -------
    list of Row
        Medians over the materials that have the metric, with order statistic intervals; of thermodynamics
        those with imaginary modes that DFT does not have rank as the softest; shares; quantiles of the ratio
        of highest frequencies without intervals.
    """
    found = [
        (each, phonon_metrics(each))
        for each in materials
        if each.reference is not None or each.reference_heat_capacity is not None
    ]
    rows: list[Row] = []
    if materials and not found:
        return rows
    for variant in (FIXED, RELAXED):
        metrics = [numbers[variant] for _, numbers in found if variant in numbers]
        if variant == RELAXED and found and all(each.not_comparable for each, _ in found):
            continue
        unrelaxed = sum(bool(each.not_relaxed) for each, _ in found) if variant == RELAXED else 0
        head = RowHead(model, data, SUITE, variant, n_failed + unrelaxed)
        ratios = _defined(metrics, "max_ratio")
        rows += [
            head.row("curvature_scale_median", "", _median(metrics, "curvature_scale")),
            head.row("max_ratio_median", "", median_estimate(ratios)),
            *(
                head.row(f"max_ratio_q{percent}", "", _quantile(ratios, percent))
                for percent in (10, 25, 75, 90)
            ),
            head.row(
                "share_softened", "", share_estimate(sum(r < 1.0 for r in ratios), len(ratios))
            ),
            *(head.row(f"{key}_median", unit, _median(metrics, key)) for key, unit in _MEDIANS),
            *_thermodynamics(head, metrics),
            *_stability(head, metrics),
        ]
    return [row for row in rows if row.n_cases or row.metric == "curvature_scale_median"]


_MEDIANS = (
    ("mean_ratio", ""),
    ("curvature_inverse", ""),
    ("curvature_r2", ""),
    ("frequency_mae", "THz"),
    ("band_mae", "THz"),
    ("dos_overlap", ""),
    ("force_constant_slope", ""),
    ("force_constant_inverse", ""),
    ("force_constant_r2", ""),
)
_THERMODYNAMICS = (
    ("heat_capacity", "J/(mol K)"),
    ("entropy", "J/(mol K)"),
    ("free_energy", "meV/atom"),
)


def _thermodynamics(head: RowHead, metrics: Sequence[PhononMetrics]) -> Iterator[Row]:
    """Errors and their sizes, of materials that DFT's has no imaginary modes of."""
    for key, unit in _THERMODYNAMICS:
        errors = _defined(metrics, f"{key}_error")
        count = sum(m.too_soft == 1.0 for m in metrics if _has_reference(m, key))
        below, above = (count, 0) if key == "free_energy" else (0, count)
        yield head.row(
            f"{key}_error_median", unit, median_estimate(errors, below=below, above=above)
        )
        yield head.row(f"{key}_mae", unit, median_estimate(np.abs(errors), above=count))


def _has_reference(metrics: PhononMetrics, key: str) -> bool:
    """Whether DFT has the quantity: of a table of heat capacities, that alone."""
    return key == "heat_capacity" or np.isfinite(metrics.reference_is_stable)


def _stability(head: RowHead, metrics: Sequence[PhononMetrics]) -> list[Row]:
    """How many materials have imaginary modes, and whether DFT has them too."""
    judged = [m for m in metrics if np.isfinite(m.reference_is_stable)]
    stable = [m for m in judged if m.reference_is_stable]
    unstable = [m for m in judged if not m.reference_is_stable]

    def share(name: str, members: Sequence[bool]) -> Row:
        return head.row(name, "", share_estimate(sum(members), len(members)))

    return [
        share("share_imaginary", [not m.is_stable for m in metrics]),
        share("share_imaginary_interpolated", [bool(m.dips) for m in metrics]),
        share("share_imaginary_reference", [not m.reference_is_stable for m in judged]),
        share("share_stability_right", [bool(m.stability_right) for m in judged]),
        share("share_imaginary_false", [not m.is_stable for m in stable]),
        share("share_imaginary_missed", [bool(m.is_stable) for m in unstable]),
    ]


def _defined(metrics: Sequence[PhononMetrics], key: str) -> list[float]:
    values = [float(getattr(m, key)) for m in metrics]
    return [value for value in values if np.isfinite(value)]


def _median(metrics: Sequence[PhononMetrics], key: str) -> Estimate:
    return median_estimate(_defined(metrics, key))


def _quantile(values: Sequence[float], percent: int) -> Estimate:
    value = float(np.percentile(values, percent)) if len(values) else float("nan")
    return Estimate(value, None, None, len(values), ORDER_STATISTICS)


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model's phonons are soft, and what its imaginary modes are."""
    found = {row.metric: row for row in rows if row.model == model}
    scale = found.get("curvature_scale_median")
    imaginary = found.get("share_imaginary")
    if scale is None or scale.n_cases == 0:
        capacity = found.get("heat_capacity_error_median")
        if capacity is None:
            return f"{model}: no verdict: no material to compare with"
        text = (
            f"{model}: heat capacities at 300 K are {with_interval(capacity, 2)} {capacity.unit} per "
            f"mole of atoms off DFT's in the median of {_materials(capacity.n_cases)} (a soft model's "
            "are too large)"
        )
    else:
        ratio, r2 = found["max_ratio_median"], found["curvature_r2_median"]
        inverse = found["curvature_inverse_median"]
        if scale.ci_low is None or scale.ci_high is None or inverse.ci_low is None:
            judged = "undecided (too few materials for an interval)"
        elif scale.ci_low > 1.0:
            judged = "stiff"
        elif scale.ci_high >= 1.0:
            judged = "no softening resolved"
        else:
            judged = "soft" if inverse.ci_low > 1.0 else "no correctable softening resolved"
        softened = found["share_softened"]
        text = (
            f"{model}: {judged}: ω² are {scale.value:.2f} of DFT's{interval(scale, 2)}, r2 "
            f"{r2.value:.3f}, highest frequencies {with_interval(ratio, 2)}, in the median of "
            f"{_materials(scale.n_cases)}; {round(softened.value * softened.n_cases)}/"
            f"{softened.n_cases} softened"
        )
    if imaginary is not None:
        count = round(imaginary.value * imaginary.n_cases)
        text += f"; imaginary modes in {count}/{imaginary.n_cases}"
        theirs = found.get("share_imaginary_reference")
        if theirs is not None:
            text += f" (DFT {round(theirs.value * theirs.n_cases)}/{theirs.n_cases})"
    return text


def _materials(count: int) -> str:
    return f"{count} material{'' if count == 1 else 's'}"


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows."""
    where = "DFT's geometry" if rows[0].variant == FIXED else "the model's own geometry, relaxed"
    return (
        f"Finite displacements at {where}; no non-analytical term on either side. ω²: slope through the "
        f"origin of signed squared frequencies on one mesh, inverse: best factor on the model; highest, "
        f"mean: ratios of frequencies; share softened: of highest frequencies; imaginary: below "
        f"-{IMAGINARY} THz at a wave vector of the supercell; only interpolated: between them alone, as in "
        f"too small a supercell. Thermodynamics at {TEMPERATURE:.0f} K per mole of atoms; materials with "
        f"imaginary modes that DFT does not have rank as the softest. Medians over materials, 95 % intervals "
        f"by {ORDER_STATISTICS}, shares by {CLOPPER_PEARSON}; medians need {MEDIAN_FROM} materials for an "
        f"interval."
    )


def case_table(materials: Sequence[PhononComparison]) -> CaseTable:
    """Phonons of each material and variant; DFT's highest and lowest frequency where they are known."""
    rows, notes = [], []
    for each in materials:
        for variant, metrics in phonon_metrics(each).items():
            rows.append(
                (
                    each.name,
                    "fixed" if variant == FIXED else variant,
                    number(metrics.highest, 2),
                    number(metrics.reference_highest, 2),
                    number(metrics.lowest, 2),
                    number(metrics.reference_lowest, 2),
                    f"{100 * metrics.imaginary:.1f}" if not metrics.is_stable else "none",
                    number(metrics.heat_capacity, 2),
                    number(metrics.entropy, 2),
                    number(metrics.free_energy, 1),
                )
            )
        if each.not_comparable:
            notes.append(f"{each.name}: not comparable once relaxed: {each.not_comparable}")
        if each.not_relaxed:
            notes.append(f"{each.name}: not relaxed: {each.not_relaxed}")
    return CaseTable(
        title="Phonons: THz, % of modes imaginary; per atom at 300 K: J/(mol K), meV",
        columns=(
            "",
            "geometry",
            "max",
            "DFT",
            "min",
            "DFT",
            "imag.",
            "C",
            "S",
            "F",
        ),
        rows=rows,
        notes=notes,
    )


PHONONS = Presentation(
    labels=(
        ("curvature_scale_median", "ω² / DFT"),
        ("curvature_inverse_median", "inverse"),
        ("curvature_r2_median", "r2"),
        ("max_ratio_median", "highest / DFT"),
        ("mean_ratio_median", "mean / DFT"),
        ("share_softened", "share softened"),
        ("band_mae_median", "band MAE"),
        ("dos_overlap_median", "DOS overlap"),
        ("force_constant_slope_median", "FC slope"),
        ("force_constant_r2_median", "FC r2"),
        ("heat_capacity_error_median", "C - DFT"),
        ("entropy_mae", "|S error|"),
        ("free_energy_mae", "|F error|"),
        ("share_imaginary", "share imaginary"),
        ("share_imaginary_reference", "the same in DFT"),
        ("share_imaginary_interpolated", "only interpolated"),
        ("share_stability_right", "stability right"),
    ),
    count_metric="share_imaginary",
    cases="materials",
    verdict=verdict,
    caption=caption,
)
"""For `umlip_bench.analysis.tables.print_table`."""
