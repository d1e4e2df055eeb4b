"""Migration barriers: profiles along paths, and how their barriers compare with DFT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from umlip_bench.analysis.energies import (
    COUNT_METRIC,
    LABELS,
    EnergyComparison,
    Variant,
    cell,
    comparison_from_arrays,
    comparison_metrics,
    comparison_to_arrays,
    energy_caption,
    energy_rows,
    energy_verdict,
    remarks,
)
from umlip_bench.analysis.intervals import Estimate, median_estimate, share_estimate
from umlip_bench.analysis.softening import energy_slope
from umlip_bench.analysis.summary import Row, RowHead
from umlip_bench.analysis.tables import CaseTable, Presentation
from umlip_bench.ground.readonly import ReadOnlyArrays

FloatArray = NDArray[np.float64]

SUITE = "migration"
VARIANTS = (Variant.FIXED, Variant.APPROX_NEB, Variant.NEB)
WHAT = "migration barriers"
DISTRIBUTION_FROM = 10
"""Paths; of fewer a distribution says nothing."""
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9)
"""Of the differences of barriers, model minus DFT."""


PATH_SLOPES = ("energy_slope", "force_slope")
SAME_STORY = 0.1
"""Slopes of energies and of forces along a path that differ by no more than this agree."""


def has_barrier(energies: FloatArray) -> bool:
    """Whether some image of a path is higher than both end points; energies of shape (n,)."""
    return bool(energies.max() > max(energies[0], energies[-1]))


@dataclass(frozen=True, eq=False)
class Profile(ReadOnlyArrays):
    """Energy along a path.

    Parameters
    ----------
    of
        Variant, or ``"DFT"``.
    distances
        Shape (n,), Å: length of the path up to each image, over all atoms.
    energies
        Shape (n,), eV, above the first image.
    ion
        Shape (n, 3), Å: where the migrating ion is in each image, not wrapped into the cell; of one path,
        all profiles begin next to each other.
    """

    of: str
    distances: FloatArray
    energies: FloatArray
    ion: FloatArray

    @property
    def saddle(self) -> int:
        """Index of the highest image."""
        return int(np.argmax(self.energies))

    @property
    def saddle_position(self) -> float:
        """Where the highest image is on the path, as a fraction of its length."""
        return float(self.distances[self.saddle] / self.distances[-1])

    @property
    def has_barrier(self) -> bool:
        """Whether some image is higher than both end points."""
        return has_barrier(self.energies)

    @property
    def forward_barrier(self) -> float:
        """Highest image above the first, eV."""
        return float(self.energies.max() - self.energies[0])

    @property
    def backward_barrier(self) -> float:
        """Highest image above the last, eV."""
        return float(self.energies.max() - self.energies[-1])


@dataclass(frozen=True, eq=False)
class MigrationComparison(ReadOnlyArrays):
    """All that was found of one path.

    Parameters
    ----------
    energies
        Kinetically resolved barriers by variant, in eV.
    reference
        DFT's profile; ``None`` if there is none.
    profiles
        The model's, of the variants that did not fail.
    force_slope
        Slope through the origin of the model's force components on DFT's, over all atoms of all images
        given; nan without DFT's.
    """

    energies: EnergyComparison
    reference: Profile | None
    profiles: tuple[Profile, ...]
    force_slope: float = float("nan")

    @property
    def energy_slope(self) -> float:
        """Slope of the model's energies on DFT's at the images given, about their means; nan without."""
        fixed = next((each for each in self.profiles if each.of == Variant.FIXED), None)
        if self.reference is None or fixed is None:
            return float("nan")
        energies = self.reference.energies
        return energy_slope(energies, fixed.energies, [""] * len(energies))

    @property
    def slopes_known(self) -> bool:
        """Whether DFT has energies and forces of all images."""
        return bool(np.isfinite(self.energy_slope) and np.isfinite(self.force_slope))

    @property
    def stories_differ(self) -> bool:
        """Whether energies along the path are softened otherwise than forces."""
        return abs(self.energy_slope - self.force_slope) > SAME_STORY


@dataclass(frozen=True)
class PathDeviation:
    """How far the ion's way in the model is from its way in DFT, in Å.

    Parameters
    ----------
    rms, maximum
        Over the images of the model: distance of the ion from the polyline through its places in DFT's
        images, root mean square and largest.
    """

    rms: float
    maximum: float


def path_deviation(profile: Profile, reference: Profile) -> PathDeviation:
    """How far the ion's way in a profile is from that in the reference."""
    away = distances_to_polyline(profile.ion, reference.ion)
    return PathDeviation(float(np.sqrt(np.mean(away**2))), float(away.max()))


