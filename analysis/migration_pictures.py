"""Pictures of migration paths: energy profiles of DFT and of any number of models in one plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from umlip_bench.analysis.energies import Standing, Variant
from umlip_bench.analysis.migration import VARIANTS, MigrationComparison, Profile
from umlip_bench.analysis.palette import DFT, model_style

TITLES = {
    Variant.FIXED: "at the images given",
    Variant.APPROX_NEB: "images relaxed one by one",
    Variant.NEB: "climbing-image band",
}


def draw(comparisons: Mapping[str, MigrationComparison], reference: str = "DFT") -> Figure:
    """Energies above the first image along the path, a panel for each variant.

    The abscissa is the fraction of each path's own length: relaxed paths are not as long as DFT's. DFT is
    drawn in all panels, dotted where its images were prepared in another way.

    Parameters
    ----------
    comparisons
        Of one path, by name of the model; at least one.
    reference
        How DFT is called, with its functional.
    """
    first = next(iter(comparisons.values()))
    figure = Figure(figsize=(10.0, 3.8), layout="constrained")
    panels: list[Axes] = list(figure.subplots(1, len(VARIANTS), sharey=True))
    for axes, variant in zip(panels, VARIANTS, strict=True):
        if first.reference is not None:
            value = first.energies.value(variant)
            otherwise = value is not None and value.standing is Standing.NOT_COMPARABLE
            style = {"color": DFT, "linestyle": ":" if otherwise else "-"}
            _line(axes, first.reference, reference, style)
        for k, (model, comparison) in enumerate(comparisons.items()):
            for profile in comparison.profiles:
                if profile.of == variant:
                    _line(axes, profile, model, model_style(k))
        axes.axhline(0.0, color="grey", linewidth=0.5)
        axes.set_xlabel("fraction of the path")
        axes.set_title(TITLES[variant], loc="left", fontsize="medium")
    panels[0].set_ylabel("energy above the first image (eV)")
    figure.suptitle(first.energies.name, x=0.01, ha="left")
    by_label = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        by_label.values(), by_label.keys(), loc="outside lower center", ncols=4, frameon=False
    )
    return figure


def pictures(
    comparisons: Mapping[str, MigrationComparison], reference: str = "DFT"
) -> Iterator[tuple[str, Figure]]:
    """Name and figure; one for each path."""
    yield "profile", draw(comparisons, reference)


def _line(axes: Axes, profile: Profile, label: str, style: dict[str, Any]) -> None:
    along = profile.distances / profile.distances[-1]
    axes.plot(
        along, profile.energies, label=label, linewidth=1.2, marker="o", markersize=4, **style
    )
