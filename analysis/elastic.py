"""Elastic moduli: a model's bulk and shear modulus against DFT's, and whether the crystal is stable.

Moduli are curvatures: their ratios to DFT's say how soft a model is near equilibrium. They are taken at
DFT's cell (``fixed-geometry``; atoms relax in the strained cells, as in DFT) and at the model's own
(``relaxed``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.elasticity import is_stable, lowest_eigenvalue, moduli
from umlip_bench.analysis.intervals import (
    CLOPPER_PEARSON,
    MEDIAN_FROM,
    ORDER_STATISTICS,
    Estimate,
    median_estimate,
    share_estimate,
)
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import CaseTable, Presentation, number, with_interval
from umlip_bench.ground.errors import DataError
from umlip_bench.ground.readonly import ReadOnlyArrays
from umlip_bench.ground.units import GPA

FloatArray = NDArray[np.float64]

SUITE = "elastic"
FIXED = "fixed-geometry"
RELAXED = "relaxed"
STRAIN = 0.005
"""That the suite applies, with both signs; of shear the engineering strain."""


@dataclass(frozen=True)
class ReferenceModuli:
    """DFT's Voigt-Reuss-Hill averages.

    Parameters
    ----------
    bulk, shear
        eV/Å³.
    """

    bulk: float
    shear: float


@dataclass(frozen=True, eq=False)
class ElasticComparison(ReadOnlyArrays):
    """What a model says of one material, beside DFT.

    Parameters
    ----------
    name
        Unique name of the material.
    reference
        DFT; ``None`` for a structure without reference.
    fixed
        Elastic constants of the model at DFT's cell, or that given, shape (6, 6), Voigt, eV/Å³, in the
        crystal's axes (`umlip_bench.ground.crystal_axes`); ``None`` if `fixed_failure` says why.
    relaxed
        The same at the model's own cell.
    fixed_failure, relaxed_failure
        Why one is missing; empty if it is not.
    strain
        That the constants were measured at, with both signs.
    fixed_residual, relaxed_residual
        Share of the stresses that constants of the crystal's symmetry do not explain
        (`umlip_bench.analysis.elasticity.ElasticFit`); nan where it was not kept.
    """

    name: str
    reference: ReferenceModuli | None
    fixed: FloatArray | None
    relaxed: FloatArray | None
    fixed_failure: str = ""
    relaxed_failure: str = ""
    strain: float = STRAIN
    fixed_residual: float = float("nan")
    relaxed_residual: float = float("nan")


@dataclass(frozen=True)
class ElasticMetrics:
    """The numbers of one material in one variant; nan where there is no reference or no modulus.

    Parameters
    ----------
    bulk_modulus, shear_modulus
        Voigt-Reuss-Hill, GPa; nan for an unstable crystal.
    bulk_modulus_scale, shear_modulus_scale
        Over DFT's.
    bulk_modulus_error, shear_modulus_error
        Minus DFT's, GPa.
    is_stable
        Whether every strain costs energy.
    lowest_eigenvalue
        Of the elastic constants in Kelvin's and Mandel's form, GPa; the same in all axes.
    fit_residual
        Share of the stresses that the constants do not explain.
    strain
        Amplitude, with both signs.
    """

    bulk_modulus: float
    shear_modulus: float
    bulk_modulus_scale: float
    shear_modulus_scale: float
    bulk_modulus_error: float
    shear_modulus_error: float
    is_stable: float
    lowest_eigenvalue: float
    fit_residual: float
    strain: float


def elastic_metrics(material: ElasticComparison) -> Mapping[str, ElasticMetrics]:
    """Compare moduli with DFT's.

    Returns
    -------
    mapping
        From the variant, ``fixed-geometry`` or ``relaxed``, to its numbers.

    Raises
    ------
    DataError
        If constants are not finite; names the material.
    """
    found = {}
    for variant, constants, residual in (
        (FIXED, material.fixed, material.fixed_residual),
        (RELAXED, material.relaxed, material.relaxed_residual),
    ):
        if constants is not None:
            if not np.isfinite(constants).all():
                raise DataError(f"material {material.name!r}: elastic constants are not finite")
            found[variant] = _compare(constants, residual, material)
    return found


def _compare(constants: FloatArray, residual: float, material: ElasticComparison) -> ElasticMetrics:
    reference = material.reference
    stable = is_stable(constants)
    # Averages of an unstable crystal have no meaning: Reuss's may even diverge.
    bulk = shear = float("nan")
    if stable:
        averages = moduli(constants)
        bulk, shear = averages.bulk / GPA, averages.shear / GPA
    dft_bulk = dft_shear = float("nan")
    if reference is not None:
        dft_bulk, dft_shear = reference.bulk / GPA, reference.shear / GPA
    return ElasticMetrics(
        bulk_modulus=bulk,
        shear_modulus=shear,
        bulk_modulus_scale=bulk / dft_bulk,
        shear_modulus_scale=shear / dft_shear,
        bulk_modulus_error=bulk - dft_bulk,
        shear_modulus_error=shear - dft_shear,
        is_stable=float(stable),
        lowest_eigenvalue=lowest_eigenvalue(constants) / GPA,
        fit_residual=residual,
        strain=material.strain,
    )


def elastic_rows(
    model: str, data: str, materials: Sequence[ElasticComparison], n_failed: int
) -> list[Row]:
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
        Medians with order statistic intervals, unstable crystals with the softest moduli and the largest
        errors of all; means over the stable ones; and the share of those that are not.
    """
    found = [(each, elastic_metrics(each)) for each in materials if each.reference is not None]
    rows: list[Row] = []
    if materials and not found:
        return rows
    for variant in (FIXED, RELAXED):
        metrics = [numbers[variant] for _, numbers in found if variant in numbers]
        failed = n_failed + len(found) - len(metrics)
        head = RowHead(model, data, SUITE, variant, failed, _amplitude(metrics))
        unstable = sum(not m.is_stable for m in metrics)
        for kind in ("bulk", "shear"):
            scales = _defined(metrics, f"{kind}_modulus_scale")
            softened = sum(scale < 1.0 for scale in scales) + unstable
            sizes = np.abs(_defined(metrics, f"{kind}_modulus_error"))
            mean = float(np.mean(sizes)) if len(sizes) else float("nan")
            rows += [
                head.row(
                    f"{kind}_modulus_scale_median", "", median_estimate(scales, below=unstable)
                ),
                head.row(f"{kind}_share_softened", "", share_estimate(softened, len(metrics))),
                head.row(
                    f"{kind}_modulus_error_median", "GPa", median_estimate(sizes, above=unstable)
                ),
                head.row(
                    f"{kind}_modulus_mae",
                    "GPa",
                    Estimate(mean, None, None, len(sizes), "mean without interval"),
                ),
            ]
        rows.append(
            head.row("fit_residual_median", "", median_estimate(_defined(metrics, "fit_residual")))
        )
        rows.append(head.row("share_unstable", "", share_estimate(unstable, len(metrics))))
    return [row for row in rows if row.n_cases or row.metric == "share_unstable"]