def distances_to_polyline(points: FloatArray, vertices: FloatArray) -> FloatArray:
    """Smallest distance of each point from a polyline.

    Parameters
    ----------
    points
        Shape (m, 3).
    vertices
        Shape (n, 3), at least two; some may coincide.

    Returns
    -------
    ndarray
        Shape (m,).
    """
    starts, sides = vertices[:-1], np.diff(vertices, axis=0)
    from_start = points[:, None] - starts
    squares = (sides**2).sum(axis=1)
    along = (from_start * sides).sum(axis=2) / np.where(squares > 0.0, squares, 1.0)
    nearest = np.clip(along, 0.0, 1.0)[..., None] * sides
    return np.asarray(np.linalg.norm(from_start - nearest, axis=2).min(axis=1))


def metrics(result: MigrationComparison) -> dict[str, float | int]:
    """The numbers of one path, by variant.

    Barriers in eV (kinetically resolved, forward and backward), the saddle point (index of the highest
    image, and its place as a fraction of the path), how far the ion's way is from DFT's, in Å, and the
    slopes of energies and of forces at the images given.
    """
    numbers = comparison_metrics(result.energies)
    if result.slopes_known:
        numbers["fixed_geometry_energy_slope"] = result.energy_slope
        numbers["fixed_geometry_force_slope"] = result.force_slope
    reference = result.reference
    named = [(profile.of.replace("-", "_"), profile) for profile in result.profiles]
    for prefix, profile in [*named, *([] if reference is None else [("reference", reference)])]:
        numbers[f"{prefix}_forward"] = profile.forward_barrier
        numbers[f"{prefix}_backward"] = profile.backward_barrier
        numbers[f"{prefix}_saddle"] = profile.saddle
        numbers[f"{prefix}_saddle_position"] = profile.saddle_position
    if reference is not None:
        for prefix, profile in named:
            if profile.of != Variant.FIXED:
                deviation = path_deviation(profile, reference)
                numbers[f"{prefix}_path_deviation_rms"] = deviation.rms
                numbers[f"{prefix}_path_deviation_max"] = deviation.maximum
    return numbers


def migration_rows(
    model: str, data: str, results: Sequence[MigrationComparison], n_failed: int
) -> list[Row]:
    """Summarise a model over paths.

    Returns
    -------
    list of Row
        Those of `umlip_bench.analysis.energies.energy_rows`; at the images given the slopes of energies and
        of forces where both are known, medians over paths, and how many disagree; and for each variant with
        at least `DISTRIBUTION_FROM` comparable paths the quantiles of model minus DFT, ``difference_q10``
        and so on.
    """
    comparisons = [result.energies for result in results]
    rows = energy_rows(model, data, SUITE, comparisons, n_failed, VARIANTS)
    heads = {
        row.variant: RowHead(model, data, SUITE, row.variant, row.n_failed)
        for row in reversed(rows)
    }
    both = [result for result in results if result.slopes_known]
    if both:
        head = heads[Variant.FIXED]
        energies, forces = ([getattr(each, key) for each in both] for key in PATH_SLOPES)
        rows += [
            head.row("path_energy_slope_median", "", median_estimate(energies)),
            head.row("path_force_slope_median", "", median_estimate(forces)),
            head.row(
                "share_stories_differ",
                "",
                share_estimate(sum(each.stories_differ for each in both), len(both)),
            ),
        ]
    for variant in VARIANTS:
        values = [value for c in comparisons if (value := c.value(variant)) is not None]
        differences = [value.model - value.reference for value in values if value.comparable]
        if len(differences) >= DISTRIBUTION_FROM:
            rows += [
                heads[variant].row(
                    f"difference_q{round(100 * level)}",
                    "eV",
                    Estimate(value, None, None, len(differences), "quantile"),
                )
                for level, value in zip(
                    QUANTILES, np.quantile(differences, QUANTILES).tolist(), strict=True
                )
            ]
    return rows


