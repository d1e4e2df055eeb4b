"""Phonons in words and case by case."""

from __future__ import annotations

from collections.abc import Sequence

from umlip_bench.analysis.intervals import CLOPPER_PEARSON, MEDIAN_FROM, ORDER_STATISTICS
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import (
    CaseTable,
    beside_fixed,
    fixed_in_words,
    number,
    with_interval,
)
from umlip_bench.benchmarks.amplitudes import HARMONIC, remark
from umlip_bench.benchmarks.phonons.result import (
    FIXED,
    IMAGINARY,
    RELAXED,
    RIPPLE,
    TEMPERATURE,
    PhononComparison,
    judged,
)


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model's phonons are soft, and what its imaginary modes are."""
    found = {row.metric: row for row in rows if row.model == model}
    # Without force constants of DFT, ω² can but be sorted.
    what, kind = "curvature along DFT's modes is {} of DFT's", "mode"
    if (row := found.get("mode_scale_median")) is None or row.n_cases == 0:
        what, kind = "sorted ω² are {} of DFT's", "curvature"
    scale = found.get(f"{kind}_scale_median")
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
        ratio, r2 = found["max_ratio_median"], found[f"{kind}_r2_median"]
        inverse = found[f"{kind}_inverse_median"]
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
            f"{model}: {judged}: {what.format(with_interval(scale, 2))}, r2 {r2.value:.3f}, "
            f"highest frequencies {with_interval(ratio, 2)}, in the median of "
            f"{_materials(scale.n_cases)}; {round(softened.value * softened.n_cases)}/"
            f"{softened.n_cases} softened{beside_fixed(found, f'{kind}_scale_median')}"
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
    at = f" ({rows[0].amplitude})" if rows[0].amplitude else ""
    scanned = (
        " At other displacements, of both signs, the model alone: / DFT at 0.01, as curvature / DFT "
        f"at 0.01 Å; ripple: ln of its mean ω² at {RIPPLE[1]} Å over that at {RIPPLE[0]} Å; not "
        f"harmonic: other by more than {HARMONIC:.0%} than at {RIPPLE[0]} Å, up to {RIPPLE[1]} Å."
        if any(row.metric == "ripple_median" for row in rows)
        else ""
    )
    if any(row.metric == "anharmonicity_median" for row in rows):
        scanned += (
            " anharmonic: ln of the restoring force over distance of one atom at the largest displacement "
            "that DFT has over that at the smallest; what DFT does as well is no ripple."
        )
    return (
        f"Finite displacements at {where}{at}; no non-analytical term on either side. {_curvature(rows)}"
        f"sorted ω²: the same of signed squared frequencies, sorted at each q-point of one mesh, which "
        f"forgets whose modes they are; FC: force constants, element by element; highest, "
        f"mean: ratios of frequencies; share softened: of highest frequencies; imaginary: below "
        f"-{IMAGINARY} THz at a wave vector of the supercell; only interpolated: between them alone, as in "
        f"too small a supercell. Thermodynamics at {TEMPERATURE:.0f} K per mole of atoms; materials with "
        f"imaginary modes that DFT does not have rank as the softest. Medians over materials, 95 % intervals "
        f"by {ORDER_STATISTICS}, shares by {CLOPPER_PEARSON}; medians need {MEDIAN_FROM} materials for an "
        f"interval.{fixed_in_words(rows)}{scanned}"
    )


def _curvature(rows: Sequence[Row]) -> str:
    if any(row.metric == "mode_scale_median" and row.n_cases for row in rows):
        return (
            "curvature: <e|D|e> of the model along DFT's eigenvectors e, against DFT's ω², at the wave "
            "vectors of the supercell; / DFT: slope through the origin, inverse: best factor on the model; "
        )
    return "DFT's force constants are not known, so that curvatures are compared sorted alone; "


def case_table(materials: Sequence[PhononComparison]) -> CaseTable:
    """Phonons of each material and variant; DFT's highest and lowest frequency where they are known."""
    rows, notes = [], []
    for each in materials:
        for variant in (FIXED, RELAXED):
            seen = judged(each, variant)
            if seen is None:
                continue
            model, dft, own = seen.model, seen.dft, seen.own
            rows.append(
                (
                    each.name,
                    "fixed" if variant == FIXED else variant,
                    number(model.highest, 2),
                    "-" if dft is None else number(dft.highest, 2),
                    number(model.lowest, 2),
                    "-" if dft is None else number(dft.lowest, 2),
                    "none" if model.is_stable else f"{100 * model.imaginary:.1f}",
                    "-" if own is None else number(own.heat_capacity, 2),
                    "-" if own is None else number(own.entropy, 2),
                    "-" if own is None else number(own.free_energy, 1),
                )
            )
        if each.not_comparable:
            notes.append(f"{each.name}: not comparable once relaxed: {each.not_comparable}")
        if each.scan is not None:
            notes.append(f"{each.name}: {remark(each.scan, 'mean ω²', 'THz²', RIPPLE, 'Å')}")
        if each.anharmonicity is not None:
            notes.append(f"{each.name}: {each.anharmonicity.in_words()}")
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