def _amplitude(metrics: Sequence[ElasticMetrics]) -> str:
    return ", ".join(f"strain {100 * strain:g} %" for strain in sorted({m.strain for m in metrics}))


def _defined(metrics: Sequence[ElasticMetrics], key: str) -> list[float]:
    values = [float(getattr(m, key)) for m in metrics]
    return [value for value in values if np.isfinite(value)]


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model's moduli are too small, and which crystals are unstable."""
    found = {row.metric: row for row in rows if row.model == model}
    bulk, shear = (found.get(f"{kind}_modulus_scale_median") for kind in ("bulk", "shear"))
    if bulk is None or shear is None:
        return f"{model}: no verdict: no stable material with a reference"
    if bulk.ci_low is None or shear.ci_low is None:
        judged = "undecided (too few materials for an interval)"
    else:
        words = {
            "bulk": _judgement(bulk),
            "shear": _judgement(shear),
        }
        same = words["bulk"] == words["shear"]
        judged = words["bulk"] if same else f"{words['bulk']} in bulk, {words['shear']} in shear"
    text = (
        f"{model}: {judged}: bulk moduli are {with_interval(bulk, 2)}, shear moduli "
        f"{with_interval(shear, 2)} of DFT's in the median of {bulk.n_cases} "
        f"material{'' if bulk.n_cases == 1 else 's'}"
    )
    unstable = found["share_unstable"]
    return f"{text}; mechanically unstable {round(unstable.value * unstable.n_cases)}/{unstable.n_cases}"


