"""Pictures of phonons: bands and density of states of DFT and of any number of models in one plot.

Over materials, the distribution of the ratio of highest frequencies, as in Fig. 4 of B. Deng et al., npj
Comput. Mater. 11, 9 (2025).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from umlip_bench.analysis.harmonic import SMEARING, density_of_states
from umlip_bench.analysis.palette import DFT, model_style
from umlip_bench.analysis.phonons import (
    FIXED,
    RELAXED,
    BandPath,
    PhononComparison,
    Phonons,
    phonon_metrics,
)
from umlip_bench.ground.files import write_atomically

BIN = 0.05
"""Width of a bin of ratios; the edges are multiples of it, so that one of them is 1."""


def draw(
    comparisons: Mapping[str, PhononComparison], variant: str, reference: str = "DFT"
) -> Figure:
    """Bands along the path, and densities of states beside them.

    Imaginary frequencies are drawn below zero.

    Parameters
    ----------
    comparisons
        Of one material, by name of the model; at least one.
    variant
        ``"fixed-geometry"`` or ``"relaxed"``; models without it are left out.
    reference
        How DFT is called, with its functional.
    """
    first = next(iter(comparisons.values()))
    figure = Figure(figsize=(8.0, 4.5), layout="constrained")
    bands, states = figure.subplots(1, 2, width_ratios=(3, 1), sharey=True)
    for label, side, weights, style in _sides(comparisons, variant, reference):
        _draw_bands(bands, first.sampling.path, side, label, style)
        at = np.arange(side.mesh.min() - 4 * SMEARING, side.mesh.max() + 4 * SMEARING, SMEARING / 4)
        density = density_of_states(side.mesh, weights, at) * side.mesh.shape[1]
        states.plot(density, at, **style)
    _ticks(bands, first.sampling.path)
    for axes in (bands, states):
        axes.axhline(0.0, color="grey", linewidth=0.5)
    bands.set_ylabel("frequency (THz)")
    states.set_xlabel("states per THz and cell")
    states.set_xlim(left=0.0)
    where = "at DFT's geometry" if variant == FIXED else "relaxed by each model"
    if first.reference is None and variant == FIXED:
        where = "at the geometry given"
    bands.set_title(f"{first.name}, {where}", loc="left")
    figure.legend(loc="outside upper right", ncols=3, frameon=False)
    return figure


def pictures(
    comparisons: Mapping[str, PhononComparison], reference: str = "DFT"
) -> Iterator[tuple[str, Figure]]:
    """Name and figure for each variant that a model has."""
    yield FIXED, draw(comparisons, FIXED, reference)
    if any(comparison.relaxed is not None for comparison in comparisons.values()):
        yield RELAXED, draw(comparisons, RELAXED, reference)


def overviews(
    cases: Mapping[str, Mapping[str, PhononComparison]], reference: str = "DFT"
) -> Iterator[tuple[str, Figure]]:
    """Name and figure of what is drawn of all materials together; nothing without DFT's phonons.

    Parameters
    ----------
    cases
        By name of the material, comparisons by name of the model.
    reference
        How DFT is called, with its functional.
    """
    ratios: dict[str, dict[str, list[float]]] = {FIXED: {}, RELAXED: {}}
    for comparisons in cases.values():
        for model, comparison in comparisons.items():
            if comparison.reference is not None:
                for variant, metrics in phonon_metrics(comparison).items():
                    ratios[variant].setdefault(model, []).append(metrics.max_ratio)
    if ratios[FIXED]:
        yield "highest-frequencies", draw_ratios(ratios, reference)


def draw_ratios(
    ratios: Mapping[str, Mapping[str, Sequence[float]]], reference: str = "DFT"
) -> Figure:
    """Histograms of the highest frequency over DFT's: a row for each variant, a column for each model.

    Parameters
    ----------
    ratios
        By variant and name of the model, one value for each material.
    reference
        How DFT is called, with its functional.
    """
    models = list(dict.fromkeys(model for of in ratios.values() for model in of))
    shown = [variant for variant, of in ratios.items() if of]
    everything = np.concatenate([values for of in ratios.values() for values in of.values()])
    first = int(np.floor(min(everything.min(), 1.0) / BIN + 1e-9))
    last = int(np.floor(max(everything.max(), 1.0) / BIN + 1e-9)) + 1
    edges = BIN * np.arange(first, last + 1)
    figure = Figure(figsize=(1.0 + 3.6 * len(models), 0.6 + 2.4 * len(shown)), layout="constrained")
    panels = figure.subplots(len(shown), len(models), sharex=True, sharey="row", squeeze=False)
    for variant, row in zip(shown, panels, strict=True):
        row[0].set_ylabel(f"materials, {variant}")
        row[0].yaxis.set_major_locator(MaxNLocator(integer=True))
        for k, (model, axes) in enumerate(zip(models, row, strict=True)):
            values = np.asarray(ratios[variant].get(model, []))
            axes.hist(values, bins=edges, color=model_style(k)["color"], alpha=0.8)
            axes.axvline(1.0, color=DFT, linewidth=0.8)
            title = f"{model}\nn = {len(values)}"
            if len(values):
                median = float(np.median(values))
                axes.axvline(median, color=DFT, linewidth=0.8, linestyle="--")
                title += f", median {median:.2f}, softened {np.sum(values < 1.0)}/{len(values)}"
            axes.set_title(title, loc="left", fontsize="small")
    for axes in panels[-1]:
        axes.set_xlabel(f"highest frequency, model over {reference}")
    return figure


def write(comparisons: Mapping[str, PhononComparison], variant: str, path: Path) -> None:
    """Draw and save, as PNG or whatever the name of the file ends with."""
    figure = draw(comparisons, variant)
    write_atomically(path, lambda file: figure.savefig(file, format=path.suffix[1:], dpi=160))


def _sides(
    comparisons: Mapping[str, PhononComparison], variant: str, reference: str
) -> Iterator[tuple[str, Phonons, np.ndarray, dict[str, Any]]]:
    """Label, phonons, weights of the q-points, and style: DFT first, below the models."""
    first = next(iter(comparisons.values()))
    if first.reference is not None:
        yield (
            reference,
            first.reference,
            first.sampling.weights,
            {"color": DFT, "linewidth": 1.6, "alpha": 0.7},
        )
    for k, (model, comparison) in enumerate(comparisons.items()):
        side = comparison.fixed if variant == FIXED else comparison.relaxed
        if side is not None:
            style = {"linewidth": 1.0, **model_style(k)}
            yield model, side, comparison.sampling.weights, style


def _draw_bands(
    axes: Axes, path: BandPath, side: Phonons, label: str, style: dict[str, Any]
) -> None:
    for segment in range(len(path.labels)):
        on_it = path.segments == segment
        lines = axes.plot(path.distances[on_it], side.bands[on_it], **style)
        if segment == 0:
            lines[0].set_label(label)


def _ticks(axes: Axes, path: BandPath) -> None:
    """Names of the points of high symmetry; two where the path jumps."""
    positions: list[float] = []
    names: list[str] = []
    for segment, (first, last) in enumerate(path.labels):
        along = path.distances[path.segments == segment]
        if names and names[-1].split("\n")[-1] != _pretty(first):
            names[-1] = f"{names[-1]}\n{_pretty(first)}"
        elif not names:
            positions.append(float(along[0]))
            names.append(_pretty(first))
        positions.append(float(along[-1]))
        names.append(_pretty(last))
    axes.set_xticks(positions, names)
    axes.set_xlim(positions[0], positions[-1])
    for position in positions:
        axes.axvline(position, color="grey", linewidth=0.5)


def _pretty(label: str) -> str:
    """With a subscript where the name has one: ``S_0``."""
    name, _, index = label.partition("_")
    return f"{name}$_{{{index}}}$" if index else name
