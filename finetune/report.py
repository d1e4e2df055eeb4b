"""What a fit tells the user: one table, and what to make of it in words."""

from __future__ import annotations

import math
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from umlip_bench.finetune.comparison import BeforeAfter
from umlip_bench.finetune.estimators import Estimator
from umlip_bench.finetune.scalar import ONE_FRAME, REFERENCE_SET, ScalarFit

GPA = 160.21766
"""GPa in one eV/Å³."""


def print_report(fit: ScalarFit, model: str, console: Console) -> None:
    """Print a fit.

    Parameters
    ----------
    fit
        The fit.
    model
        Name of the model that was fitted.
    console
        Where to print.
    """
    low, high = fit.interval
    title = f"{model}: c = {fit.factor:.3f} [{low:.3f}, {high:.3f}], {fit.estimator}"
    table = Table(title=Text(title), title_justify="left")
    table.add_column("")
    for name in ("before", "after"):
        table.add_column(name, justify="right")
    table.add_column("on")
    for label, pair, digits, where in _rows(fit):
        cells = (f"{value:.{digits}f}" for value in (pair.before, pair.after))
        table.add_row(Text(label), *cells, Text(where))
    console.print(table)
    if len(fit.materials) > 1:
        console.print(_materials(fit))
    for line in explanations(fit):
        console.print(Text(line))


def explanations(fit: ScalarFit) -> Iterator[str]:
    """Say in words what supports the factor, and what it does."""
    labels = fit.labels
    yield (
        f"Labels: {labels.n_components} force components of {_frames(labels.n_frames)}, root mean square "
        f"{labels.rms_force:.2f} eV/Å"
        + (
            f"; {_frames(labels.n_at_rest)} without forces set aside for the factor."
            if labels.n_at_rest
            else "."
        )
    )
    if fit.usual is not None:
        low, high = fit.label_interval
        yield (
            f"The labels alone ask for {fit.label_factor:.3f} [{low:.3f}, {high:.3f}]; on "
            f"{fit.usual.n_materials} other materials ({REFERENCE_SET}) the model needs "
            f"{fit.usual.factor:.3f}, with a spread of {math.sqrt(fit.usual.log_variance):.0%} between "
            f"materials: the labels weigh {fit.label_weight:.0%}."
        )
    yield support(fit)
    if fit.estimator is Estimator.ROTATE and fit.r2 < 0.95:
        yield (
            f"rotate takes noise for softness: its factor is 1/r2 = {1 / fit.r2:.2f} times the one of least "
            "squared error; mse and shrunk do not."
        )
    if len(fit.materials) > 1:
        yield "All materials get the one factor. Fit them apart if their own differ."
    if fit.labels.n_frames == 1:
        yield (
            "One label speaks for states like it. States of another temperature or phase may need another "
            "factor: a second label there tells."
        )
    if fit.stress is not None and fit.stress.mae.after > fit.stress.mae.before:
        yield (
            "Stress gets worse: it scales with the energy, but was not as soft as the forces. Equilibrium "
            "volumes stay, elastic constants and pressures grow by c."
        )
    yield (
        "Every energy difference grows by c, formation energies included"
        + (
            ", about the energies given as references."
            if fit.references is not None
            else ", about the model's element references (zero for a foreign calculator)."
        )
        + " Energies of the labels were compared as differences only."
    )
    if fit.retention is not None and fit.retention.worse:
        yield (
            f"On {len(fit.retention.worse)} of {fit.retention.n_materials} other materials the forces get "
            f"worse: {', '.join(fit.retention.worse)}. The factor is for the material that it was fitted to."
        )


def support(fit: ScalarFit) -> str:
    """Whether the labels support a factor at all."""
    noise = (
        f"slope {fit.slope:.3f}, inverse {fit.inverse:.3f}, r2 {fit.r2:.3f}; a model that is noisy but not "
        f"soft would show slope {fit.r2:.3f} and inverse 1"
    )
    low, high = fit.interval
    if fit.resolved:
        return f"Supported: the interval of c leaves out 1. {noise}."
    return (
        f"Not resolved: the interval of c, [{low:.3f}, {high:.3f}], holds 1, no correction at all. {noise}. "
        "More labels would tell."
    )


def _rows(fit: ScalarFit) -> Iterator[tuple[str, BeforeAfter, int, str]]:
    split = f"{_frames(fit.labels.n_frames)}, {fit.forces.split}"
    if fit.forces.split == ONE_FRAME:
        split = ONE_FRAME
    yield "force slope", fit.forces.slope, 3, split
    yield "force MAE (eV/Å)", fit.forces.mae, 3, split
    if fit.energies is not None:
        where = f"{_frames(fit.energies.n_frames)}, not fitted"
        scaled = BeforeAfter(1000 * fit.energies.mae.before, 1000 * fit.energies.mae.after)
        yield "energy differences MAE (meV/atom)", scaled, 2, where
    if fit.stress is not None:
        where = f"{_frames(fit.stress.n_frames)}, not fitted"
        yield "stress slope", fit.stress.slope, 3, where
        scaled = BeforeAfter(GPA * fit.stress.mae.before, GPA * fit.stress.mae.after)
        yield "stress MAE (GPa)", scaled, 2, where
    if fit.retention is not None:
        where = f"{fit.retention.n_materials} other materials, median"
        yield "force MAE elsewhere (eV/Å)", fit.retention.mae, 3, where


def _materials(fit: ScalarFit) -> Table:
    table = Table(title="Each material by itself, uncorrected", title_justify="left")
    table.add_column("material")
    for name in ("frames", "slope", "inverse", "r2"):
        table.add_column(name, justify="right")
    for each in fit.materials:
        numbers = (f"{value:.3f}" for value in (each.slope, each.inverse, each.r2))
        table.add_row(Text(each.name), str(each.n_frames), *numbers)
    return table


def _frames(n: int) -> str:
    return f"{n} frame{'' if n == 1 else 's'}"