def _judgement(scale: Row) -> str:
    assert scale.ci_low is not None
    assert scale.ci_high is not None
    if scale.ci_high < 1.0:
        return "soft"
    return "stiff" if scale.ci_low > 1.0 else "no softening resolved"


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows."""
    where = "DFT's cell" if rows[0].variant == FIXED else "the model's own cell"
    return (
        f"Voigt-Reuss-Hill moduli over DFT's, from stresses at {rows[0].amplitude} of both signs of "
        f"{where}, atoms relaxed; unstable crystals rank below all moduli, means leave them out. Left "
        f"over is the share of the stresses that constants do not explain. Medians over materials, "
        f"95 % intervals by {ORDER_STATISTICS}, shares by {CLOPPER_PEARSON}; medians need "
        f"{MEDIAN_FROM} materials for an interval."
    )


def case_table(materials: Sequence[ElasticComparison]) -> CaseTable:
    """Moduli and some elastic constants of each material and variant."""
    rows = []
    failures: dict[str, list[str]] = {}
    for each in materials:
        dft = each.reference
        for variant, metrics in elastic_metrics(each).items():
            constants = each.fixed if variant == FIXED else each.relaxed
            assert constants is not None
            rows.append(
                (
                    each.name,
                    "fixed" if variant == FIXED else variant,
                    number(metrics.bulk_modulus, 1),
                    "-" if dft is None else number(dft.bulk / GPA, 1),
                    number(metrics.shear_modulus, 1),
                    "-" if dft is None else number(dft.shear / GPA, 1),
                    *(number(constants[i, j] / GPA, 1) for i, j in ((0, 0), (0, 1), (3, 3))),
                    f"{100 * metrics.strain:g} %",
                    "-"
                    if np.isnan(metrics.fit_residual)
                    else f"{100 * metrics.fit_residual:.1f} %",
                    "yes" if metrics.is_stable else "no",
                )
            )
        for variant, failure in (("fixed", each.fixed_failure), ("relaxed", each.relaxed_failure)):
            if failure:
                failures.setdefault(f"{variant}: {failure}", []).append(each.name)
    return CaseTable(
        title="Elastic moduli (GPa)",
        columns=(
            *("", "geometry", "K", "DFT", "G", "DFT", "C11", "C12", "C44"),
            *("strain", "left over", "stable"),
        ),
        rows=rows,
        notes=[
            "C11, C12, C44: along the conventional axes of the crystal (IEEE Std 176-1987), however it lies "
            "in its file; left over: the share of the stresses that constants of its symmetry leave "
            "unexplained",
            *(f"{failure} ({'; '.join(names)})" for failure, names in failures.items()),
        ],
    )


ELASTIC = Presentation(
    labels=(
        ("bulk_modulus_scale_median", "K / DFT"),
        ("bulk_share_softened", "share softened, K"),
        ("bulk_modulus_error_median", "|K error|"),
        ("bulk_modulus_mae", "|K error|, mean"),
        ("shear_modulus_scale_median", "G / DFT"),
        ("shear_share_softened", "share softened, G"),
        ("shear_modulus_error_median", "|G error|"),
        ("shear_modulus_mae", "|G error|, mean"),
        ("fit_residual_median", "stress left over"),
        ("share_unstable", "share unstable"),
    ),
    count_metric="share_unstable",
    cases="materials",
    verdict=verdict,
    caption=caption,
)
"""For `umlip_bench.analysis.tables.print_table`."""
