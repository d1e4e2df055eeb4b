"""How the high-energy suite is shown: whether a model is soft, and whether a factor would mend it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from umlip_bench.analysis.frames import Compared, MaterialComparison
from umlip_bench.analysis.intervals import BOOTSTRAP_FROM, MEDIAN_FROM
from umlip_bench.analysis.label_suspicion import label_suspicion
from umlip_bench.analysis.reference import reference_of, reference_of_rows
from umlip_bench.analysis.summary import Row
from umlip_bench.analysis.tables import CaseTable, interval, with_interval
from umlip_bench.analysis.within import BLOCKS, CONSECUTIVE_FROM

NAMED = 8
"""Suspicious materials that are named below the table."""


def verdict(rows: Sequence[Row], model: str) -> str:
    """Say in one line whether a model is soft, and whether a factor would mend it.

    Soft needs a slope below 1 and an inverse above 1, each with its whole interval: noise alone
    lowers the slope to about r2 but leaves the inverse at 1.

    Parameters
    ----------
    rows
        Rows of one data set, suite and variant.
    model
        The model to judge.

    Returns
    -------
    str
        ``"<model>: <verdict>: <numbers>"``.
    """
    found = {row.metric: row for row in rows if row.model == model}
    slope = found.get("slope_median")
    inverse = found.get("inverse_median")
    if slope is None or inverse is None or math.isnan(slope.value):
        return f"{model}: no verdict: no material with forces"
    materials = f"{slope.n_cases} material{'' if slope.n_cases == 1 else 's'}"
    r2 = found.get("r2_median")
    of = reference_of(slope.data)
    numbers = (
        f"forces are {slope.value:.2f} of {of}{interval(slope, 2)} in the median of {materials}"
        f"{'' if r2 is None else f', r2 {r2.value:.3f}'}"
    )
    share = found.get("share_soft")
    if share is not None and share.n_cases:
        numbers += f"; {round(share.value * share.n_cases)}/{share.n_cases} softened"
    odd = found.get("share_suspicious")
    if odd is not None and odd.n_cases:
        n = round(odd.value * odd.n_cases)
        numbers += f"; {n}/{odd.n_cases} probably not softness but mistakes in the labels"
    why = label_suspicion(slope.value, 1.0 if r2 is None else r2.value)
    if why is not None:
        return f"{model}: probably not softness: {numbers}; {why}"
    if slope.ci_low is None and "slope_within" in found:
        return f"{model}: {_within(found)}: {numbers}{_caveat(slope, found['inverse_within'])}"
    return f"{model}: {_judgement(slope, inverse)}: {numbers}{_caveat(slope, inverse)}"


def _within(found: Mapping[str, Row]) -> str:
    """Judgement on one material, from its frames."""
    slope, inverse = found["slope_within"], found["inverse_within"]
    frames, blocks = (round(found[f"{kind}_within"].value) for kind in ("frames", "blocks"))
    if slope.ci_low is None or slope.ci_high is None or inverse.ci_low is None:
        return f"undecided (too few frames for an interval within this material: {frames})"
    what = (
        f"{frames} frames"
        if blocks == frames
        else f"{blocks} blocks of {frames // blocks} consecutive frames"
    )
    judged = _judgement(slope, inverse)
    return f"{judged} within this material ({slope.value:.2f}{interval(slope, 2)} over {what})"


def caption(rows: Sequence[Row]) -> str:
    """State what the table shows and how its intervals were made.

    Parameters
    ----------
    rows
        Rows of one data set, suite and variant.
    """
    counts = sorted({row.n_cases for row in rows if row.metric == "slope_median"})
    span = " to ".join(str(n) for n in dict.fromkeys((counts[0], counts[-1]))) if counts else "0"
    order = "order statistics of the materials"
    if counts and counts[0] >= BOOTSTRAP_FROM:
        medians = f"hierarchical bootstrap (materials, then frames); cMAE: {order}"
    elif counts and counts[-1] >= BOOTSTRAP_FROM:
        medians = f"{order}; from {BOOTSTRAP_FROM} materials on hierarchical bootstrap except cMAE"
    else:
        medians = order
    return (
        f"Medians over {span} materials of values per material. "
        f"slope: model against {reference_of_rows(rows)} through the origin; "
        f"inverse: best factor on the model; "
        f"slope x inverse = r2; cMAE: MAE after dividing by the slope (rotate) or multiplying by "
        f"the inverse (mse), in-sample. Brackets: 95 % intervals over materials, by {medians}; "
        f"share softened: slope below and inverse above one, Clopper-Pearson. No brackets: too few "
        f"materials (medians need {MEDIAN_FROM}).{_distance(rows)}{_of_one(rows)}"
    )


def _of_one(rows: Sequence[Row]) -> str:
    if not any(row.metric == "slope_within" for row in rows):
        return ""
    return (
        f" slope, one material: the interval is over its frames, or {BLOCKS} blocks where they are "
        f"consecutive (from {CONSECUTIVE_FROM} frames), by the jackknife; it says nothing of other materials."
    )


def _distance(rows: Sequence[Row]) -> str:
    if not any(row.metric.startswith(("slope_energy_", "slope_displacement_")) for row in rows):
        return ""
    return (
        " slope by eV: of frames by DFT's energy per atom above the material's lowest frame; by Å: by "
        "displacement from the sites, rms; medians of the materials that have such frames, a number that "
        "differs by row."
    )


def suspicious_table(materials: Sequence[MaterialComparison]) -> CaseTable | None:
    """Materials whose labels are suspicious, with the reason; ``None`` where there are none."""
    compared = map(Compared, materials)
    found = [
        (each.material.name, each.forces, each.suspicion) for each in compared if each.suspicion
    ]
    if not found:
        return None
    named = ", ".join([name for name, _, _ in found[:NAMED]] + ["..."] * (len(found) > NAMED))
    return CaseTable(
        title="Probably not softness",
        columns=("material", "slope", "r2", "why"),
        rows=tuple((name, f"{f.slope:.3f}", f"{f.r2:.3f}", why) for name, f, why in found),
        notes=(
            f"{len(found)} of {len(materials)} materials have labels that are probably mistaken ({named}); "
            "see them with umlip-bench data check.",
        ),
    )


def _judgement(slope: Row, inverse: Row) -> str:
    if slope.ci_low is None or slope.ci_high is None or inverse.ci_low is None:
        return "undecided (too few materials for an interval)"
    if slope.ci_low > 1.0:
        return "stiff"
    if slope.ci_high >= 1.0:
        return "no softening resolved"
    return "soft" if inverse.ci_low > 1.0 else "no correctable softening resolved"


def _caveat(slope: Row, inverse: Row) -> str:
    if slope.value >= 1.0:
        return ""
    lowest = inverse.value if inverse.ci_low is None else inverse.ci_low
    factor = f"the best factor on the model is {with_interval(inverse, 2)}"
    # log(slope) = log(r2) - log(inverse): noise and softening. Here r2 holds half of it or more.
    if slope.value <= 0.0 or inverse.value <= slope.value**-0.5:
        if lowest > 1.0:
            return f"; much of it is noise: slope is close to r2, {factor}"
        return f"; not a correctable softening: slope is about r2, {factor}"
    return "" if lowest > 1.0 else f"; {factor}, not resolved from 1"