def _verdict(rows: Sequence[Row], model: str) -> str:
    """Barriers, and whether energies and forces along the paths tell the same story."""
    found = {row.metric: row for row in rows if row.model == model}
    text = energy_verdict(rows, model, WHAT)
    if "share_stories_differ" not in found:
        return text
    energies, forces = (found[f"path_{key}_median"] for key in PATH_SLOPES)
    differ = found["share_stories_differ"]
    n = round(differ.value * differ.n_cases)
    story = f"which do not tell the same story on {n}/{differ.n_cases}" if n else "the same story"
    return (
        f"{text}; along the paths energies are {energies.value:.2f} and forces {forces.value:.2f} of DFT's, "
        f"{story}"
    )


def _caption(rows: Sequence[Row]) -> str:
    text = energy_caption(rows, WHAT)
    if any(row.metric == "share_stories_differ" for row in rows):
        text += (
            " E(s) and force slope: of energies and force components at all images given, medians over "
            f"paths; they differ if by more than {SAME_STORY}."
        )
    return text


MIGRATION = Presentation(
    labels=(
        *LABELS,
        ("path_energy_slope_median", "E(s) slope"),
        ("path_force_slope_median", "force slope"),
        ("share_stories_differ", "they differ"),
        *((f"difference_q{round(100 * q)}", f"difference, {q:.0%}") for q in QUANTILES),
    ),
    count_metric=COUNT_METRIC,
    cases="paths",
    verdict=_verdict,
    caption=_caption,
)
"""For `umlip_bench.analysis.tables.print_table`."""


def case_table(results: Sequence[MigrationComparison]) -> CaseTable:
    """Barriers of each path in eV, the place of the saddle point, and the distance from DFT's path."""
    rows = []
    for result in results:
        reference = result.reference
        row = [result.energies.name, "-" if reference is None else _described(reference)]
        by_variant = {profile.of: profile for profile in result.profiles}
        for variant in VARIANTS:
            profile = by_variant.get(variant)
            if profile is None:
                row.append(cell(result.energies.value(variant)))
            else:
                row.append(_described(profile, None if variant is Variant.FIXED else reference))
        rows.append(row)
    return CaseTable(
        title="migration barriers in eV: kinetically resolved (forward, backward)",
        columns=("path", "DFT", *VARIANTS),
        rows=rows,
        notes=[
            "saddle: highest image as a fraction of the path; off: distance of the ion from its way in DFT, "
            "root mean square (largest), Å",
            *remarks([result.energies for result in results]),
            *(
                f"{result.energies.name}: along the path energies are {result.energy_slope:.2f} and forces "
                f"{result.force_slope:.2f} of DFT's: they do not tell the same story"
                for result in results
                if result.stories_differ
            ),
        ],
    )


def _described(profile: Profile, reference: Profile | None = None) -> str:
    """Barriers, the place of the saddle point, and the deviation from a reference if there is one."""
    forward, backward = profile.forward_barrier, profile.backward_barrier
    resolved = f"{0.5 * (forward + backward):.3f}" if profile.has_barrier else "no barrier"
    lines = [
        f"{resolved} ({forward:.3f}, {backward:.3f})",
        f"saddle {profile.saddle_position:.2f}",
    ]
    if reference is not None:
        deviation = path_deviation(profile, reference)
        lines.append(f"off {deviation.rms:.2f} ({deviation.maximum:.2f})")
    return "\n".join(lines)


def profiles_to_arrays(result: MigrationComparison) -> dict[str, np.ndarray]:
    """Everything of a comparison but its name."""
    arrays = comparison_to_arrays(result.energies)
    profiles = [*result.profiles, *([] if result.reference is None else [result.reference])]
    arrays["force_slope"] = np.array(result.force_slope)
    arrays["profiles"] = np.array([profile.of for profile in profiles], dtype=str)
    for profile in profiles:
        arrays[f"{profile.of}/distances"] = profile.distances
        arrays[f"{profile.of}/energies"] = profile.energies
        arrays[f"{profile.of}/ion"] = profile.ion
    return arrays


def profiles_from_arrays(name: str, arrays: Mapping[str, np.ndarray]) -> MigrationComparison:
    """The comparison again."""
    profiles = {
        of: Profile(of, *(arrays[f"{of}/{name}"] for name in ("distances", "energies", "ion")))
        for of in arrays["profiles"].tolist()
    }
    reference = profiles.pop("DFT", None)
    return MigrationComparison(
        energies=comparison_from_arrays(name, arrays),
        reference=reference,
        profiles=tuple(profiles.values()),
        force_slope=float(arrays.get("force_slope", np.nan)),
    )
